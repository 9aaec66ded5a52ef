package facts

import (
	"path"
	"strings"

	"migimg/preflight/facts/bootcfg"
)

// Swap is where the guest resumes from, and what grows its root.
type Swap struct {
	// Resume are the settings that name a device to wake up from.
	Resume []ResumeSetting
	// NoResume is the argument or setting that switches resuming off.
	NoResume string
	// ZRAM are files that set up swap in memory.
	ZRAM []string
	// Grow are programs that enlarge the root partition at boot (growpart and its
	// like), GrowEarly those in the initramfs of older systems.
	Grow, GrowEarly []string
	Problems        []string
}

// ResumeSetting is a resume= or RESUME=.
type ResumeSetting struct {
	// File is empty for the kernel's command line.
	File  string
	Line  int
	Value string
	// Resolved is where the device is.
	Resolved Spec
}

func (g *gatherer) swap() {
	if err := g.unreadableAt("etc", "usr", "usr/bin", "usr/sbin"); err != nil {
		g.f.SetAbsent(KeySwap, Absence{Reason: err.Error()})
		return
	}
	s := &g.f.Swap
	files := []string{"etc/initramfs-tools/initramfs.conf"}
	if entries, err := g.fs.ReadDir("etc/initramfs-tools/conf.d"); err == nil {
		for i, e := range entries {
			if i < maxNetFiles {
				files = append(files, path.Join("etc/initramfs-tools/conf.d", e.Name()))
			}
		}
	}
	var last *ResumeSetting
	for _, n := range files {
		text, _, err := g.config(n)
		if err != nil {
			s.Problems = append(s.Problems, err.Error())
			continue
		}
		ln := 0
		for line := range strings.Lines(text) {
			ln++
			if v, ok := strings.CutPrefix(strings.TrimSpace(line), "RESUME="); ok {
				last = &ResumeSetting{File: "/" + n, Line: ln, Value: strings.Trim(v, `"'`)}
			}
		}
	}
	if e, ok := g.f.Boot.DefaultEntry(); ok {
		if v, ok := bootcfg.Param(e.Cmdline, "resume"); ok {
			s.Resume = append(s.Resume, ResumeSetting{Value: v})
		}
		for _, a := range bootcfg.Args(e.Cmdline) {
			if a.Key == "noresume" {
				s.NoResume = "noresume on the kernel's command line"
			}
		}
	}
	if last != nil {
		s.Resume = append(s.Resume, *last)
	}
	for i := range s.Resume {
		r := &s.Resume[i]
		switch r.Value {
		case "none", "auto", "":
			r.Resolved = Spec{Kind: "none", Value: r.Value, Place: NoDisk, Volume: -1}
			if r.Value == "none" {
				s.NoResume = or(s.NoResume, "RESUME=none in "+r.File)
			}
		default:
			r.Resolved = g.f.Disk.Resolve(r.Value, "")
		}
	}
	s.ZRAM, _ = g.exists("etc/systemd/zram-generator.conf", "usr/lib/systemd/zram-generator.conf", "etc/default/zramswap", "etc/zram-generator.conf")
	s.Grow, _ = g.exists("usr/bin/growpart", "usr/sbin/growpart", "usr/bin/systemd-repart")
	s.GrowEarly, _ = g.exists("usr/share/dracut/modules.d/50growroot", "usr/lib/dracut/modules.d/50growroot", "usr/share/initramfs-tools/scripts/local-bottom/growroot")
}

package facts

import (
	"maps"
	"path"
	"slices"
	"strings"

	"migimg/preflight/facts/bootcfg"
	"migimg/preflight/facts/initramfs"
	"migimg/preflight/facts/kmod"
)

// Early is what the initramfs of the default entry holds besides modules: all its
// archives together.
type Early struct {
	// Generator is "dracut", "initramfs-tools", "mkinitcpio", "booster" or "".
	Generator string
	// Hostonly says that dracut put in what this machine needed, and no more.
	Hostonly bool
	// Parts are the names of dracut's modules.
	Parts []string
	// Programs are the programs for stacked roots that it has, by name.
	Programs map[string]string
	// Forced are modules that it loads by their names, whatever the machine has.
	Forced []string
	// Rules are its modprobe rules.
	Rules []ModprobeRule
	// Embedded are lines of its own configuration that name devices.
	Embedded []Embedded
	// Opaque is why it may hold more; empty where all of it was seen.
	Opaque string
}

// Embedded is a line of configuration inside the initramfs.
type Embedded struct {
	// Kind is "arg" (an argument of the command line), "resume", "crypttab",
	// "mdadm", "lvm-filter", "lvm-device" or "multipath".
	Kind string
	Line
	// Key and Value are the argument's; Value is the device of resume and crypttab.
	Key, Value string
}

// earlyPrograms are what assembles a stacked root.
var earlyPrograms = []string{"lvm", "mdadm", "cryptsetup", "systemd-cryptsetup", "dmsetup", "multipathd", "multipath", "btrfs", "bcache-register", "zpool", "systemd"}

var programDirs = []string{"usr/sbin", "sbin", "usr/bin", "bin", "usr/lib/systemd", "lib/systemd", "usr/lib/udev", "lib/udev"}

// maxEmbedded bounds the lines of configuration.
const maxEmbedded = 500

// gatherEarly reads what the archives hold besides modules.
func (g *gatherer) gatherEarly(archives []*initramfs.Archive, unread string, tree *kmod.Tree) {
	e := &g.f.Early
	e.Programs, e.Opaque = map[string]string{}, unread
	for _, a := range archives {
		e.Opaque = firstOf(e.Opaque, a.Opaque)
		for _, p := range earlyPrograms {
			for _, d := range programDirs {
				if _, ok := a.Find(d + "/" + p); ok {
					e.Programs[p] = "/" + d + "/" + p
				}
			}
		}
		for _, p := range slices.Sorted(maps.Keys(a.Contents)) {
			e.content(p, string(a.Contents[p]))
		}
		for _, x := range [][2]string{{"usr/lib/dracut", "dracut"}, {"lib/dracut", "dracut"}, {"scripts/functions", "initramfs-tools"},
			{"etc/booster.init.yaml", "booster"}, {"hooks", "mkinitcpio"}} {
			if _, ok := a.Find(x[0]); ok && e.Generator == "" {
				e.Generator = x[1]
			}
		}
		for _, p := range []string{"lib/dracut/hostonly-kernel-modules.txt", "usr/lib/dracut/hostonly-kernel-modules.txt", "usr/lib/dracut/hostonly-files", "lib/dracut/hostonly-files"} {
			if _, ok := a.Find(p); ok {
				e.Hostonly = true
			}
		}
	}
	for name, m := range g.f.Drivers.Modules {
		m.Deps, _ = tree.Deps(name)
		g.f.Drivers.Modules[name] = m
	}
}

// content reads one file of the initramfs.
func (e *Early) content(p, text string) {
	p = strings.TrimPrefix(p, "usr/")
	dir, base := path.Dir(p), path.Base(p)
	switch {
	case (dir == "etc/modprobe.d" || dir == "lib/modprobe.d") && strings.HasSuffix(base, ".conf"), p == "etc/modprobe.conf":
		if len(e.Rules) < maxModprobeRules {
			e.Rules = append(e.Rules, ParseModprobe("/"+p, RuleInitramfs, text)...)
		}
		return
	case p == "lib/dracut/modules.txt":
		e.Generator, e.Parts = "dracut", strings.Fields(text)
		return
	}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || len(e.Embedded) >= maxEmbedded {
			continue
		}
		e.line(p, dir, Line{"/" + p, n, line})
	}
}

// line reads one line of a file at p.
func (e *Early) line(p, dir string, l Line) {
	add := func(kind, key, value string) {
		e.Embedded = append(e.Embedded, Embedded{Kind: kind, Line: l, Key: key, Value: value})
	}
	words := strings.Fields(l.Text)
	switch {
	case p == "conf/modules" || p == "etc/modules" || dir == "etc/modules-load.d" || dir == "lib/modules-load.d":
		e.force(words[:1])
	case dir == "lib/dracut/hooks/cmdline":
		// 20-force_drivers.sh: "modprobe --quiet NAME ..." of dracut's force_drivers.
		if i := slices.Index(words, "modprobe"); i >= 0 {
			e.force(words[i+1:])
		}
	case dir == "etc/cmdline.d" || p == "etc/cmdline":
		for _, a := range bootcfg.Args(l.Text) {
			if a.Key == "rd.driver.pre" {
				e.force(strings.Split(a.Value, ","))
			}
			add("arg", a.Key, a.Value)
		}
	case p == "conf/param.conf" || dir == "conf/conf.d" || p == "conf/initramfs.conf":
		for _, s := range ParseShellFile(l.File, l.Text).Settings {
			if (s.Key == "RESUME" || s.Key == "resume") && s.Value != "" && !s.Dynamic {
				add("resume", s.Key, s.Value)
			} else if s.Key == "ROOT" && s.Value != "" && !s.Dynamic {
				add("arg", "root", s.Value)
			}
		}
	case (p == "etc/crypttab" || p == "cryptroot/crypttab") && len(words) > 1:
		l.Text = words[0] + " " + words[1] // the third field may lead to a key
		add("crypttab", words[0], words[1])
	case (p == "etc/mdadm.conf" || p == "etc/mdadm/mdadm.conf") && strings.EqualFold(words[0], "ARRAY"):
		add("mdadm", "ARRAY", strings.Join(words[1:], " "))
	case p == "etc/lvm/lvm.conf":
		if k, v, ok := strings.Cut(l.Text, "="); ok && (strings.TrimSpace(k) == "filter" || strings.TrimSpace(k) == "global_filter") {
			add("lvm-filter", strings.TrimSpace(k), strings.TrimSpace(v))
		}
	case dir == "etc/lvm/devices" && strings.Contains(l.Text, "IDTYPE="):
		add("lvm-device", "IDTYPE", l.Text)
	case dir == "etc/multipath" && path.Base(p) != "prkeys":
		add("multipath", path.Base(p), l.Text)
	}
}

// force notes modules that are loaded by name; options of modprobe are none.
func (e *Early) force(names []string) {
	for _, n := range names {
		if n = moduleName(strings.Trim(n, `"'`)); n != "" && n[0] != '-' && n[0] != '_' && len(e.Forced) < maxEmbedded {
			e.Forced = append(e.Forced, n)
		}
	}
}

// RootGiven says whether the default entry's command line names a root.
func (f *Facts) RootGiven() bool {
	e, ok := f.Boot.DefaultEntry()
	return ok && e.RootSet
}

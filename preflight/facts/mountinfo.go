package facts

import (
	"os"
	"path"
	"slices"
	"strings"
)

// MountInfo is a line of /proc/PID/mountinfo (proc_pid_mountinfo(5)).
type MountInfo struct {
	// Dev is "MAJOR:MINOR"; Root the part of the filesystem that is mounted.
	Dev, Root, Point, FSType, Source string
	Options                          []string
}

// maxMounts bounds the mounts that are read.
const maxMounts = 100_000

// ParseMountInfo reads mountinfo. Lines that are not in its form are left out.
func ParseMountInfo(s string) (out []MountInfo) {
	for line := range strings.Lines(s) {
		if len(out) == maxMounts {
			break
		}
		head, tail, ok := strings.Cut(strings.TrimRight(line, "\n"), " - ")
		if !ok {
			continue
		}
		h, t := strings.Split(head, " "), strings.Split(tail, " ")
		if len(h) < 6 || len(t) < 2 {
			continue
		}
		m := MountInfo{Dev: h[2], Root: unescapeOctal(h[3]), Point: unescapeOctal(h[4]), FSType: t[0], Options: strings.Split(h[5], ",")}
		m.Source = unescapeOctal(t[1])
		out = append(out, m)
	}
	return out
}

// mountedNow says whether something is mounted at a path of process 1's tree:
// the live tree then shows it, whichever disk it is on.
func (g *gatherer) mountedNow(at string) bool {
	b, err := os.ReadFile(path.Join(g.src.proc(), "1/mountinfo"))
	if err != nil {
		// Without it, what the topology says of this disk has to do.
		for _, m := range g.src.Mounts {
			if m.Point == at {
				return true
			}
		}
		return false
	}
	for _, m := range ParseMountInfo(string(b)) {
		if m.Point == at && m.FSType != "autofs" {
			return true
		}
	}
	return false
}

// OtherMount is a filesystem of another disk in the running system's tree.
type OtherMount struct{ Point, Source, FSType string }

// otherMounts finds what the running system has mounted from other disks. Loop
// devices (snaps, images), optical drives and what people mount below /mnt,
// /media and /run are left out.
func (g *gatherer) otherMounts() {
	if !g.f.Guest.Live || g.f.Guest.RootPath != "/" {
		return
	}
	b, err := os.ReadFile(path.Join(g.src.proc(), "1/mountinfo"))
	if err != nil {
		g.f.Guest.Problems = append(g.f.Guest.Problems, "which other disks are mounted: "+err.Error())
		return
	}
	own := map[string]bool{}
	for _, m := range g.src.Mounts {
		own[m.Point] = true
		own[m.Device] = true
	}
	for _, m := range ParseMountInfo(string(b)) {
		if own[m.Point] || own[m.Source] || !strings.HasPrefix(m.Source, "/dev/") || strings.HasPrefix(m.Source, "/dev/loop") ||
			strings.HasPrefix(m.Source, "/dev/sr") || m.FSType == "squashfs" || m.FSType == "devtmpfs" || strings.HasPrefix(m.FSType, "fuse") {
			continue
		}
		aside := false
		for _, p := range []string{"/mnt", "/media", "/run", "/dev", "/proc", "/sys"} {
			aside = aside || m.Point == p || strings.HasPrefix(m.Point, p+"/")
		}
		if !aside {
			g.f.OtherMounts = append(g.f.OtherMounts, OtherMount{m.Point, m.Source, m.FSType})
		}
	}
}

// learn notes by which specifications the running system has mounted volumes of
// this disk: those of its fstab, and the sources that the kernel names.
func (g *gatherer) learn(f Fstab) {
	if !g.f.Guest.Live || g.f.Guest.RootPath != "/" {
		return
	}
	d := &g.f.Disk
	at := map[string]int{} // mount point -> volume
	for _, m := range g.src.Mounts {
		if i := slices.IndexFunc(d.Volumes, func(v Volume) bool { return v.Name == m.Partition }); i >= 0 {
			at[m.Point] = i
		}
	}
	known := map[string]int{}
	for _, l := range f.Lines {
		if i, ok := at[l.Point]; ok && d.Resolve(l.Spec, l.FSType).Place == Unsure {
			known[mapperName(l.Spec)] = i
		}
	}
	if b, err := os.ReadFile(path.Join(g.src.proc(), "1/mountinfo")); err == nil {
		for _, m := range ParseMountInfo(string(b)) {
			if i, ok := at[m.Point]; ok && strings.HasPrefix(m.Source, "/dev/mapper/") {
				known[m.Source] = i
			}
		}
	}
	d.known = known
}

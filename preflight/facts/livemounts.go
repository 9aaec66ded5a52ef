package facts

import (
	"path"
	"slices"
	"strings"

	"migimg/blockmap/device/mounttable"
)

// mountedNow says whether something is mounted at a path of process 1's tree:
// the live tree then shows it, whichever disk it is on.
func (g *gatherer) mountedNow(at string) bool {
	table, err := mounttable.Read(path.Join(g.src.proc(), "1/mountinfo"))
	if err != nil {
		// Without it, what the topology says of this disk has to do.
		for _, m := range g.src.Mounts {
			if m.Point == at {
				return true
			}
		}
		return false
	}
	for _, m := range table {
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
	table, err := mounttable.Read(path.Join(g.src.proc(), "1/mountinfo"))
	if err != nil {
		g.f.Guest.Problems = append(g.f.Guest.Problems, "which other disks are mounted: "+err.Error())
		return
	}
	own := map[string]bool{}
	for _, m := range g.src.Mounts {
		own[m.Point] = true
		own[m.Device] = true
	}
	for _, m := range table {
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
	table, _ := mounttable.Read(path.Join(g.src.proc(), "1/mountinfo")) // it only adds
	for _, m := range table {
		if i, ok := at[m.Point]; ok && strings.HasPrefix(m.Source, "/dev/mapper/") {
			known[m.Source] = i
		}
	}
	d.known = known
}

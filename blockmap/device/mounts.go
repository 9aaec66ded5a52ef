package device

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"migimg/blockmap/device/mounttable"
)

type mount struct {
	dev, source   uint64
	point, fstype string
	write         bool
}

// mounts lists all mounts; a filesystem that several namespaces have as the first of
// them has it.
func mounts(roots Roots) ([]mount, error) {
	spaces, err := mounttable.All(roots.Proc)
	if err != nil {
		return nil, err
	}
	var out []mount
	seen := map[uint64]bool{}
	for _, space := range spaces {
		here := map[uint64]bool{}
		for _, r := range space.Rows {
			if seen[r.Dev] || r.FSType == "fuse.migimg" { // its source is what it shows
				continue
			}
			here[r.Dev] = true
			m := mount{dev: r.Dev, point: r.Point, fstype: r.FSType, write: slices.Contains(strings.Split(r.Super, ","), "rw")}
			if space.Foreign {
				m.point = filepath.Join(space.Process, "root", r.Point)
			}
			// btrfs mounts have an anonymous device number; the source tells.
			var st unix.Stat_t
			if strings.HasPrefix(r.Source, "/") && unix.Stat(r.Source, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFBLK {
				m.source = st.Rdev
			}
			out = append(out, m)
		}
		maps.Copy(seen, here)
	}
	return out, nil
}

package device

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"migimg/blockmap/device/mounttable"
)

// Roots are where the machine's own filesystems are; tests put fixtures there.
// The zero value means /proc, /sys and /dev.
type Roots struct{ Proc, Sys, Dev string }

func (r Roots) or() Roots {
	if r.Proc == "" {
		r.Proc = "/proc"
	}
	if r.Sys == "" {
		r.Sys = "/sys"
	}
	if r.Dev == "" {
		r.Dev = "/dev"
	}
	return r
}

// Use is a way in which the running system uses the device or a part of it.
type Use struct {
	// Device is the kernel's name of the part: "sda1", "dm-0", "loop0p1".
	Device string `json:"device"`
	// Partition is the partition's number, 0 where the part is not a partition.
	Partition int `json:"partition,omitempty"`
	// Kind is "mount", "swap" or "holder" (a device-mapper or md device on top
	// that is not otherwise accounted for).
	Kind string `json:"kind"`
	// Point and FSType are for mounts.
	Point  string `json:"mountpoint,omitempty"`
	FSType string `json:"fstype,omitempty"`
	// Write says that the part may be written to at any moment.
	Write bool `json:"write"`
	// Dev is the part's dev_t.
	Dev uint64 `json:"-"`
	// Mapper is what device-mapper calls the part; empty where it is not its own.
	Mapper string `json:"-"`
}

func (u Use) String() string {
	switch u.Kind {
	case "mount":
		mode := "ro"
		if u.Write {
			mode = "rw"
		}
		return fmt.Sprintf("/dev/%s mounted %s at %s", u.Device, mode, u.Point)
	case "swap":
		return fmt.Sprintf("/dev/%s in use as swap", u.Device)
	}
	return fmt.Sprintf("/dev/%s in use by %s", u.Device, u.Kind)
}

// node is a block device that the device, or the image file, is visible as.
type node struct {
	name      string
	dev       uint64 // dev_t
	mapper    string // device-mapper's name
	partition int
	stacked   bool // a dm or md device on top: not a part of the disk itself
}

// Uses lists how the running system uses the device, its partitions and what is
// stacked on them; for an image file, the loop devices over it. Mounts that are hidden
// from this process, or from all but a container, are seen as well.
func (d *Device) Uses(roots Roots) ([]Use, error) {
	roots = roots.or()
	nodes, err := d.nodes(roots)
	if err != nil {
		return nil, err
	}
	mounts, err := mounts(roots)
	if err != nil {
		return nil, err
	}
	swaps, err := swaps(roots)
	if err != nil {
		return nil, err
	}
	var uses []Use
	used := map[string]bool{}
	for _, n := range nodes {
		u := Use{Device: n.name, Partition: n.partition, Dev: n.dev, Mapper: n.mapper}
		for _, m := range mounts {
			if m.dev == n.dev || m.source == n.dev {
				u.Kind, u.Point, u.FSType, u.Write = "mount", m.point, m.fstype, m.write
				uses = append(uses, u)
				used[n.name] = true
			}
		}
		if slices.Contains(swaps, n.dev) {
			// Only the header of a swap area is carried, and swapping does not
			// write it.
			uses = append(uses, Use{Device: n.name, Partition: n.partition, Kind: "swap", Dev: n.dev, Mapper: n.mapper})
			used[n.name] = true
		}
	}
	for _, n := range nodes {
		if n.stacked && !used[n.name] && len(children(filepath.Join(roots.Sys, "class/block", n.name, "holders"))) == 0 {
			uses = append(uses, Use{Device: n.name, Kind: "holder", Write: true, Dev: n.dev, Mapper: n.mapper})
		}
	}
	if len(uses) == 0 && d.block && d.claimed() {
		uses = append(uses, Use{Device: d.Name(), Kind: "something that the mount table does not show", Write: true})
	}
	return uses, nil
}

// claimed says whether somebody holds the device exclusively: a mount in
// another namespace, a virtual machine, a database. The kernel refuses O_EXCL
// on a claimed block device, and on a disk one of whose partitions is claimed.
func (d *Device) claimed() bool {
	fd, err := unix.Open(d.path, unix.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err == nil {
		unix.Close(fd)
	}
	return errors.Is(err, unix.EBUSY)
}

// nodes finds the device's own block devices, partitions and everything stacked
// on them.
func (d *Device) nodes(roots Roots) ([]node, error) {
	var start []string
	if d.block {
		link, err := os.Readlink(filepath.Join(roots.Sys, "dev/block", mounttable.FormatDev(d.rdev)))
		if err != nil {
			return nil, fmt.Errorf("finding %s in sysfs: %w", d.path, err)
		}
		start = []string{filepath.Base(link)}
	}
	start = append(start, d.loops(roots)...)
	var out []node
	seen := map[string]bool{}
	var visit func(name string, stacked bool)
	visit = func(name string, stacked bool) {
		if seen[name] {
			return
		}
		seen[name] = true
		dir := filepath.Join(roots.Sys, "class/block", name)
		dev, err := mounttable.ParseDev(readString(filepath.Join(dir, "dev")))
		if err != nil {
			return // gone in the meantime
		}
		part, _ := strconv.Atoi(readString(filepath.Join(dir, "partition")))
		out = append(out, node{name: name, mapper: readString(filepath.Join(dir, "dm/name")), dev: dev, partition: part, stacked: stacked})
		for _, c := range children(dir) {
			if _, err := os.Stat(filepath.Join(dir, c, "partition")); err == nil {
				visit(c, stacked)
			}
		}
		for _, h := range children(filepath.Join(dir, "holders")) {
			visit(h, true)
		}
	}
	for _, n := range start {
		visit(n, false)
	}
	return out, nil
}

// loops names the loop devices over the image file, or over the device.
func (d *Device) loops(roots Roots) []string {
	var st unix.Stat_t
	if unix.Fstat(int(d.buffered.Fd()), &st) != nil {
		return nil
	}
	var out []string
	files, _ := filepath.Glob(filepath.Join(roots.Sys, "block/loop*/loop/backing_file"))
	for _, f := range files {
		var b unix.Stat_t
		if unix.Stat(readString(f), &b) != nil {
			continue
		}
		same := b.Dev == st.Dev && b.Ino == st.Ino
		if d.block {
			same = b.Mode&unix.S_IFMT == unix.S_IFBLK && b.Rdev == d.rdev
		}
		if same {
			out = append(out, filepath.Base(filepath.Dir(filepath.Dir(f))))
		}
	}
	return out
}

// swaps reads which block devices are swapped to.
func swaps(roots Roots) ([]uint64, error) {
	b, err := os.ReadFile(filepath.Join(roots.Proc, "swaps"))
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil // a kernel without swap
		}
		return nil, err
	}
	var out []uint64
	for line := range strings.Lines(string(b)) {
		var st unix.Stat_t
		f := strings.Fields(line)
		if len(f) >= 2 && f[1] == "partition" && unix.Stat(mounttable.Unescape(f[0]), &st) == nil {
			out = append(out, st.Rdev)
		}
	}
	return out, nil
}

func readString(path string) string {
	b, _ := os.ReadFile(path)
	return strings.TrimSpace(string(b))
}

// children names the entries of a directory; none where there is no directory.
func children(dir string) []string {
	entries, _ := os.ReadDir(dir)
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

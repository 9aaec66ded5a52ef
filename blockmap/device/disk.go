package device

import (
	"errors"
	"fmt"
	"migimg/blockmap/device/mounttable"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// Place is where a device lies on a whole disk.
type Place struct {
	// Disk is the disk's dev_t; Size is its size in bytes.
	Disk uint64
	Size int64
	// Start is where on it the device begins, in bytes: 0 unless it is a partition.
	Start int64
	// Name is the disk's as the kernel has it ("sda"), of a partition only.
	Name string
}

// Overlaps says that two devices, or image files, share bytes: they are the same one, or
// one is a partition of the other, a loop device over it, or stacked on it.
func (d *Device) Overlaps(x *Device, roots Roots) (bool, error) {
	roots = roots.or()
	var a, b unix.Stat_t
	if err := errors.Join(unix.Fstat(int(d.buffered.Fd()), &a), unix.Fstat(int(x.buffered.Fd()), &b)); err != nil {
		return false, fmt.Errorf("comparing %s and %s: %w", d.path, x.path, err)
	}
	if a.Dev == b.Dev && a.Ino == b.Ino {
		return true, nil
	}
	for _, p := range [][2]*Device{{d, x}, {x, d}} {
		if !p[1].block {
			continue
		}
		nodes, err := p[0].nodes(roots)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(nodes, func(n node) bool { return n.dev == p[1].rdev }) {
			return true, nil
		}
	}
	return false, nil
}

// Place finds the whole disk, as which the kernel reports all reads and writes, of
// partitions, too (sysfs, Documentation/ABI/stable/sysfs-block). An image file has
// none.
func (d *Device) Place(roots Roots) (Place, error) {
	if !d.block {
		return Place{}, errors.New("an image file is not a block device")
	}
	dir, err := filepath.EvalSymlinks(filepath.Join(roots.or().Sys, "dev/block", mounttable.FormatDev(d.rdev)))
	if err != nil {
		return Place{}, fmt.Errorf("finding %s in sysfs: %w", d.path, err)
	}
	p := Place{Disk: d.rdev, Size: d.size}
	if _, err := os.Stat(filepath.Join(dir, "partition")); err != nil {
		return p, nil
	}
	start, err := strconv.ParseInt(readString(filepath.Join(dir, "start")), 10, 64) // in units of 512 bytes
	if err != nil {
		return Place{}, fmt.Errorf("%s: where on its disk it begins: %w", d.path, err)
	}
	size, err := strconv.ParseInt(readString(filepath.Join(dir, "../size")), 10, 64)
	if err != nil {
		return Place{}, fmt.Errorf("%s: the size of its disk: %w", d.path, err)
	}
	if p.Disk, err = mounttable.ParseDev(readString(filepath.Join(dir, "../dev"))); err != nil {
		return Place{}, fmt.Errorf("%s: the number of its disk: %w", d.path, err)
	}
	p.Start, p.Size = start*512, size*512
	p.Name = filepath.Base(filepath.Dir(dir))
	if p.Start < 0 || p.Start > p.Size-d.size {
		return Place{}, fmt.Errorf("%s: %d bytes from %d on of a disk of %d", d.path, d.size, p.Start, p.Size)
	}
	return p, nil
}

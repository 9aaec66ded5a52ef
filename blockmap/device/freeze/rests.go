package freeze

import (
	"errors"
	"fmt"
	"migimg/blockmap/device/mounttable"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// ground is what must take writes so that something above can be written to: the
// superblocks of filesystems, and block devices. Both are dev_t.
type ground struct {
	table []mount
	sbs   map[uint64]bool
	devs  map[uint64]bool
}

func newGround(table []mount) *ground {
	return &ground{table: table, sbs: map[uint64]bool{}, devs: map[uint64]bool{}}
}

// path adds what a file, a directory or a block device rests on: the filesystem
// that a file is on and what that rests on; what is beneath a block device. Of a
// path that does not exist yet, its folder counts.
func (g *ground) path(path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	for links := 0; ; {
		// Without O_NOFOLLOW: what counts is where a link leads to.
		fd, err := unix.Open(abs, unix.O_PATH|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.ENOENT) && abs != "/" {
			to, linkErr := os.Readlink(abs)
			switch {
			case linkErr != nil:
				abs = filepath.Dir(abs)
			case links == 40: // as many as the kernel follows (MAXSYMLINKS)
				return fmt.Errorf("%s: %w", abs, unix.ELOOP)
			case filepath.IsAbs(to):
				abs = filepath.Clean(to)
				links++
			default:
				abs = filepath.Join(filepath.Dir(abs), to)
				links++
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", abs, err)
		}
		defer unix.Close(fd)
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return fmt.Errorf("%s: %w", abs, err)
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFBLK:
			return g.block(st.Rdev)
		case unix.S_IFCHR, unix.S_IFIFO, unix.S_IFSOCK:
			return nil // writing to it does not write to where its name is
		}
		m, err := mountOf(g.table, fd)
		if err != nil {
			return fmt.Errorf("%s: %w", abs, err)
		}
		return g.filesystem(m.Dev)
	}
}

// filesystem adds a superblock and what it rests on.
func (g *ground) filesystem(sb uint64) error {
	if g.sbs[sb] {
		return nil
	}
	g.sbs[sb] = true
	return g.beneath(sb)
}

// beneath adds what the filesystem's devices rest on, and of an overlay what it
// writes to.
func (g *ground) beneath(sb uint64) error {
	if unix.Major(sb) != 0 {
		return g.block(sb)
	}
	for _, m := range g.table {
		if m.Dev != sb {
			continue
		}
		for _, dev := range m.blocks() {
			for _, d := range siblings(dev) {
				if err := g.block(d); err != nil {
					return err
				}
			}
		}
		if err := g.overlay(m); err != nil {
			return err
		}
	}
	return nil
}

// overlay adds what an overlay writes to. In a container its folder has a name that
// only the host knows.
func (g *ground) overlay(m mount) error {
	upper := m.upper()
	if upper == "" {
		return nil
	}
	for _, root := range []string{"", "/proc/1/root"} {
		if _, err := os.Stat(root + upper); err == nil {
			return g.path(root + upper)
		}
	}
	return fmt.Errorf("the overlay at %s writes to %s, whose filesystem cannot be found from here", m.Point, upper)
}

// siblings are the devices of the btrfs that dev is a part of, or dev alone.
func siblings(dev uint64) []uint64 {
	lists, _ := filepath.Glob("/sys/fs/btrfs/*/devices")
	for _, l := range lists {
		var all []uint64
		has := false
		files, _ := filepath.Glob(filepath.Join(l, "*", "dev"))
		for _, f := range files {
			if d, err := devFile(f); err == nil {
				all = append(all, d)
				has = has || d == dev
			}
		}
		if has {
			return all
		}
	}
	return []uint64{dev}
}

// block adds a block device and what is beneath it: the disk of a partition, the
// members of a stacked device (dm, md), the file of a loop device.
func (g *ground) block(dev uint64) error {
	if g.devs[dev] {
		return nil
	}
	g.devs[dev] = true
	link := filepath.Join("/sys/dev/block", mounttable.FormatDev(dev))
	dir, err := filepath.EvalSymlinks(link)
	if err != nil {
		return fmt.Errorf("finding out what block device %s rests on: %w", mounttable.FormatDev(dev), err)
	}
	below, _ := filepath.Glob(filepath.Join(dir, "slaves", "*", "dev"))
	if _, err := os.Stat(filepath.Join(dir, "partition")); err == nil {
		below = append(below, filepath.Join(filepath.Dir(dir), "dev"))
	}
	for _, f := range below {
		d, err := devFile(f)
		if err != nil {
			return fmt.Errorf("finding out what block device %s rests on: %w", mounttable.FormatDev(dev), err)
		}
		if err := g.block(d); err != nil {
			return err
		}
	}
	file, err := os.ReadFile(filepath.Join(dir, "loop", "backing_file"))
	if err != nil {
		return nil // no loop device, or none that is in use
	}
	name := strings.TrimSuffix(string(file), "\n")
	if _, err := os.Lstat(name); err != nil {
		// Deleted, or in another mount namespace: its filesystem is not known.
		return fmt.Errorf("loop device %s is on %s, whose filesystem cannot be found: %w", filepath.Base(dir), name, err)
	}
	return g.path(name)
}

func devFile(name string) (uint64, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	return mounttable.ParseDev(string(b))
}

// Package device reads block devices, and image files of them, without ever
// writing: descriptors are opened O_RDONLY, and reads bypass the page cache
// (O_DIRECT) wherever the kernel allows it. That is not only for speed: the page
// caches of a whole disk and of its partitions are not coherent with each
// other, so a buffered read of /dev/sda can return what /dev/sda1 held long ago.
package device

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"migimg/blockmap"
)

// Device is an open block device or image file. It is a [blockmap.Volume], safe
// for concurrent use.
type Device struct {
	path  string
	block bool
	rdev  uint64
	size  int64
	// sector is the logical sector size in bytes, 0 for an image file.
	sector int64

	buffered *os.File
	direct   *os.File // nil where O_DIRECT is impossible
	// offAlign and memAlign are what O_DIRECT asks of offsets and lengths, and of
	// memory.
	offAlign, memAlign int64

	bytes, requests atomic.Int64
}

// Open opens a block device or a regular file that holds a disk.
func Open(path string) (*Device, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, notOpened(path, err)
	}
	d := &Device{path: path, buffered: f}
	if err := d.inspect(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	d.openDirect()
	return d, nil
}

func (d *Device) inspect() error {
	var st unix.Stat_t
	if err := unix.Fstat(int(d.buffered.Fd()), &st); err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFBLK:
		d.block, d.rdev = true, st.Rdev
		sector, err := unix.IoctlGetInt(int(d.buffered.Fd()), unix.BLKSSZGET)
		if err != nil {
			return fmt.Errorf("asking for the sector size: %w", err)
		}
		d.sector = int64(sector)
	case unix.S_IFREG:
	case unix.S_IFDIR:
		return errors.New("is a directory; a block device or a raw image file of a disk is needed")
	default:
		return errors.New("is neither a block device nor an image file of a disk")
	}
	size, err := d.buffered.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("asking for the size: %w", err)
	}
	if size == 0 {
		return errors.New("is empty (0 bytes): no medium, or a loop device without a file")
	}
	d.size = size
	if kind := d.imageFormat(); kind != "" {
		return fmt.Errorf("is a %s image, and not a disk: make a raw image of it (qemu-img convert -O raw); to export the file's own bytes, attach it to a loop device (losetup) and name that", kind)
	}
	return nil
}

// notOpened says why a device cannot be opened, and what to do about it.
func notOpened(path string, err error) error {
	switch {
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("%s: %w; lsblk lists the disks that there are", path, unix.ENOENT)
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("%s: %w: reading a disk takes root (sudo), or read permission on its device", path, unix.EACCES)
	case errors.Is(err, unix.ENOTCONN):
		return fmt.Errorf("%s: %w: it is a mount whose daemon was killed; migimg umount %[1]s removes it", path, unix.ENOTCONN)
	case errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV):
		return fmt.Errorf("%s: %w: there is a name, but no device behind it; lsblk lists the disks that there are", path, err)
	}
	return fmt.Errorf("cannot open the device: %w", err)
}

// openDirect opens the device a second time with O_DIRECT, and keeps it if a
// read works. tmpfs, some FUSE filesystems and odd drivers refuse.
func (d *Device) openDirect() {
	f, err := os.OpenFile(d.path, os.O_RDONLY|unix.O_CLOEXEC|unix.O_DIRECT|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return
	}
	d.offAlign, d.memAlign = max(d.sector, 4096), 4096
	var stx unix.Statx_t
	if err := unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_DIOALIGN, &stx); err == nil &&
		stx.Mask&unix.STATX_DIOALIGN != 0 && stx.Dio_offset_align > 0 {
		d.offAlign, d.memAlign = int64(stx.Dio_offset_align), int64(max(stx.Dio_mem_align, 1))
	} else if d.block {
		d.offAlign = d.sector
	}
	d.direct = f
	var probe [1]byte
	if _, err := d.bounce(probe[:], 0); errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) {
		f.Close()
		d.direct, d.offAlign, d.memAlign = nil, 0, 0
	}
}

// Close closes the device; reads must have ended. What was only read has nothing
// to fail with.
func (d *Device) Close() {
	if d.direct != nil {
		d.direct.Close()
	}
	d.buffered.Close()
}

// Path is the path that Open was given.
func (d *Device) Path() string { return d.path }

// Block says whether it is a block device, not an image file.
func (d *Device) Block() bool { return d.block }

// Direct says whether reads bypass the page cache.
func (d *Device) Direct() bool { return d.direct != nil }

// Size is the device's size in bytes when it was opened.
func (d *Device) Size() int64 { return d.size }

// SectorSize is the logical sector size in bytes, or 0 for an image file.
func (d *Device) SectorSize() int64 { return d.sector }

// Ranges yields the range itself.
func (d *Device) Ranges(off, n int64) iter.Seq[blockmap.Range] {
	return func(yield func(blockmap.Range) bool) {
		if n > 0 {
			yield(blockmap.Range{Off: off, Len: n})
		}
	}
}

// Stats is what has been read so far.
type Stats struct {
	Bytes    int64 `json:"bytes"`
	Requests int64 `json:"requests"`
}

// Stats returns how much was read from the device since Open.
func (d *Device) Stats() Stats { return Stats{d.bytes.Load(), d.requests.Load()} }

// Name is the device's name as the kernel knows it ("sda1"), or the file's base
// name.
func (d *Device) Name() string {
	if p, err := filepath.EvalSymlinks(d.path); err == nil {
		return filepath.Base(p)
	}
	return filepath.Base(d.path)
}

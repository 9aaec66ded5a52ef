package tool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"migimg/verify/nbd"
)

// ErrNotWritable is wrapped where a copy's format cannot be written in place, or
// not this copy of it.
var ErrNotWritable = errors.New("cannot be written in place")

// Copy is a finished copy of an image, open for writing at offsets of the disk in
// it. It is safe for concurrent use. A failed write leaves the bytes that it was
// for undefined and no others; nothing fails in silence.
type Copy struct {
	name   string
	disk   disk
	daemon *daemon // nil for a raw copy and for a server of the user's
}

// disk is what is behind a copy.
type disk interface {
	io.ReaderAt
	io.WriterAt
	Zero(off, n int64) error
	Sync() error
	Size() int64
	Close() error
}

// OpenCopy opens a copy for writing. format is "raw", "qcow2", "vhd" (or "vpc"),
// "vhdx" or "vdi"; it is never probed, since the first bytes of a raw disk are
// its owner's to choose. Raw copies, which may be block devices, are written
// directly, the others by a qemu-nbd of our own ([ErrNotInstalled] if there is
// none), which ends with us. path may also be the address of an NBD export that
// somebody serves writable ([nbd.IsAddress]); there is no format then.
//
// The context holds for the copy's whole life: when it ends, what is under way
// fails. A copy that another program writes to is refused.
func OpenCopy(ctx context.Context, path, format string) (*Copy, error) {
	c := &Copy{name: path}
	var err error
	if nbd.IsAddress(path) {
		c.disk, err = dialExport(ctx, path)
	} else {
		switch format {
		case "raw":
			c.disk, err = openRaw(path)
		case "qcow2", "vhd", "vpc", "vhdx", "vdi":
			c.disk, c.daemon, err = openThroughQemu(ctx, path, format)
		case "vmdk":
			err = fmt.Errorf("a vmdk copy %w: its clusters are one compressed stream; keep a qcow2 or raw copy and convert that", ErrNotWritable)
		default:
			err = fmt.Errorf("format %q: %w", format, ErrNotWritable)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Size is the disk's size in bytes.
func (c *Copy) Size() int64 { return c.disk.Size() }

// Expect returns an error if the disk in the copy is not of the size that the
// image has, in bytes.
func (c *Copy) Expect(size int64) error {
	if have := c.disk.Size(); have != size {
		return fmt.Errorf("%s: holds a disk of %d bytes, not of %d: it is a copy of another disk, or of another plan", c.name, have, size)
	}
	return nil
}

// ReadAt reads from the disk as io.ReaderAt has it.
func (c *Copy) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.disk.ReadAt(p, off)
	if err != nil && err != io.EOF {
		err = c.explain("reading", int64(len(p)), off, err)
	}
	return n, err
}

// WriteAt writes all of p, or returns an error. It never makes the disk larger.
func (c *Copy) WriteAt(p []byte, off int64) (int, error) {
	if err := c.within(int64(len(p)), off); err != nil {
		return 0, err
	}
	n, err := c.disk.WriteAt(p, off)
	if err != nil {
		err = c.explain("writing", int64(len(p)), off, err)
	}
	return n, err
}

// Zero makes n bytes at off read as zeros, and frees their place in the copy
// where the format can.
func (c *Copy) Zero(off, n int64) error {
	if err := c.within(n, off); err != nil {
		return err
	}
	if err := c.disk.Zero(off, n); err != nil {
		return c.explain("zeroing", n, off, err)
	}
	return nil
}

// Sync returns when all that was written before is on stable storage, the
// format's own tables included.
func (c *Copy) Sync() error {
	if err := c.disk.Sync(); err != nil {
		return c.explain("flushing", 0, 0, err)
	}
	return nil
}

// Close syncs, closes the copy and returns when it is whole and nobody has it
// open. An error says that it may not be.
func (c *Copy) Close() error {
	err := c.Sync()
	if e := c.disk.Close(); e != nil && err == nil {
		err = fmt.Errorf("%s: closing: %w", c.name, e)
	}
	if c.daemon != nil {
		if e := c.daemon.wait(); e != nil && err == nil {
			err = fmt.Errorf("%s: %w", c.name, e)
		}
	}
	return err
}

func (c *Copy) within(n, off int64) error {
	if off < 0 || n < 0 || off > c.disk.Size()-n {
		return fmt.Errorf("%s: %d bytes at %d are not within the copy's disk of %d bytes", c.name, n, off, c.disk.Size())
	}
	return nil
}

// explain says what failed, and the daemon's last words if it is dead.
func (c *Copy) explain(what string, n, off int64, err error) error {
	if c.daemon != nil {
		if e := c.daemon.dead(); e != nil {
			err = fmt.Errorf("%w (%w)", err, e)
		}
	}
	if n == 0 {
		return fmt.Errorf("%s: %s: %w", c.name, what, err)
	}
	return fmt.Errorf("%s: %s %d bytes at %d: %w", c.name, what, n, off, err)
}

// dialExport connects to a server that is to be written to.
func dialExport(ctx context.Context, address string) (disk, error) {
	d, err := nbd.Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	if err := usable(d); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func usable(d *nbd.Client) error {
	switch {
	case d.ReadOnly():
		return fmt.Errorf("the export is read-only, so the copy %w: start its server without --read-only, on a file that it may write to", ErrNotWritable)
	case !d.CanFlush():
		return fmt.Errorf("the export %w: its server cannot flush, so nobody could tell when the copy is complete; use qemu-nbd", ErrNotWritable)
	}
	return nil
}

// openThroughQemu lets qemu-nbd open the copy, and connects to it.
func openThroughQemu(ctx context.Context, path, format string) (disk, *daemon, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, nil, err
	}
	// Opened here first: the kernel's error is clearer than a daemon's.
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("the copy cannot be opened for writing: %w", err)
	}
	defer f.Close()
	size, err := selfContained(f, driver(format))
	if err != nil {
		return nil, nil, err
	}
	client, d, err := serve(ctx, f, path, driver(format))
	if err != nil {
		return nil, nil, err
	}
	err = usable(client)
	if err == nil && size >= 0 && client.Size() != size {
		err = fmt.Errorf("QEMU takes the copy for a disk of %d bytes, its header says %d", client.Size(), size)
	}
	if err != nil {
		return nil, nil, errors.Join(err, client.Close(), d.wait())
	}
	return client, d, nil
}

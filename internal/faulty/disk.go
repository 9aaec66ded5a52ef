// Package faulty is a disk for tests that misbehaves when it is told to: it fails its
// N-th read, is slow, changes, shrinks or goes away. It is a file in a FUSE mount, so
// that a whole program can be run on it; every read of the program's reaches it, for
// the kernel keeps none of its pages.
package faulty

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Disk is the disk. Its methods may be called while it is read.
type Disk struct {
	fs.Inode
	// Path is where it is.
	Path string

	mu    sync.Mutex
	file  *os.File
	size  int64
	reads int
	fail  int // the number of the read that fails, 0: none
	stay  bool
	bad   int64 // the byte that cannot be read, once it is known; else -1
	gone  bool
	delay time.Duration
}

// New shows the file, which Change and Shrink change, as a disk below dir until the
// test ends.
func New(t testing.TB, file, dir string) *Disk {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	point := filepath.Join(dir, "faulty")
	if err := os.Mkdir(point, 0o755); err != nil {
		t.Fatal(err)
	}
	d := &Disk{Path: filepath.Join(point, "disk"), file: f, size: st.Size(), bad: -1}
	root := &folder{disk: d}
	server, err := fs.Mount(point, root, &fs.Options{MountOptions: fuse.MountOptions{DirectMountStrict: true, MaxWrite: 1 << 20, DisableSplice: true}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Unmount(); err != nil {
			t.Error(err)
		}
		f.Close()
	})
	return d
}

// folder is the mount, in which there is the disk and nothing else.
type folder struct {
	fs.Inode
	disk *Disk
}

func (r *folder) OnAdd(ctx context.Context) {
	r.AddChild("disk", r.NewPersistentInode(ctx, r.disk, fs.StableAttr{Mode: syscall.S_IFREG}), true)
}

// FailRead makes the n-th read from now on, counted from 1, fail with EIO; 0 none. If it
// stays, what that one would have read the first byte of cannot be read until the next
// FailRead, as a bad sector; else the next try is answered.
func (d *Disk) FailRead(n int, stay bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reads, d.fail, d.stay, d.bad = 0, n, stay, -1
}

// Reads is how many reads there were since FailRead, and whether one of them failed.
func (d *Disk) Reads() (n int, failed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reads, d.bad >= 0
}

// Slow makes every read take that much longer.
func (d *Disk) Slow(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.delay = by
}

// Shrink cuts the disk off: there is nothing to be read from size on.
func (d *Disk) Shrink(size int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.size = size
}

// Vanish makes every read fail with ENXIO from now on, as that of a disk that was
// pulled out.
func (d *Disk) Vanish() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gone = true
}

// Change writes into the disk.
func (d *Disk) Change(b []byte, off int64) error {
	_, err := d.file.WriteAt(b, off)
	return err
}

func (d *Disk) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	out.Mode, out.Size = 0o400, uint64(d.size)
	return 0
}

func (d *Disk) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

func (d *Disk) Read(_ context.Context, _ fs.FileHandle, p []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	d.mu.Lock()
	d.reads++
	now, gone, delay, left := d.reads == d.fail, d.gone, d.delay, d.size-off
	if now {
		d.bad = off
	}
	if d.stay && d.bad >= off && d.bad < off+int64(len(p)) {
		now = true
	}
	d.mu.Unlock()
	time.Sleep(delay)
	switch {
	case gone:
		return nil, syscall.ENXIO
	case now:
		return nil, syscall.EIO
	}
	n, _ := d.file.ReadAt(p[:max(0, min(int64(len(p)), left))], off)
	return fuse.ReadResultData(p[:n]), 0
}

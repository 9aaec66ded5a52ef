package tool

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// rawDisk is a raw copy: a file, or a block device.
type rawDisk struct {
	file *os.File
	size int64
}

func openRaw(path string) (disk, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	flags := os.O_RDWR
	switch {
	case st.Mode()&os.ModeType == os.ModeDevice: // O_EXCL: the kernel refuses one that is mounted
		flags |= os.O_EXCL
	case !st.Mode().IsRegular():
		return nil, errors.New("is neither a file nor a block device")
	}
	f, err := os.OpenFile(path, flags, 0)
	if err != nil {
		return nil, fmt.Errorf("the copy cannot be opened for writing: %w", err)
	}
	d := &rawDisk{file: f}
	if d.size, err = f.Seek(0, io.SeekEnd); err == nil {
		err = lock(f)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return d, nil
}

// lock takes the bytes on which QEMU locks what it has open (block/file-posix.c:
// permissions from byte 100 on, what it shares with nobody from 200 on), so that
// neither writes while the other has the copy open.
func lock(f *os.File) error {
	l := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: 100, Len: 200}
	err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &l)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return errors.New("another program has the copy open (a virtual machine?); close it there first")
	}
	return nil // a filesystem without locks protects nothing, but can be written to
}

func (d *rawDisk) Size() int64 { return d.size }

func (d *rawDisk) ReadAt(p []byte, off int64) (int, error) { return d.file.ReadAt(p, off) }

func (d *rawDisk) WriteAt(p []byte, off int64) (int, error) { return d.file.WriteAt(p, off) }

// Zero punches a hole, and writes zeros where that is impossible.
func (d *rawDisk) Zero(off, n int64) error {
	if n == 0 {
		return nil
	}
	for {
		err := unix.Fallocate(int(d.file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
		switch err {
		case nil:
			return nil
		case unix.EINTR:
			continue
		}
		break
	}
	zeros := make([]byte, min(n, 1<<20))
	for n > 0 {
		m, err := d.file.WriteAt(zeros[:min(n, int64(len(zeros)))], off)
		if err != nil {
			return err
		}
		off, n = off+int64(m), n-int64(m)
	}
	return nil
}

func (d *rawDisk) Sync() error { return d.file.Sync() }

func (d *rawDisk) Close() error { return d.file.Close() }

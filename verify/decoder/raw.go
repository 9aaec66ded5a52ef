package decoder

import (
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

// Raw is a raw image as a [Disk]. Where f.R is an *os.File, the holes that the
// kernel reports (lseek(2), SEEK_HOLE) are taken for zeros and not read.
func Raw(f File) Disk {
	r := raw{File: f}
	if c, ok := f.R.(syscall.Conn); ok {
		r.conn, _ = c.SyscallConn() // nil on error: everything is read
	}
	return r
}

type raw struct {
	File
	conn syscall.RawConn
}

func (r raw) Size() int64            { return r.File.Size }
func (r raw) Locate(off int64) int64 { return off }

func (r raw) ReadAt(p []byte, off int64) (int, error) {
	if rest := r.File.Size - off; off >= 0 && rest >= 0 && int64(len(p)) > rest {
		n, err := r.File.ReadAt(p[:rest], off)
		if err == nil {
			err = io.EOF
		}
		return n, err
	}
	return r.File.ReadAt(p, off)
}

func (r raw) Allocated(off int64) (int64, bool) {
	rest := r.File.Size - off
	if r.conn == nil {
		return rest, true
	}
	data, err := r.seek(off, unix.SEEK_DATA)
	switch {
	case err == unix.ENXIO: // no data up to the end
		return rest, false
	case err != nil || data < off:
		return rest, true
	case data > off:
		return min(data-off, rest), false
	}
	hole, err := r.seek(off, unix.SEEK_HOLE)
	if err != nil || hole <= off {
		return rest, true
	}
	return min(hole-off, rest), true
}

// seek asks for holes. It moves the file's own position, which ReadAt does not
// use.
func (r raw) seek(off int64, whence int) (at int64, err error) {
	cerr := r.conn.Control(func(fd uintptr) { at, err = unix.Seek(int(fd), off, whence) })
	if cerr != nil {
		err = cerr
	}
	return at, err
}

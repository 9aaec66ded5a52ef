package guestfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/diskfs/go-diskfs/backend"
	"github.com/diskfs/go-diskfs/filesystem"
)

// noCycles refuses a table with a chain of clusters that comes back to itself:
// go-diskfs would follow it for ever.
func noCycles(r io.ReaderAt, off, n int64) error {
	b := make([]byte, n)
	if _, err := r.ReadAt(b, off); err != nil {
		return fmt.Errorf("table at %d: %w", off, err)
	}
	const unseen, onPath, done = 0, 1, 2
	state := make([]byte, n/4)
	for start := range state {
		c := uint32(start)
		for int(c) < len(state) && state[c] == unseen {
			state[c] = onPath
			c = binary.LittleEndian.Uint32(b[4*c:]) & 0x0FFFFFFF
			if c < 2 {
				break
			}
		}
		if c >= 2 && int(c) < len(state) && state[c] == onPath {
			return fmt.Errorf("the chain of cluster %d comes back to itself", c)
		}
		for c = uint32(start); int(c) < len(state) && state[c] == onPath; {
			state[c] = done
			c = binary.LittleEndian.Uint32(b[4*c:]) & 0x0FFFFFFF
		}
	}
	return nil
}

// guard turns a panic of go-diskfs, which hostile bytes can cause, into an
// error.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the reader gave up: %v", p)
		}
	}()
	return f()
}

// storage is go-diskfs's view of a volume.
type storage struct {
	*io.SectionReader
	// budget is how many bytes the current call may still read. It is guarded by
	// the tree's lock.
	budget int64
}

// ReadAt panics, for guard to catch, where go-diskfs would go on: it takes what
// could not be read for zeros.
func (s *storage) ReadAt(p []byte, off int64) (int, error) {
	if s.budget -= int64(len(p)); s.budget < 0 {
		panic("a directory or chain that is too long")
	}
	n, err := s.SectionReader.ReadAt(p, off)
	if err != nil && (n < len(p) || err != io.EOF) {
		panic(fmt.Errorf("reading %d bytes at %d: %w", len(p), off, err))
	}
	return n, nil
}

func (s *storage) Stat() (fs.FileInfo, error)              { return nil, fs.ErrInvalid }
func (s *storage) Close() error                            { return nil }
func (s *storage) Sys() (*os.File, error)                  { return nil, backend.ErrNotSuitable }
func (s *storage) Writable() (backend.WritableFile, error) { return nil, backend.ErrIncorrectOpenMode }
func (s *storage) Path() string                            { return "" }

var _ backend.Storage = (*storage)(nil)

// seeking makes a ReaderAt of a go-diskfs file.
type seeking struct {
	t    *fatTree
	f    filesystem.File
	size int64
}

func (s *seeking) ReadAt(p []byte, off int64) (n int, err error) {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	s.t.store.budget = int64(len(p)) + maxFATRead
	err = guard(func() (e error) {
		if _, e = s.f.Seek(off, io.SeekStart); e != nil {
			return e
		}
		n, e = io.ReadFull(s.f, p)
		return e
	})
	switch {
	case n == len(p) || errors.Is(err, io.EOF) && off+int64(n) == s.size:
	case err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("%w: its clusters end at %d of %d bytes", ErrUnreadable, off+int64(n), s.size)
	}
	return n, err
}

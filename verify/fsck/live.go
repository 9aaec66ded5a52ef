package fsck

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Live is the filesystem of a volume where it is mounted and in use, whose files can be
// held against those in the image.
type Live struct {
	// Point is where it is mounted, and Root what of it: "/" is all.
	Point, Root string
	// T0 is the image's moment.
	T0 time.Time
	// Drifted says whether the image may have a newer state of a file, by its path from
	// the volume's root, than that of T0.
	Drifted func(path string) (bool, error)
}

// settled is how long before T0 a file must have changed last to be compared: clocks of
// filesystems tick in milliseconds.
const settled = time.Second

// errLive is wrapped where the mounted file could not be read.
var errLive = errors.New("the mounted file cannot be read")

type liveRoot struct {
	*Live
	fd int
}

func (l *Live) open() (*liveRoot, error) {
	fd, err := unix.Open(l.Point, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	return &liveRoot{l, fd}, err
}

func (r *liveRoot) close() { unix.Close(r.fd) }

// liveFile is a mounted file that is the image's.
type liveFile struct {
	file *os.File
	at   unix.Stat_t
}

// same opens the mounted file that f, path in the image, is a copy of. nil is that there
// is none, or that it has changed since T0. Other mounts and links are not followed, and
// the file's time of access is left alone.
func (r *liveRoot) same(path string, f *os.File) *liveFile {
	if r == nil {
		return nil
	}
	rel, ok := strings.CutPrefix(path, strings.TrimSuffix(r.Root, "/")+"/")
	if !ok {
		return nil
	}
	var image unix.Stat_t
	if unix.Fstat(int(f.Fd()), &image) != nil {
		return nil
	}
	how := &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOATIME, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_SYMLINKS}
	fd, err := unix.Openat2(r.fd, rel, how)
	if err != nil {
		return nil
	}
	l := &liveFile{file: os.NewFile(uintptr(fd), rel), at: image}
	if changed := time.Unix(image.Ctim.Unix()); !changed.Before(r.T0.Add(-settled)) || !l.unchanged() {
		l.file.Close()
		return nil
	}
	return l
}

// unchanged says that the mounted file is the image's by its inode, size and times, which
// nobody can change without the last one changing.
func (l *liveFile) unchanged() bool {
	var now unix.Stat_t
	return unix.Fstat(int(l.file.Fd()), &now) == nil && now.Ino == l.at.Ino && now.Size == l.at.Size &&
		now.Mode == l.at.Mode && now.Mtim == l.at.Mtim && now.Ctim == l.at.Ctim
}

// compare reads both files to their end. different is the first byte that differs, or -1.
func compare(ctx context.Context, image, live *os.File, a, b []byte) (n, different int64, err error) {
	different = -1
	for ctx.Err() == nil {
		x, err := io.ReadFull(image, a)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return n + int64(x), different, err
		}
		y, err2 := io.ReadFull(live, b)
		if err2 != nil && err2 != io.EOF && err2 != io.ErrUnexpectedEOF {
			return n + int64(x), different, fmt.Errorf("%w: %w", errLive, err2)
		}
		if different < 0 && !bytes.Equal(a[:x], b[:y]) {
			i := 0
			for i < min(x, y) && a[i] == b[i] {
				i++
			}
			different = n + int64(i)
		}
		n += int64(x)
		if err != nil {
			return n, different, nil
		}
	}
	return n, different, ctx.Err()
}

// readData reads what of a file is no hole, and returns how much that is.
func readData(ctx context.Context, f *os.File, p []byte) (n int64, err error) {
	for at := int64(0); ctx.Err() == nil; {
		from, err := f.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		to, err := f.Seek(from, unix.SEEK_HOLE)
		if err != nil {
			return n, err
		}
		for at = from; at < to && ctx.Err() == nil; {
			m, err := f.ReadAt(p[:min(int64(len(p)), to-at)], at)
			n, at = n+int64(m), at+int64(m)
			if err == io.EOF {
				return n, nil
			}
			if err != nil {
				return n, err
			}
		}
	}
	return n, ctx.Err()
}

package fsck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"migimg/verify/decoder"
)

const (
	// readers is how many files are read at once.
	readers = 2
	// bufferSize is how much of a file is read at once, in bytes.
	bufferSize = 1 << 20
	// entriesAtOnce bounds how much of a directory is in memory.
	entriesAtOnce = 1024
)

// walk reads all files of a mounted volume.
type walk struct {
	v        *Volume
	point    string
	progress func(string)

	mu             sync.Mutex // guards what follows
	ps             *decoder.Problems
	files, bytes   int64
	equal, changed int64
	locked         int64
}

// run reads all files. The error is the context's, or says why no file could be compared.
func (w *walk) run(ctx context.Context) error {
	var live *liveRoot
	if w.v.Live != nil {
		var err error
		if live, err = w.v.Live.open(); err != nil {
			return fmt.Errorf("the files in %s cannot be compared: %w", w.v.Live.Point, err)
		}
		defer live.close()
	}
	g, ctx := errgroup.WithContext(ctx)
	todo := make(chan string, 64)
	g.Go(func() error {
		defer close(todo)
		return w.directory(ctx, "/", todo)
	})
	for range readers {
		g.Go(func() error {
			a, b := make([]byte, bufferSize), make([]byte, bufferSize)
			for path := range todo {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				w.file(ctx, path, live, a, b)
			}
			return nil
		})
	}
	return g.Wait()
}

// directory hands out the files below a directory. Its error is the context's.
func (w *walk) directory(ctx context.Context, path string, todo chan<- string) error {
	d, err := os.Open(filepath.Join(w.point, path))
	if err != nil {
		w.unreadable(path, 0, err)
		return nil
	}
	var below []string
	for {
		entries, err := d.ReadDir(entriesAtOnce)
		for _, e := range entries {
			at := filepath.Join(path, e.Name())
			switch {
			case e.IsDir():
				below = append(below, at)
			case e.Type().IsRegular():
				select {
				case todo <- at:
				case <-ctx.Done():
					d.Close()
					return ctx.Err()
				}
			case e.Type()&fs.ModeSymlink != 0:
				if _, err := os.Readlink(filepath.Join(w.point, at)); err != nil {
					w.unreadable(at, 0, err)
				}
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			w.unreadable(path, 0, err)
			break
		}
	}
	d.Close()
	for _, at := range below {
		if err := w.directory(ctx, at, todo); err != nil {
			return err
		}
	}
	return nil
}

// file reads a file, and compares it where it can be compared.
func (w *walk) file(ctx context.Context, path string, live *liveRoot, a, b []byte) {
	f, err := os.Open(filepath.Join(w.point, path))
	if err != nil {
		w.unreadable(path, 0, err)
		return
	}
	defer f.Close()
	var n int64
	same, different := false, int64(-1)
	other := live.same(path, f)
	if other == nil {
		n, err = readData(ctx, f, a)
	} else {
		n, different, err = compare(ctx, f, other.file, a, b)
		same = other.unchanged() && err == nil
		other.file.Close()
	}
	w.mu.Lock()
	w.files++
	w.bytes += n
	w.progress(fmt.Sprintf("reading the files of %s: %d, %d MiB", w.v.Name, w.files, w.bytes>>20))
	w.mu.Unlock()
	switch {
	case ctx.Err() != nil:
	case err != nil && !errors.Is(err, errLive): // the image cannot be blamed for that
		w.unreadable(path, n, err)
	case live != nil:
		w.judge(path, same, different)
	}
}

// judge enters how a file compares with the mounted one.
func (w *walk) judge(path string, same bool, different int64) {
	newer, err := false, error(nil)
	if same && different >= 0 { // it is asked afterwards: what is being read may be drift by now
		newer, err = w.v.Live.Drifted(path)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case !same, newer:
		w.changed++
	case err != nil:
		w.ps.Unknownf(-1, "%s differs from %s at byte %d, and whether it was written to meanwhile cannot be found out: %v", shown(path), w.v.Live.Point, different, err)
	case different >= 0:
		w.ps.Failf(-1, "%s differs at byte %d from the file in %s, which has not changed since", shown(path), different, w.v.Live.Point)
	default:
		w.equal++
	}
}

// unreadable enters a file that cannot be read. n is how much of it could be.
func (w *walk) unreadable(path string, n int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	image := w.v.Err()
	switch {
	case errors.Is(err, unix.ENOKEY):
		w.locked++
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENAMETOOLONG), errors.Is(err, unix.ENOMEM), errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		w.ps.Unknownf(-1, "%s cannot be read here: %v", shown(path), cause(err))
	case image != nil && decoder.SeverityOf(image) == decoder.Unknown:
		w.ps.Unknownf(-1, "%s cannot be read after %d bytes: %v", shown(path), n, image)
	default:
		w.ps.Failf(-1, "%s cannot be read after %d bytes: %v", shown(path), n, cause(err))
	}
}

// cause is an error without the path of our own mount.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// shown is a path for a line of text.
func shown(path string) string {
	if q := strconv.Quote(path); q[1:len(q)-1] != path || strings.TrimSpace(path) != path {
		return q
	}
	return path
}

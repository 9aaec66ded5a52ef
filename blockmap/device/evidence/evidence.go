// Package evidence finds out from a mounted filesystem which of its files are still
// what they were at one moment, where nobody tracked what was written since. A file is
// if its status has not changed since (every write sets ctime, one through a mapping
// too, when a page is touched the first time since it was written out) and its contents
// still lie where they lay (what moves them, defragmentation, leaves ctime alone).
package evidence

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"
)

// Extent is a run of a file's contents: Len bytes from the byte At of the file on are
// at Off of the device that the filesystem lies on.
type Extent struct{ At, Off, Len int64 }

// margin is how much older than a write the time may be that it leaves behind: the
// kernel's coarse clock goes by its tick (Documentation/core-api/timekeeping), which
// is 10 ms at most.
const margin = 20 * time.Millisecond

// ErrClock is that the clock was set back since the moment, so that times of files say
// nothing.
var ErrClock = errors.New("the clock was set back")

// Unchanged calls yes with the inode number of each file below the mount point that is
// as it was at since, which has to be a value of time.Now. extents are where its
// contents lay, ascending by At; files that have none are not asked about. What cannot
// be looked at is not called unchanged. Access times are left alone.
func Unchanged(ctx context.Context, point string, since time.Time, extents func(inode uint64) []Extent, yes func(inode uint64)) error {
	now := time.Now()
	if back := now.Sub(since) - now.Round(0).Sub(since.Round(0)); back > margin { // monotonic and not
		return fmt.Errorf("%w by %v", ErrClock, back)
	}
	root, err := unix.Open(point, unix.O_DIRECTORY|unix.O_NOATIME|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", point, err)
	}
	defer unix.Close(root)
	var st unix.Stat_t
	if err := unix.Fstat(root, &st); err != nil {
		return fmt.Errorf("%s: %w", point, err)
	}
	w := &walk{root: root, dev: st.Dev, before: since.Add(-margin), extents: extents, yes: yes}
	for todo := []string{"."}; len(todo) > 0; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		dir := todo[len(todo)-1]
		todo = append(todo[:len(todo)-1], w.dir(dir)...)
	}
	return nil
}

type walk struct {
	root    int
	dev     uint64
	before  time.Time
	extents func(uint64) []Extent
	yes     func(uint64)
}

// dir looks at the files in a directory and returns the directories.
func (w *walk) dir(name string) (dirs []string) {
	fd, err := unix.Openat(w.root, name, unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_NOATIME|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Dev != w.dev {
		return nil // something is mounted there
	}
	entries, _ := f.ReadDir(-1) // what was read counts
	for _, e := range entries {
		switch {
		case e.IsDir():
			dirs = append(dirs, path.Join(name, e.Name()))
		case e.Type().IsRegular():
			w.file(fd, e.Name())
		}
	}
	return dirs
}

func (w *walk) file(dir int, name string) {
	var st unix.Stat_t
	if unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil || st.Dev != w.dev || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return
	}
	lay := w.extents(st.Ino)
	if len(lay) == 0 || !time.Unix(st.Ctim.Unix()).Before(w.before) {
		return
	}
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOATIME|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	var opened unix.Stat_t
	if unix.Fstat(fd, &opened) == nil && opened.Ino == st.Ino && liesAt(fd, lay) {
		w.yes(st.Ino)
	}
}

package snapshots

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Sweep deletes the snapshots that processes made which do not live any more, on
// the btrfs filesystem that is mounted at mountpoint, and says how many it were.
// What it does not know as such, by its name, by the list that was written
// before it was made, and as a read-only snapshot of what is in that list, it
// leaves alone, and the error names it.
func Sweep(mountpoint string) (deleted int, err error) {
	top, _, err := openTop(mountpoint)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", mountpoint, err)
	}
	defer top.Close()
	base, err := lockBase(top, false)
	if errors.Is(err, unix.ENOENT) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", mountpoint, err)
	}
	defer base.Close()
	names, err := base.Readdirnames(-1)
	if err != nil {
		return 0, fmt.Errorf("%s: %s: %w", mountpoint, Dir, err)
	}
	var errs []error
	for _, name := range names {
		n, err := sweepRun(base, name)
		deleted += n
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", mountpoint, err))
		}
	}
	finish(top)
	return deleted, errors.Join(errs...)
}

// sweepRun deletes a run whose process is dead.
func sweepRun(base *os.File, name string) (int, error) {
	dir, err := openAt(int(base.Fd()), name, openDir)
	if err != nil {
		return 0, fmt.Errorf("%s/%s: %w", Dir, name, err)
	}
	defer dir.Close()
	if err := ours(dir); err != nil {
		return 0, fmt.Errorf("%s/%s: %w", Dir, name, err)
	}
	lock, err := openAt(int(dir.Fd()), ownerFile, unix.O_RDONLY|unix.O_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return remove(base, dir, name, record{}) // it died before the first snapshot
	}
	if err != nil {
		return 0, fmt.Errorf("%s/%s: %w", Dir, name, err)
	}
	defer lock.Close()
	if err := ours(lock); err != nil {
		return 0, fmt.Errorf("%s/%s: %w", Dir, name, err)
	}
	switch err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return 0, nil // it lives
	case err != nil:
		return 0, fmt.Errorf("%s/%s: %w", Dir, name, err)
	}
	r, err := readOwner(lock)
	if err != nil {
		return 0, fmt.Errorf("%s/%s: %w", Dir, name, err)
	}
	return remove(base, dir, name, r)
}

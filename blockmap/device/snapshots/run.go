package snapshots

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// What is made is all in one folder of the top level, readable by root alone,
// that has a folder for each run:
//
//	.migimg-snapshots/PID-TIME/owner   which subvolumes this run makes snapshots of
//	.migimg-snapshots/PID-TIME/ID      the snapshot of subvolume ID
//
// The file is complete before the first snapshot is made, and locked (flock) for
// as long as the run's process lives. What is deleted is checked against it.
const (
	ownerFile = "owner"
	newOwner  = "owner.new"
	maxOwner  = 16 << 20 // bytes

	magic = "migimg snapshots 1"
)

// record is the contents of an owner file.
type record struct {
	Format  string      `json:"format"`
	Sources []subvolume `json:"sources"`
}

// lockBase opens the folder of all runs and locks it against being changed by
// another process. With make it is made.
func lockBase(top *os.File, make bool) (*os.File, error) {
	for range 100 {
		if make {
			if err := unix.Mkdirat(int(top.Fd()), Dir, 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
				return nil, fmt.Errorf("making %s: %w", Dir, err)
			}
		}
		base, err := openAt(int(top.Fd()), Dir, openDir)
		if errors.Is(err, unix.ENOENT) && make {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := ours(base); err != nil {
			base.Close()
			return nil, fmt.Errorf("%s: %w", Dir, err)
		}
		for err = unix.EINTR; err == unix.EINTR; {
			err = unix.Flock(int(base.Fd()), unix.LOCK_EX)
		}
		var mine, now unix.Stat_t
		if err == nil {
			err = unix.Fstat(int(base.Fd()), &mine)
		}
		if err != nil {
			base.Close()
			return nil, fmt.Errorf("locking %s: %w", Dir, err)
		}
		// The last run may just have removed it.
		if err := unix.Fstatat(int(top.Fd()), Dir, &now, unix.AT_SYMLINK_NOFOLLOW); err == nil && now.Ino == mine.Ino {
			return base, nil
		}
		base.Close()
	}
	return nil, fmt.Errorf("%s is removed again and again: %w", Dir, unix.EBUSY)
}

// ours refuses folders and files that somebody but root can write to.
func ours(f *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	if int(st.Uid) != os.Geteuid() || st.Mode&0o022 != 0 {
		return fmt.Errorf("is not migimg's own (owner %d, mode %o): %w", st.Uid, st.Mode&0o7777, unix.EPERM)
	}
	return nil
}

// newRun makes a run's folder and its owner file, and locks it.
func newRun(base *os.File, name string, sources []subvolume) (dir, lock *os.File, err error) {
	if err := unix.Mkdirat(int(base.Fd()), name, 0o700); err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			if dir != nil {
				_ = unix.Unlinkat(int(dir.Fd()), newOwner, 0)
				_ = unix.Unlinkat(int(dir.Fd()), ownerFile, 0)
				dir.Close()
			}
			_ = unix.Unlinkat(int(base.Fd()), name, unix.AT_REMOVEDIR)
		}
	}()
	if dir, err = openAt(int(base.Fd()), name, openDir); err != nil {
		return nil, nil, err
	}
	b, err := json.Marshal(record{magic, sources})
	if err != nil {
		return dir, nil, err
	}
	f, err := openAt(int(dir.Fd()), newOwner, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW)
	if err != nil {
		return dir, nil, err
	}
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return dir, nil, err
	}
	if err = unix.Renameat(int(dir.Fd()), newOwner, int(dir.Fd()), ownerFile); err != nil {
		return dir, nil, err
	}
	// A descriptor for writing would keep the filesystem from being remounted
	// read-only.
	if lock, err = openAt(int(dir.Fd()), ownerFile, unix.O_RDONLY|unix.O_NOFOLLOW); err != nil {
		return dir, nil, err
	}
	if err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		return dir, nil, err
	}
	return dir, lock, nil
}

// readOwner reads an owner file.
func readOwner(f *os.File) (record, error) {
	var r record
	b, err := io.ReadAll(io.NewSectionReader(f, 0, maxOwner))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(b, &r); err != nil || r.Format != magic {
		return r, fmt.Errorf("%s is not migimg's own: %w", ownerFile, unix.EINVAL)
	}
	return r, nil
}

// remove deletes a run: the snapshots that it made, its file, its folder. base
// is locked. What it did not make it leaves, and says so.
func remove(base, dir *os.File, name string, r record) (deleted int, err error) {
	var errs []error
	for _, s := range r.Sources {
		switch err := drop(dir, s); {
		case err == nil:
			deleted++
		case !errors.Is(err, unix.ENOENT):
			errs = append(errs, fmt.Errorf("%s/%s/%d: %w", Dir, name, s.ID, err))
		}
	}
	if len(errs) == 0 {
		for _, f := range []string{newOwner, ownerFile} {
			if err := unix.Unlinkat(int(dir.Fd()), f, 0); err != nil && !errors.Is(err, unix.ENOENT) {
				errs = append(errs, err)
			}
		}
		if err := unix.Unlinkat(int(base.Fd()), name, unix.AT_REMOVEDIR); err != nil {
			errs = append(errs, fmt.Errorf("%s/%s: %w", Dir, name, err))
		}
	}
	return deleted, errors.Join(errs...)
}

// drop deletes the snapshot of s, if there is nothing else by its name.
func drop(dir *os.File, s subvolume) error {
	name := strconv.FormatUint(s.ID, 10)
	f, err := openAt(int(dir.Fd()), name, openDir)
	if err != nil {
		return err
	}
	is, err := infoOf(int(f.Fd()))
	f.Close()
	switch {
	case err != nil:
		return err
	case !is.readOnly || is.parent != s.UUID:
		return fmt.Errorf("is no read-only snapshot of subvolume %d, and is left alone: %w", s.ID, unix.EPERM)
	}
	return destroy(int(dir.Fd()), name)
}

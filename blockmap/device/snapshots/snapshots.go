// Package snapshots keeps what a mounted btrfs holds from being freed.
//
// btrfs never overwrites data in place: what is changed or deleted is freed, and
// soon is something else's or discarded. Whoever reads the disk then by an older
// state of the metadata finds bytes whose checksum is wrong, which that state's
// reader gets as EIO. A snapshot has references of its own to all of it, so
// that nothing of it is freed, and files that are otherwise written in place
// (nodatacow) are not, either.
//
// What was written after the snapshot and before the moment that the metadata is
// of is not held. A second [Hold] right after that moment holds all of it that
// then still is there. A balance moves data away from under snapshots.
//
// The snapshots are on the disk, and so in images of it, in the folder
// .migimg-snapshots of the top level subvolume. They take no room there. In the
// new machine they are deleted with
//
//	mount -o subvolid=5 DEVICE /mnt; btrfs subvolume delete /mnt/.migimg-snapshots/*/[0-9]*; rm -r /mnt/.migimg-snapshots
//
// Nothing here may be called while the filesystem is frozen: it would wait for
// the thaw.
package snapshots

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Dir is the folder, in the top level subvolume, that snapshots are made in.
const Dir = ".migimg-snapshots"

// Held is filesystems whose data is held.
type Held struct {
	mu    sync.Mutex
	fs    []*filesystem
	count int
	left  []string
}

// filesystem is one that is held.
type filesystem struct {
	point          string
	top, dir, lock *os.File
	name           string
	record         record
}

// Hold makes read-only snapshots of all subvolumes of the btrfs filesystems that
// are mounted, read-write, at the mountpoints. Several may be of one filesystem.
// Subvolumes that are read-only are no exception: they can be deleted, and what
// deletes old snapshots does so all day. It waits for a commit for each of them,
// and needs root and Linux 5.2.
//
// After an error nothing is held. One that is [unix.ENOSPC] or [unix.EDQUOT]
// says that the filesystem has no room for a snapshot. The filesystems cannot
// be unmounted for good until Release.
func Hold(ctx context.Context, mountpoints ...string) (*Held, error) {
	h := &Held{}
	seen := map[[16]byte]bool{}
	for _, point := range mountpoints {
		if err := h.add(ctx, point, seen); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", point, err), h.Release())
		}
	}
	return h, nil
}

// Count is how many snapshots there are.
func (h *Held) Count() int { return h.count }

// Left names the subvolumes that are not held, as they have a swap file in use,
// and may not be snapshotted; by paths from the top level.
func (h *Held) Left() []string { return h.left }

func (h *Held) add(ctx context.Context, point string, seen map[[16]byte]bool) error {
	top, fsid, err := openTop(point)
	if err != nil {
		return err
	}
	if seen[fsid] {
		top.Close()
		return nil
	}
	seen[fsid] = true
	f := &filesystem{point: point, top: top, name: fmt.Sprintf("%d-%d", os.Getpid(), time.Now().UnixNano())}
	if f.record.Sources, err = subvolumes(top); err == nil {
		err = f.begin()
	}
	if err != nil {
		top.Close()
		return explained(err)
	}
	h.fs = append(h.fs, f)
	for _, s := range f.record.Sources {
		if err := ctx.Err(); err != nil {
			return err
		}
		switch err := f.hold(s); {
		case err == nil:
			h.count++
		case errors.Is(err, unix.ETXTBSY):
			h.left = append(h.left, "/"+s.Path)
		case !errors.Is(err, unix.ENOENT): // which was deleted just now
			return fmt.Errorf("making a snapshot of subvolume %d, /%s: %w", s.ID, s.Path, explained(err))
		}
	}
	return nil
}

// explained says what a lack of room means.
func explained(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("there is no room for snapshots, make some: %w", err)
	}
	return err
}

// begin makes the run's folder.
func (f *filesystem) begin() error {
	base, err := lockBase(f.top, true)
	if err != nil {
		return err
	}
	defer base.Close()
	f.dir, f.lock, err = newRun(base, f.name, f.record.Sources)
	if err != nil {
		_ = unix.Unlinkat(int(f.top.Fd()), Dir, unix.AT_REMOVEDIR) // unless others are in it
		return fmt.Errorf("making %s/%s: %w", Dir, f.name, err)
	}
	return nil
}

func (f *filesystem) hold(s subvolume) error {
	source, err := openSubvolume(f.top, s)
	if err != nil {
		return err
	}
	defer source.Close()
	return snapshot(int(source.Fd()), int(f.dir.Fd()), strconv.FormatUint(s.ID, 10))
}

// Release deletes the snapshots. The kernel then frees, in the background, what
// nothing else has. It may be called again, and then tries what failed.
func (h *Held) Release() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var left []*filesystem
	var errs []error
	for _, f := range h.fs {
		if err := f.release(); err != nil {
			errs = append(errs, fmt.Errorf("%s: deleting snapshots: %w", f.point, err))
			left = append(left, f)
		}
	}
	h.fs = left
	return errors.Join(errs...)
}

func (f *filesystem) release() error {
	base, err := lockBase(f.top, false)
	if err != nil {
		return err
	}
	defer base.Close()
	if _, err := remove(base, f.dir, f.name, f.record); err != nil {
		return err
	}
	finish(f.top)
	f.lock.Close()
	f.dir.Close()
	f.top.Close()
	return nil
}

// finish removes the folder of runs, if it was the last one, and commits.
// BTRFS_IOC_SYNC then wakes the thread that deletes in the background (kernel,
// fs/btrfs/ioctl.c), which syncfs(2) does not; BTRFS_IOC_START_SYNC would not
// wait for other programs' data to be written, but was seen to wait 30 seconds
// for the next commit by the clock.
func finish(top *os.File) {
	_ = unix.Unlinkat(int(top.Fd()), Dir, unix.AT_REMOVEDIR)
	_ = ioctl(int(top.Fd()), syncAll, make([]byte, 8))
}

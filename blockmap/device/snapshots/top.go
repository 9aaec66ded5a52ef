package snapshots

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// maxDevice bounds the numbers of devices that are tried.
const maxDevice = 1024

const openDir = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// openTop mounts the top level subvolume of the btrfs that is mounted at a place
// and returns its root. The mount is attached nowhere, so nobody sees it and the
// kernel drops it with the last descriptor on it (fsmount(2), Linux 5.2).
func openTop(mountpoint string) (top *os.File, fsid [16]byte, err error) {
	at, err := os.OpenFile(mountpoint, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fsid, err
	}
	defer at.Close()
	fsid, last, err := identity(int(at.Fd()))
	if err != nil {
		if errors.Is(err, unix.ENOTTY) {
			return nil, fsid, errors.New("is no btrfs")
		}
		return nil, fsid, fmt.Errorf("asking for the filesystem's identity: %w", err)
	}
	failed := errors.New("none of its devices was found")
	for id := uint64(1); id <= min(last, maxDevice); id++ {
		dev, err := devicePath(int(at.Fd()), id)
		if err != nil || dev == "" {
			continue // a number that is not in use, a device that is missing
		}
		top, err := mountTop(dev)
		if err != nil {
			failed = fmt.Errorf("mounting its top level from %s: %w", dev, err)
			continue
		}
		if found, _, err := identity(int(top.Fd())); err != nil || found != fsid {
			top.Close()
			failed = cmp.Or(err, fmt.Errorf("%s holds another filesystem", dev))
			continue
		}
		return top, fsid, nil
	}
	return nil, fsid, failed
}

func mountTop(dev string) (*os.File, error) {
	fs, err := unix.Fsopen("btrfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("fsopen (Linux 5.2 and root are needed): %w", err)
	}
	defer unix.Close(fs)
	if err := unix.FsconfigSetString(fs, "source", dev); err != nil {
		return nil, err
	}
	if err := unix.FsconfigSetString(fs, "subvolid", "5"); err != nil {
		return nil, err
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		if errors.Is(err, unix.EBUSY) {
			return nil, fmt.Errorf("the filesystem is mounted read-only: %w", unix.EROFS)
		}
		return nil, err
	}
	const flags = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC | unix.MOUNT_ATTR_NOATIME
	m, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, flags)
	if err != nil {
		return nil, err
	}
	defer unix.Close(m)
	return openAt(m, ".", openDir)
}

// openAt is openat(2), as a file.
func openAt(dir int, name string, flags int) (*os.File, error) {
	fd, err := unix.Openat(dir, name, flags|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

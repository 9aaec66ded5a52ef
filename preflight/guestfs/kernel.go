package guestfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// kernelOptions are the options with which the kernel reads a filesystem and
// leaves its journal alone (ext4(5), xfs(5), btrfs(5)): the loop device is
// read-only, and a replay would fail. Where a kernel does not know the first
// ones, the next are tried. Of btrfs the top of all subvolumes is mounted.
var kernelOptions = map[string][]string{
	"ext2": {""}, "ext3": {"noload"}, "ext4": {"noload"},
	"xfs":   {"norecovery,nouuid"},
	"btrfs": {"subvolid=5,rescue=nologreplay", "subvolid=5,nologreplay", "subvolid=5"},
	"vfat":  {""}, "f2fs": {"norecovery"}, "squashfs": {""}, "erofs": {""}, "iso9660": {""}, "jfs": {""}, "reiserfs": {"nolog"},
}

// Kernel mounts a filesystem that lies at [off, off+size) of a file or block
// device, read-only, over a read-only loop device, and takes the mount away
// again at once: what remains is a directory handle that keeps it alive, and
// that the kernel cleans up even if the process is killed. It needs root.
//
// It must not be used on a device of which that part is mounted: the kernel
// would see two filesystems with one identity.
func Kernel(path string, off, size int64, kind string) (Tree, error) {
	options, ok := kernelOptions[kind]
	if !ok {
		return nil, fmt.Errorf("no kernel mount for %q", kind)
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("a kernel mount needs root")
	}
	loop, err := attach(path, off, size)
	if err != nil {
		return nil, fmt.Errorf("%s at %d: loop device: %w", path, off, err)
	}
	defer func() { _ = loop.Close() }() // autoclear: it lives as long as the mount
	dir, err := os.MkdirTemp("", "migimg-guest-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(dir) }()
	if err := mount(loop.Name(), dir, kind, options); err != nil {
		return nil, fmt.Errorf("%s at %d: mounting %s read-only: %w", path, off, kind, err)
	}
	root, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err2 := unix.Unmount(dir, unix.MNT_DETACH); err2 != nil {
		err = errors.Join(err, fmt.Errorf("unmounting %s: %w", dir, err2))
	}
	if err != nil {
		if root != nil {
			_ = root.Close()
		}
		return nil, err
	}
	return newLive(root, "loop-ro"), nil
}

func mount(device, dir, kind string, options []string) (err error) {
	flags := uintptr(unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME)
	for _, o := range options {
		if err = unix.Mount(device, dir, kind, flags, o); !errors.Is(err, unix.EINVAL) {
			break
		}
	}
	if errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("this machine's kernel has no %s: %w", kind, err)
	}
	return err
}

// attachTries bounds the race for a free loop device with other processes.
const attachTries = 16

// attach sets up a read-only loop device that goes away with its last user
// (loop(4)).
func attach(path string, off, size int64) (*os.File, error) {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	back, err := os.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = back.Close() }()
	control, err := os.OpenFile("/dev/loop-control", os.O_RDONLY, 0) // a confined process opens nothing for writing
	if err != nil {
		return nil, err
	}
	defer func() { _ = control.Close() }()
	info := unix.LoopInfo64{
		Offset:    uint64(off),
		Sizelimit: uint64(size),
		Flags:     unix.LO_FLAGS_READ_ONLY | unix.LO_FLAGS_AUTOCLEAR,
	}
	copy(info.File_name[:len(info.File_name)-1], path)
	for range attachTries {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, fmt.Errorf("no free one: %w", err)
		}
		loop, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", n), os.O_RDONLY, 0)
		if err != nil {
			return nil, err
		}
		switch err := configure(loop, back, info); {
		case err == nil:
			return loop, nil
		case errors.Is(err, unix.EBUSY):
			_ = loop.Close()
		default:
			_ = loop.Close()
			return nil, err
		}
	}
	return nil, fmt.Errorf("no free one after %d tries", attachTries)
}

func configure(loop, back *os.File, info unix.LoopInfo64) error {
	err := unix.IoctlLoopConfigure(int(loop.Fd()), &unix.LoopConfig{Fd: uint32(back.Fd()), Info: info})
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOTTY) {
		return err
	}
	// Before Linux 5.8, in two steps.
	if err := unix.IoctlSetInt(int(loop.Fd()), unix.LOOP_SET_FD, int(back.Fd())); err != nil {
		return err
	}
	if err := unix.IoctlLoopSetStatus64(int(loop.Fd()), &info); err != nil {
		_ = unix.IoctlSetInt(int(loop.Fd()), unix.LOOP_CLR_FD, 0)
		return err
	}
	return nil
}

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"migimg/fusefs"
)

// isMountpoint finds a migimg mount at path: its absolute path, and whether it
// is one.
func isMountpoint(path string) (string, bool) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return path, false
	}
	st, err := os.Stat(filepath.Join(abs, statusPath))
	return abs, err == nil && st.Mode().IsRegular()
}

// noMount says why there is no migimg mount to be seen at path.
func noMount(path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if fusefs.Dead(abs) {
		return fmt.Errorf("%s is a mount whose daemon was killed: migimg mount at the same place mounts again, migimg umount %[1]s removes it", abs)
	}
	_, err = os.Stat(filepath.Join(abs, statusPath))
	switch {
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s: %w: a mount is its owner's, as a rule root's (sudo)", abs, syscall.EACCES)
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%s %w; findmnt -t fuse.migimg lists those that there are", abs, errMountEnded)
	case err != nil:
		return err
	}
	return fmt.Errorf("%s %w", abs, errMountEnded)
}

// checkPoint refuses a mount point that is none, before a device is looked at and what
// is on it is frozen.
func checkPoint(point string) error {
	if abs, ok := isMountpoint(point); ok {
		if s, err := readStatus(abs); err == nil {
			return fmt.Errorf("%s is a mount of %s already; migimg umount %[1]s ends it", abs, s.Source.Device)
		}
	}
	_, err := fusefs.Check(point)
	if errors.Is(err, fusefs.ErrNoFUSE) {
		return fmt.Errorf("%w; load it (modprobe fuse), or write an image without it: migimg export", err)
	}
	return err
}

// checkOrder says what is wrong with the arguments of mount where a directory stands
// for a device.
func checkOrder(devices []string, point string) error {
	i := slices.IndexFunc(devices, func(device string) bool {
		info, err := os.Stat(device)
		return err == nil && info.IsDir()
	})
	if i < 0 {
		return nil
	}
	if len(devices) > 1 {
		return fmt.Errorf("%s is a directory, and no DEVICE: one MOUNTPOINT is named, as the last: migimg mount DEVICE... MOUNTPOINT", devices[i])
	}
	if info, err := os.Stat(point); err == nil && !info.IsDir() {
		return fmt.Errorf("%s is a directory: the DEVICE comes first: migimg mount %s %[1]s", devices[0], point)
	}
	return nil // opening the device says what is wrong
}

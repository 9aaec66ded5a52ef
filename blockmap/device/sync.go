package device

import (
	"golang.org/x/sys/unix"
)

// Sync writes out what the mounted filesystems among uses hold in memory, as far
// as they let it. It is best effort, for a device that is read while it moves.
func Sync(uses []Use) {
	for _, u := range uses {
		if u.Kind != "mount" || !u.Write {
			continue
		}
		fd, err := unix.Open(u.Point, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			continue // a mount over a file, or hidden: nothing to be done
		}
		_ = unix.Syncfs(fd)
		unix.Close(fd)
	}
}

package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// notify tells the service manager how this process is, in assignments such as
// "READY=1" (sd_notify(3)). Where none has asked to be told it does nothing.
func notify(state ...string) error {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		defer unix.Close(fd)
		// A name that begins with @ is an abstract one for x/sys as well.
		err = unix.Sendto(fd, []byte(strings.Join(state, "\n")), 0, &unix.SockaddrUnix{Name: name})
	}
	if err != nil {
		return fmt.Errorf("telling the service manager %q by NOTIFY_SOCKET=%s: %w", state[0], name, err)
	}
	return nil
}

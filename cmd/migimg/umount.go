package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"migimg/fusefs"
)

func umountCommand() *cli.Command {
	return &cli.Command{
		Name:      "umount",
		Aliases:   []string{"unmount"},
		Usage:     "end a mount",
		ArgsUsage: "MOUNTPOINT",
		Description: `umount(8) does the same. It returns when the daemon has gone. A mount in which
files are open is busy and stays.

    migimg umount /mnt/migimg`,
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "MOUNTPOINT")
			if err != nil {
				return err
			}
			return unmount(args[0])
		},
	}
}

func unmount(point string) error {
	abs, err := filepath.Abs(point)
	if err != nil {
		return err
	}
	if fusefs.Dead(abs) { // the daemon was killed: only the mount table still knows of it
		return fusefs.RemoveDead(abs)
	}
	abs, ok := isMountpoint(abs)
	if !ok {
		return noMount(abs)
	}
	if m, _, ok := machineOf(abs); ok {
		return fmt.Errorf("%s is a disk's folder of the mount %s: migimg umount %[2]s", abs, m)
	}
	s, err := readStatus(abs)
	if err != nil {
		return err
	}
	err = fusefs.Unmount(abs)
	for range 10 { // a document that somebody looks at is soon closed
		if !errors.Is(err, fusefs.ErrBusy) {
			break
		}
		time.Sleep(20 * time.Millisecond)
		err = fusefs.Unmount(abs)
	}
	if errors.Is(err, syscall.EPERM) { // the daemon can, with fusermount3
		err = syscall.Kill(s.PID, syscall.SIGTERM)
	}
	if err != nil {
		return busy(abs, err)
	}
	return waitGone(s.PID, abs)
}

// busy is the error of an unmount, with how to find out who is in the way.
func busy(point string, err error) error {
	if errors.Is(err, fusefs.ErrBusy) {
		return fmt.Errorf("%s: %w; fuser -vm %[1]s says who", point, err)
	}
	return fmt.Errorf("%s: %w", point, err)
}

// How long a busy mount is given to go, and how long its daemon may then take to end:
// removing btrfs's snapshots waits for a transaction of a busy filesystem.
const (
	busyWait = 5 * time.Second
	endWait  = 5 * time.Minute
)

// waitGone waits until the daemon has ended.
func waitGone(pid int, point string) error {
	p := newProgress()
	defer p.done()
	p.say("migimg: waiting for the daemon of %s (process %d) to clean up and end", point, pid)
	daemon, told := fusefs.ProcessOf(pid), false
	for start := time.Now(); time.Since(start) < endWait; time.Sleep(10 * time.Millisecond) {
		if !daemon.Alive() {
			return nil
		}
		if time.Since(start) < busyWait {
			continue
		}
		if _, still := isMountpoint(point); still {
			return busy(point, fusefs.ErrBusy)
		}
		if !told { // a mount namespace that was made meanwhile has it still, and nobody there ends it
			told = true
			_ = syscall.Kill(pid, syscall.SIGTERM)
		}
	}
	return fmt.Errorf("%s is unmounted, but its daemon (process %d) has not ended in %v", point, pid, endWait)
}

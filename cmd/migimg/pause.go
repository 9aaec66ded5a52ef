package main

import (
	"fmt"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
)

func pauseCommand() *cli.Command {
	return &cli.Command{
		Name:      "pause",
		Usage:     "stop reading the device; readers of the mount wait",
		ArgsUsage: "MOUNTPOINT",
		Description: `Readers wait until migimg resume; nobody gets an error. A reader can be killed
meanwhile, and the mount be ended. SIGUSR1 to the daemon does the same.

    migimg pause /mnt/migimg`,
		Action: func(c *cli.Context) error { return setPaused(c, syscall.SIGUSR1, true) },
	}
}

func resumeCommand() *cli.Command {
	return &cli.Command{
		Name:      "resume",
		Usage:     "go on reading the device after a pause",
		ArgsUsage: "MOUNTPOINT",
		Description: `SIGUSR2 to the daemon does the same.

    migimg resume /mnt/migimg`,
		Action: func(c *cli.Context) error { return setPaused(c, syscall.SIGUSR2, false) },
	}
}

// setPaused signals the daemon of a mount and waits until its status says that
// it has heeded it.
func setPaused(c *cli.Context, sig syscall.Signal, want bool) error {
	args, err := arguments(c, "MOUNTPOINT")
	if err != nil {
		return err
	}
	s, err := readStatus(args[0])
	if err != nil {
		return err
	}
	if err := syscall.Kill(s.PID, sig); err != nil {
		return fmt.Errorf("%s: signalling its daemon (process %d): %w", args[0], s.PID, err)
	}
	for range 250 {
		if s, err = readStatus(args[0]); err != nil {
			return err
		}
		if s.Load.Paused == want {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("%s: its daemon (process %d) has not heeded the signal within five seconds", args[0], s.PID)
}

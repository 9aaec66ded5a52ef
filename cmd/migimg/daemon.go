package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// readyEnv tells a daemon that somebody waits on descriptor readyFD for it to
// become usable.
const (
	readyEnv = "MIGIMG_READY"
	readyFD  = 3
)

// daemonize starts this program again and waits until its mount is usable. Until
// then the daemon's messages go to our stderr, its failure is ours, and it is in our
// process group: where systemd mounts because somebody has looked into an automount
// point, that group alone is let through to it (autofs), everybody else waits for the
// mount.
func daemonize(ctx context.Context) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	p, err := os.StartProcess(self, os.Args, &os.ProcAttr{
		Env:   append(os.Environ(), readyEnv+"=1"),
		Files: []*os.File{nil, os.Stdout, os.Stderr, w},
	})
	w.Close()
	if err != nil {
		return fmt.Errorf("cannot start the daemon: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = p.Signal(syscall.SIGTERM) })
	defer stop()
	if n, _ := io.ReadFull(r, make([]byte, 1)); n == 1 {
		return p.Release()
	}
	st, err := p.Wait()
	if err != nil {
		return err
	}
	if st.Exited() && st.ExitCode() > 0 {
		return exitWith(st.ExitCode()) // it has said why
	}
	return fmt.Errorf("the daemon ended before the mount was usable: %s", st)
}

// ready tells whoever waits that the mount is usable, and lets go of the
// terminal, of every directory and of the process group.
func ready() error {
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	if os.Getenv(readyEnv) == "" {
		return nil
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	w := os.NewFile(readyFD, "ready")
	if w == nil {
		return errors.New("nobody waits for the daemon")
	}
	defer w.Close()
	if _, err := unix.Setsid(); err != nil {
		return fmt.Errorf("beginning a session: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if _, err := w.Write([]byte{1}); err != nil {
		return fmt.Errorf("telling that the mount is usable: %w", err)
	}
	for fd := range 3 {
		if err := unix.Dup3(int(null.Fd()), fd, 0); err != nil {
			return err
		}
	}
	return nil
}

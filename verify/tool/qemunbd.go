package tool

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"migimg/verify/nbd"
)

const (
	// startTime is how long qemu-nbd may take to open a copy. Checking a large
	// qcow2 that was not closed cleanly is part of it.
	startTime = 10 * time.Minute
	// lastWords is how long a daemon may take to say why its connection ended.
	lastWords = 300 * time.Millisecond
)

// daemon is a program that runs beside this one, such as a qemu-nbd that serves one
// copy to one client and ends with it.
type daemon struct {
	cmd    *exec.Cmd
	output limited // of its stderr; to be looked at when it has ended
	ended  chan struct{}
	err    error // of its end
}

// serve starts qemu-nbd on a copy and connects to it.
func serve(ctx context.Context, copied *os.File, path, format string) (*nbd.Client, *daemon, error) {
	program, err := find("qemu-nbd")
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "migimg-") // 0700: nobody else reaches the socket
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a connection needs no name
	socket := filepath.Join(dir, "nbd")
	options, err := imageOptions(copied, path, format)
	if err != nil {
		return nil, nil, err
	}
	d := &daemon{ended: make(chan struct{})}
	d.cmd = exec.CommandContext(ctx, program, "--socket", socket, "--shared", "1", "--discard", "unmap", "--detect-zeroes", "off", "--image-opts", options)
	d.cmd.Stderr = &d.output
	d.cmd.Env = append(d.cmd.Environ(), "LC_ALL=C")
	// SIGTERM lets it close the copy in order. A terminal's Ctrl-C is for us, not
	// for it, hence a process group of its own.
	d.cmd.Cancel = func() error { return d.cmd.Process.Signal(syscall.SIGTERM) }
	d.cmd.WaitDelay = time.Minute
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	if err := d.start(); err != nil {
		return nil, nil, err
	}
	conn, err := d.connect(ctx, socket)
	var client *nbd.Client
	if err == nil {
		if client, err = nbd.NewClient(ctx, conn, "", startTime); err != nil {
			_ = conn.Close()
		}
	}
	if err != nil {
		_ = d.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
		if e := d.wait(); e != nil && ctx.Err() == nil {
			err = e // the reason; that the connection broke is not
		}
		return nil, nil, err
	}
	return client, d, nil
}

// imageOptions names an image file for --image-opts and -drive.
func imageOptions(f *os.File, path, format string) (string, error) {
	st, err := f.Stat()
	if err != nil {
		return "", err
	}
	protocol := "file"
	if st.Mode()&os.ModeDevice != 0 {
		protocol = "host_device"
	}
	o := "driver=" + format
	if format == "vpc" {
		// Else the disk of a VHD by some creators is as large as its cylinders, heads
		// and sectors come to (block/vpc.c), which rounds.
		o += ",force_size_calc=current_size"
	}
	return o + ",file.driver=" + protocol + ",file.filename=" + escape(path), nil
}

// escape doubles commas, as QEMU wants them in a value among options.
func escape(s string) string { return strings.ReplaceAll(s, ",", ",,") }

// start starts the program. PR_SET_PDEATHSIG counts from the thread that made the
// child, so one thread waits for as long as the child lives.
func (d *daemon) start() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := d.cmd.Start()
		started <- err
		if err == nil {
			d.err = d.cmd.Wait()
			close(d.ended)
		}
	}()
	return <-started
}

// connect waits until the daemon listens. It answers when it has opened the copy.
func (d *daemon) connect(ctx context.Context, socket string) (net.Conn, error) {
	for deadline := time.Now().Add(startTime); ; {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			return conn, nil
		}
		select {
		case <-d.ended:
			return nil, errors.New("it did not open the copy")
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("it does not listen after %v: %w", startTime, err)
		}
	}
}

// wait waits for the daemon's end, in which it closes the copy; an error says
// that it did not end well.
func (d *daemon) wait() error {
	<-d.ended
	if d.err == nil {
		return nil
	}
	return &ExitError{Command: filepath.Base(d.cmd.Path), Code: d.cmd.ProcessState.ExitCode(), Output: d.output.String(), Err: d.err}
}

// dead is how the daemon ended, or nil while it lives.
func (d *daemon) dead() error {
	select {
	case <-d.ended:
		return d.wait()
	case <-time.After(lastWords):
		return nil
	}
}

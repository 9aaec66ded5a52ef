// Package child starts the programs of a test so that none outlives it, not even
// where the test's process is killed.
package child

import (
	"bytes"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Start starts a program in a process group of its own that is killed when the test
// ends, however it does. The channel has the program's error, and is closed, when the
// program has ended.
func Start(t testing.TB, cmd *exec.Cmd) (ended <-chan error) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = 10 * time.Second
	started, done, gone := make(chan error), make(chan error, 1), make(chan struct{})
	go func() {
		// The signal comes when the thread ends that started the program: keep it.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			done <- cmd.Wait()
		}
		close(done)
		close(gone)
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		select {
		case <-gone:
		default:
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-gone
		}
	})
	return done
}

// Output runs a program and returns what it said on stdout; the error holds all of it.
func Output(t testing.TB, cmd *exec.Cmd) (string, error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := <-Start(t, cmd); err != nil {
		return stdout.String(), fmt.Errorf("%s: %w\n%s%s", strings.Join(cmd.Args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}

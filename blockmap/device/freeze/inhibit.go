package freeze

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// inhibitor holds a lock of systemd-logind against sleep and shutdown for as long as
// its pipe is open, which ends with this process at the latest.
type inhibitor struct {
	pipe *os.File
	proc *os.Process
}

// startInhibitor takes the lock where systemd runs; nil where it does not. What
// the lock's program runs is cat, which ends at the end of the pipe.
func startInhibitor() (*inhibitor, error) {
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return nil, nil
	}
	var program string
	for _, p := range []string{"/usr/bin/systemd-inhibit", "/bin/systemd-inhibit"} {
		if _, err := os.Stat(p); err == nil {
			program = p
			break
		}
	}
	if program == "" {
		return nil, nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		w.Close()
		return nil, err
	}
	defer null.Close()
	proc, err := os.StartProcess(program, []string{
		program, "--what=sleep:shutdown", "--who=migimg", "--why=filesystems are frozen while their images are copied", "cat",
	}, &os.ProcAttr{Dir: "/", Env: []string{"PATH=/usr/bin:/bin"}, Files: []*os.File{r, null, null}, Sys: &syscall.SysProcAttr{Setsid: true}})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", program, err), w.Close())
	}
	return &inhibitor{w, proc}, nil
}

// end gives the lock back. It does not wait for long: the pipe has ended, that is enough.
func (i *inhibitor) end() {
	if i == nil {
		return
	}
	i.pipe.Close()
	late := time.AfterFunc(2*time.Second, func() { _ = i.proc.Kill() })
	defer late.Stop()
	_, _ = i.proc.Wait()
}

// Package tool runs the external programs that serve as oracles: thin wrappers
// around qemu-img, gzip, zstd, tar, e2fsck, 7z and the libyal readers, and QEMU as a
// machine that an image is started on. It is the only package that starts programs.
// Verify needs none of them; tests do.
//
// Every wrapper tells a program that is not installed ([ErrNotInstalled]) from
// one that failed, names image formats explicitly instead of letting the
// program probe, takes a context, and keeps what the program wrote to stderr in
// its error.
package tool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// ErrNotInstalled is wrapped where a program is not there.
var ErrNotInstalled = errors.New("not installed")

// keep is how many bytes of a program's output are kept for messages and
// answers.
const keep = 1 << 20

// find looks for a program, in the administrator's folders too: PATH may lack
// them.
func find(name string) (string, error) {
	for _, n := range []string{name, "/usr/sbin/" + name, "/sbin/" + name} {
		if p, err := exec.LookPath(n); err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, ErrNotInstalled)
}

// ExitError says how a program failed.
type ExitError struct {
	// Command as it was run, without the program's folder.
	Command string
	// Code is the exit code, -1 where there was none (killed, not started).
	Code int
	// Output is what it wrote to stderr, else stdout.
	Output string
	Err    error
}

func (e *ExitError) Error() string {
	return fmt.Sprintf("%s: %v: %s", e.Command, e.Err, strings.TrimSpace(e.Output))
}

func (e *ExitError) Unwrap() error { return e.Err }

// run runs a program. out takes its stdout; nil keeps it (up to keep bytes) and
// returns it.
func run(ctx context.Context, timeout time.Duration, out io.Writer, path string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.WaitDelay = 5 * time.Second // for children that hold the pipes open
	var stdout, stderr limited
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if out != nil {
		cmd.Stdout = out
	}
	// The messages are read by people and by this package.
	cmd.Env = append(cmd.Environ(), "LC_ALL=C")
	err := cmd.Run()
	if err == nil {
		return stdout.String(), nil
	}
	e := &ExitError{Command: filepath.Base(path) + " " + strings.Join(args, " "), Code: -1, Output: stderr.String(), Err: err}
	if ctx.Err() != nil {
		e.Err = ctx.Err()
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		e.Code = exit.ExitCode()
	}
	if strings.TrimSpace(e.Output) == "" {
		e.Output = stdout.String()
	}
	if len(e.Output) > 4<<10 {
		e.Output = e.Output[:4<<10] + " ..."
	}
	return stdout.String(), e
}

// limited keeps the first bytes of what is written to it.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if room := keep - l.Len(); room > 0 {
		l.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

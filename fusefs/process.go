package fusefs

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"strings"
	"unicode"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// Process is a process of this machine. The zero value is one that cannot be seen from
// here: it is in another process namespace, or has ended.
type Process struct {
	PID int
	// Started is in clock ticks since the machine was booted: a later process with the
	// same number has another.
	Started uint64
}

// callerProcess is the process behind a request. FUSE tells the thread's number.
func callerProcess(ctx context.Context) Process {
	c, ok := fuse.FromContext(ctx)
	if !ok || c.Pid == 0 {
		return Process{}
	}
	return ProcessOf(int(c.Pid))
}

// ProcessOf is the process that a thread of that number belongs to.
func ProcessOf(thread int) (p Process) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(thread) + "/status")
	if err != nil {
		return Process{}
	}
	for line := range strings.Lines(string(b)) {
		if group, ok := strings.CutPrefix(line, "Tgid:"); ok {
			p.PID, err = strconv.Atoi(strings.TrimSpace(group))
			break
		}
	}
	if err != nil || p.PID == 0 {
		return Process{}
	}
	_, p.Started, _ = p.stat()
	return p
}

// stat reads proc(5)'s stat of whatever process has the number now. What has ended and
// only waits to be noticed (state Z, X) is none.
func (p Process) stat() (comm string, started uint64, ok bool) {
	if p.PID == 0 {
		return "", 0, false
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(p.PID) + "/stat")
	if err != nil {
		return "", 0, false
	}
	// The name is in parentheses and may hold some itself.
	from, to := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if from < 0 || to < from {
		return "", 0, false
	}
	comm = string(b[from+1 : to])
	fields := strings.Fields(string(b[to+1:])) // the third is the first
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return "", 0, false
	}
	started, err = strconv.ParseUint(fields[19], 10, 64)
	return comm, started, err == nil
}

// Alive says that the process has not ended, as far as it can be seen.
func (p Process) Alive() bool {
	_, started, ok := p.stat()
	return ok && started == p.Started
}

// command is the process' name; empty once it has ended. A process gives itself what
// name it likes: what a terminal could take for something else is left out.
func (p Process) command() string {
	comm, started, ok := p.stat()
	if !ok || started != p.Started {
		return ""
	}
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) || c == unicode.ReplacementChar {
			return '?'
		}
		return c
	}, comm)
}

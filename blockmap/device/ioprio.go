package device

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// IOPriority is a scheduling class of the kernel's for requests to disks, and a
// level in it (Linux, include/uapi/linux/ioprio.h).
type IOPriority uint16

const (
	classShift   = 13
	bestEffort   = 2
	idle         = 3
	whoProcess   = 1 // IOPRIO_WHO_PROCESS: with a thread's number, that thread
	lowestLevel  = 7
	middleLevel  = 4
	maxPasses    = 100
	threadFolder = "/proc/self/task"
)

// ParseIOPriority reads idle, best-effort, best-effort:LEVEL with a level from 0
// (first) to 7, or none, in which the kernel goes by the process's nice value.
func ParseIOPriority(s string) (IOPriority, error) {
	switch s {
	case "none":
		return 0, nil
	case "idle":
		return idle << classShift, nil
	case "best-effort":
		return bestEffort<<classShift | middleLevel, nil
	}
	if l, ok := strings.CutPrefix(s, "best-effort:"); ok {
		if n, err := strconv.ParseUint(l, 10, 8); err == nil && n <= lowestLevel {
			return bestEffort<<classShift | IOPriority(n), nil
		}
	}
	return 0, fmt.Errorf("%q is not one of idle, best-effort, best-effort:0 to best-effort:7, none", s)
}

// String is what ParseIOPriority reads.
func (p IOPriority) String() string {
	switch p >> classShift {
	case 0:
		return "none"
	case idle:
		return "idle"
	}
	return fmt.Sprintf("best-effort:%d", p&lowestLevel)
}

// Apply gives the priority to all threads of this process; threads made later
// inherit it from those that make them (block/blk-ioc.c, __copy_io). It decides
// only where the device's I/O scheduler heeds priorities: bfq does, mq-deadline
// does in part, none does not.
func (p IOPriority) Apply() error {
	done := map[string]bool{}
	// A thread may be made by another that is not done yet: until nobody is new.
	for range maxPasses {
		threads, err := os.ReadDir(threadFolder)
		if err != nil {
			return fmt.Errorf("I/O priority: %w", err)
		}
		found := false
		for _, t := range threads {
			tid, err := strconv.Atoi(t.Name())
			if err != nil || done[t.Name()] {
				continue
			}
			found, done[t.Name()] = true, true
			_, _, e := unix.Syscall(unix.SYS_IOPRIO_SET, whoProcess, uintptr(tid), uintptr(p))
			if e != 0 && e != unix.ESRCH { // it has ended meanwhile
				return fmt.Errorf("I/O priority %v: %w", p, e)
			}
		}
		if !found {
			return nil
		}
	}
	return fmt.Errorf("I/O priority %v: new threads all the time", p)
}

package freeze

import (
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The steps of protect that must succeed.
const (
	stepNone = iota
	stepMemory
)

// stepName says what a step is about, for the parent's message.
func stepName(step uint32) string {
	if step == stepMemory {
		return "locking its memory (mlockall; needs CAP_IPC_LOCK)"
	}
	return "starting"
}

// protect makes this process hard to kill and independent of everything. That its
// memory stays is required, the rest is as far as the system lets us.
func protect() (step int, errno unix.Errno) {
	ignoreSignals()
	_ = os.Chdir("/")
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("-1000"), 0)
	leaveGroup("/sys/fs/cgroup")
	hurry()
	// Nothing here makes much garbage, and no thread should have to wait for a collection.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(64 << 20)
	if err := lockMemory(); err != nil {
		errno, _ = err.(unix.Errno)
		return stepMemory, max(errno, 1)
	}
	return stepNone, 0
}

// lockMemory keeps in memory what has been touched or will be, and loads and locks the
// whole program. Without MCL_ONFAULT all that the Go runtime has reserved, and does not use,
// would be allocated: 74 MiB instead of 1.
func lockMemory() error {
	if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT); err != nil {
		return err
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(maps)) {
		// address perms offset dev inode path: the rows of files have an inode.
		f := strings.Fields(line)
		if len(f) < 6 || f[4] == "0" || f[1][0] != 'r' {
			continue
		}
		from, to, _ := strings.Cut(f[0], "-")
		a, err1 := strconv.ParseUint(from, 16, 64)
		b, err2 := strconv.ParseUint(to, 16, 64)
		if err1 != nil || err2 != nil {
			continue
		}
		if _, _, errno := unix.Syscall(unix.SYS_MLOCK, uintptr(a), uintptr(b-a), 0); errno != 0 {
			return errno
		}
	}
	return nil
}

// ignoreSignals ignores what can be ignored. SIGURG is left to the Go runtime, which
// interrupts its own threads with it and ignores it from others; what faults raise
// ends the process, and the parent thaws.
func ignoreSignals() {
	for s := syscall.Signal(1); s <= 64; s++ {
		switch s {
		case unix.SIGKILL, unix.SIGSTOP, unix.SIGURG, unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGILL:
		default:
			signal.Ignore(s)
		}
	}
}

// leaveGroup moves the process to the root of the control groups (v2), so that
// a service manager that kills the parent's whole group, or the OOM killer that
// works on that group, does not end both. Of v1 each controller would have to be left:
// such systems are from before 2021, and their service managers signal first.
func leaveGroup(root string) {
	if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err != nil {
		return
	}
	f, err := os.OpenFile(filepath.Join(root, "cgroup.procs"), os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.WriteString(strconv.Itoa(os.Getpid()))
}

// hurry asks for the processor before others, for each thread there is; those to
// come inherit it.
func hurry() {
	tasks, _ := os.ReadDir("/proc/self/task")
	for _, t := range tasks {
		if tid, err := strconv.Atoi(t.Name()); err == nil {
			_ = unix.Setpriority(unix.PRIO_PROCESS, tid, -20)
		}
	}
}

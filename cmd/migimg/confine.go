package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"
)

// kept are the capabilities that a mount needs while it is served.
const kept = 1<<unix.CAP_SYS_ADMIN | // unmount, thaw, remove btrfs snapshots, mount a guest's filesystem read-only for a new report
	1<<unix.CAP_DAC_READ_SEARCH | // read the server's files for a new report, whoever owns them
	1<<unix.CAP_SYS_PTRACE | // read the mount tables of PID 1 and of containers
	1<<unix.CAP_FOWNER | // without changing when they were read last (O_NOATIME)
	1<<unix.CAP_IPC_LOCK // pinned memory

// denied are the system calls by which a process becomes, loads or looks into another
// program. A mount that is being served makes none of them.
var denied = []string{
	"execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev",
	"init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot",
	"swapon", "swapoff", "setns", "unshare", "pivot_root", "chroot", "keyctl", "add_key", "request_key", "userfaultfd",
}

// confine gives up, once a mount is usable, what the rest of its life does not need: most
// capabilities, starting programs, the network, and opening files for writing. It is
// for a fault in the parsers of what is on a disk, or in the answers to readers, that
// somebody found how to use: that one must not become root's shell. There is nothing to
// give up where somebody else than root mounts; that one still has to start fusermount3.
//
// With appends, files may be opened to be appended to: a log, which may be moved away.
//
// A kernel without seccomp leaves that out; the error says what else did not work, and
// the mount goes on as it was.
func confine(appends bool) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return errors.Join(dropCapabilities(), filterCalls(appends))
}

// dropCapabilities leaves all threads with no more than the kept ones.
func dropCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // of capabilities 0 to 31, and 32 to 63
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("reading the capabilities: %w", err)
	}
	data[0].Permitted &= kept
	data[0].Effective &= kept
	data[0].Inheritable = 0
	// CAP_BPF and CAP_PERFMON are parts of CAP_SYS_ADMIN.
	data[1] = unix.CapUserData{}
	// capset(2) is for one thread.
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data[0])), 0)
	runtime.KeepAlive(&header)
	runtime.KeepAlive(&data)
	if errno != 0 {
		return fmt.Errorf("dropping capabilities: %w", errno)
	}
	return nil
}

// filterCalls makes the denied calls fail with EPERM, in all threads and for good.
func filterCalls(appends bool) error {
	if !seccomp.Supported() {
		return nil
	}
	family := func(f uint64) seccomp.NameWithConditions {
		return seccomp.NameWithConditions{Name: "socket", Conditions: seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.Equal, Value: f}}}
	}
	writing := func(flag uint64) seccomp.NameWithConditions {
		c := seccomp.ArgumentConditions{{Argument: 2, Operation: seccomp.BitsSet, Value: flag}}
		if appends && flag != unix.O_RDWR {
			c = append(c, seccomp.Condition{Argument: 2, Operation: seccomp.BitsNotSet, Value: unix.O_APPEND})
		}
		return seccomp.NameWithConditions{Name: "openat", Conditions: c}
	}
	runtime.LockOSThread() // what follows is two system calls, the first for one thread
	defer runtime.UnlockOSThread()
	err := seccomp.LoadFilter(seccomp.Filter{
		NoNewPrivs: true,
		Flag:       seccomp.FilterFlagTSync,
		Policy: seccomp.Policy{
			DefaultAction: seccomp.ActionAllow,
			Syscalls: []seccomp.SyscallGroup{{
				Names: denied,
				NamesWithCondtions: []seccomp.NameWithConditions{
					family(unix.AF_INET), family(unix.AF_INET6), family(unix.AF_PACKET),
					writing(unix.O_WRONLY), writing(unix.O_RDWR), writing(unix.O_CREAT),
				},
				Action: seccomp.ActionErrno, // EPERM
			}},
		},
	})
	if err != nil {
		return fmt.Errorf("limiting the system calls: %w", err)
	}
	return nil
}

package tool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// QemuSystem is an installed qemu-system-x86_64.
type QemuSystem struct{ path string }

// FindQemuSystem looks for the program.
func FindQemuSystem() (QemuSystem, error) {
	p, err := find("qemu-system-x86_64")
	return QemuSystem{p}, err
}

// Running is a guest that runs. It ends with this process, even where that is
// killed. No file of it has a name: the overlay is unlinked as soon as it is open,
// and everything else goes through descriptors that QEMU inherits.
type Running struct {
	// Console, Firmware and Packets are what the serial port, the firmware's debug
	// port and the network (as a pcap stream) have had.
	Console, Firmware, Packets *Stream
	// SSHPort on 127.0.0.1 leads to the guest's port 22.
	SSHPort int

	d       *daemon
	qmp     *qmp
	scratch *os.File // what QEMU is asked to write to a file
}

// Start starts a guest. [ErrNotInstalled] is wrapped where its firmware is not there.
func (q QemuSystem) Start(ctx context.Context, g Guest) (*Running, error) {
	var ovmf [2]string
	var err error
	if g.UEFI {
		if ovmf, err = findOVMF(); err != nil {
			return nil, err
		}
	}
	image, err := g.image()
	if err != nil {
		return nil, err
	}
	args, err := g.arguments(image, ovmf)
	if err != nil {
		return nil, err
	}
	r := &Running{d: &daemon{ended: make(chan struct{})}}
	var theirs []*os.File // in the order of the fd constants
	release := func() {
		for _, f := range theirs {
			_ = f.Close()
		}
		theirs = nil
	}
	defer release()
	for _, s := range []**Stream{&r.Console, &r.Firmware, &r.Packets} {
		mine, their, err := os.Pipe()
		if err != nil {
			return nil, errors.Join(err, r.close())
		}
		*s = newStream(mine)
		theirs = append(theirs, their)
	}
	fd, err := unix.MemfdCreate("migimg", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	r.scratch = os.NewFile(uintptr(fd), "scratch")
	control, their, err := socketPair()
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	theirs = append(theirs, their)
	inherit := append(append([]*os.File{}, theirs[:3]...), r.scratch, their)
	if err := r.start(ctx, q.path, args, g.Dir, inherit); err != nil {
		return nil, errors.Join(err, control.Close(), r.close())
	}
	release() // only then do they end with QEMU
	if r.qmp, err = newQMP(control); err == nil {
		r.SSHPort, err = r.forwarded()
	}
	if err == nil {
		err = r.qmp.do("cont", nil, nil)
	}
	if err != nil {
		if e := r.d.dead(); e != nil && ctx.Err() == nil {
			err = e // the reason
		}
		return nil, errors.Join(err, r.Stop())
	}
	return r, nil
}

func (r *Running) start(ctx context.Context, path string, args []string, dir string, inherit []*os.File) error {
	d := r.d
	d.cmd = exec.CommandContext(ctx, path, args...)
	d.cmd.Stderr = &d.output
	d.cmd.ExtraFiles = inherit
	d.cmd.Env = append(d.cmd.Environ(), "LC_ALL=C")
	if dir == "" {
		dir = os.TempDir() // QEMU's own default is /var/tmp
	}
	d.cmd.Env = append(d.cmd.Env, "TMPDIR="+dir)
	d.cmd.WaitDelay = 5 * time.Second
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true} // nothing of it is to be kept
	return d.start()
}

// socketPair is a connection and its other end for a child.
func socketPair() (io.ReadWriteCloser, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	mine, their := os.NewFile(uintptr(fds[0]), "qmp"), os.NewFile(uintptr(fds[1]), "qmp")
	conn, err := net.FileConn(mine)
	_ = mine.Close() // FileConn has its own
	if err != nil {
		return nil, nil, errors.Join(err, their.Close())
	}
	return conn, their, nil
}

var forward = regexp.MustCompile(`TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s+\S+\s+22\s`)

// forwarded is the port that the kernel chose.
func (r *Running) forwarded() (int, error) {
	var text string
	if err := r.qmp.do("human-monitor-command", map[string]any{"command-line": "info usernet"}, &text); err != nil {
		return 0, err
	}
	m := forward.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("qemu: info usernet names no forwarded port: %.300q", text)
	}
	return strconv.Atoi(m[1])
}

// State is QEMU's word for what the guest does ("running", "shutdown",
// "internal-error"; QAPI RunState), and how often it has started itself anew.
func (r *Running) State() (state string, resets int, err error) {
	var s struct{ Status string }
	if err := r.qmp.do("query-status", nil, &s); err != nil {
		if e := r.d.dead(); e != nil {
			err = e
		}
		return "", 0, err
	}
	return s.Status, r.qmp.resetCount(), nil
}

// Memory is the guest's physical memory from address on.
func (r *Running) Memory(address, n int64) ([]byte, error) {
	return r.written(n, "pmemsave", map[string]any{"val": address, "size": n})
}

// Screen is the guest's screen as a portable pixmap (P6).
func (r *Running) Screen() ([]byte, error) {
	return r.written(64<<20, "screendump", nil)
}

// written is what QEMU writes to the file of a command, of at most n bytes.
func (r *Running) written(n int64, command string, arguments map[string]any) ([]byte, error) {
	a := map[string]any{"filename": fmt.Sprintf("/dev/fd/%d", fdScratch)}
	for k, v := range arguments {
		a[k] = v
	}
	if err := r.qmp.do(command, a, nil); err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(r.scratch, 0, n))
}

// Stop ends the guest, as pulling its plug does.
func (r *Running) Stop() error {
	_ = r.d.cmd.Process.Kill() // it may have ended by itself
	<-r.d.ended
	if r.qmp != nil {
		_ = r.qmp.conn.Close()
	}
	return r.close()
}

func (r *Running) close() error {
	for _, s := range []*Stream{r.Console, r.Firmware, r.Packets} {
		if s != nil {
			s.close()
		}
	}
	if r.scratch == nil {
		return nil
	}
	return r.scratch.Close()
}

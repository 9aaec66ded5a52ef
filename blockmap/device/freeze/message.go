package freeze

import (
	"encoding/binary"
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// op says what a message between parent and watchdog is about.
type op uint32

const (
	// From the parent.
	opFreeze op = iota + 1 // freeze all; n is the deadline in nanoseconds, index 1 asks for probes
	opThaw                 // thaw all
	// From the watchdog. index is the filesystem's.
	opReady   // errno: what of its protection failed, index: which step
	opAbout   // FIFREEZE comes next
	opFrozen  // it succeeded; n: nanoseconds it took
	opFailed  // it failed with errno
	opStill   // it was a probe that found the filesystem frozen, or left it as it was
	opHolding // all are frozen; n: T0 in nanoseconds since 1970
	opStruck  // too early an end; errno: ETIME at the deadline, EINVAL if somebody else thawed index
	opThawed  // FITHAW, with errno
	opDone    // nothing is frozen any more: answers opThaw, and opFreeze if that failed
)

// message is what the two send each other, one to a packet.
type message struct {
	op    op
	index uint32
	errno unix.Errno
	n     int64
}

const messageSize = 24

func (m message) bytes() (b [messageSize]byte) {
	binary.NativeEndian.PutUint32(b[0:], uint32(m.op))
	binary.NativeEndian.PutUint32(b[4:], m.index)
	binary.NativeEndian.PutUint32(b[8:], uint32(m.errno))
	binary.NativeEndian.PutUint64(b[16:], uint64(m.n))
	return b
}

func parseMessage(b []byte) (message, error) {
	if len(b) != messageSize {
		return message{}, io.ErrUnexpectedEOF
	}
	return message{
		op:    op(binary.NativeEndian.Uint32(b[0:])),
		index: binary.NativeEndian.Uint32(b[4:]),
		errno: unix.Errno(binary.NativeEndian.Uint32(b[8:])),
		n:     int64(binary.NativeEndian.Uint64(b[16:])),
	}, nil
}

// send sends a message without waiting for room: a stopped reader must not stop us.
func send(fd int, m message) error {
	b := m.bytes()
	return unix.Sendto(fd, b[:], unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, nil)
}

// receive waits for a message. The end of the other process is io.EOF.
func receive(fd int) (message, error) {
	var b [messageSize + 1]byte
	for {
		n, err := unix.Read(fd, b[:])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return message{}, err
		case n == 0:
			return message{}, io.EOF
		}
		return parseMessage(b[:n])
	}
}

// The ioctls of linux/fs.h, _IOWR('X', 119, int) and 120: the same number on all
// architectures, as both directions together are the same bits everywhere.
const (
	fifreeze = 0xC0045877
	fithaw   = 0xC0045878
)

// control makes one of the ioctls, 0 if it succeeds. A freeze that a signal
// interrupted has not happened (EINTR, wait_for_partially_frozen in fs/super.c).
func control(fd int, request uintptr) unix.Errno {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, 0)
		if errno != unix.EINTR {
			return errno
		}
	}
}

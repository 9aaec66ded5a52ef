package freeze

import (
	"errors"
	"fmt"
)

// What went wrong, for errors.Is. An [Error] says where.
var (
	// ErrRefused: the filesystem must stay writable.
	ErrRefused = errors.New("must not be frozen")
	// ErrUnsupported: this kind of filesystem cannot be frozen (FAT, tmpfs, FUSE).
	ErrUnsupported = errors.New("cannot be frozen")
	// ErrBusy: somebody else has frozen it, or is about to. That freeze stays.
	ErrBusy = errors.New("is frozen by somebody else")
	// ErrThawed: it was thawed before Thaw was called: what was read since the freeze
	// may be newer than T0.
	ErrThawed = errors.New("was thawed too early")
)

// Error is what went wrong with one filesystem. It wraps one of the errors above, or
// the system's.
type Error struct {
	// Point is the filesystem's mount point, and FSType its type.
	Point, FSType string
	// Err is one of the package's errors or the system's.
	Err error
	// Detail says why, and what to do; it may be empty.
	Detail string
}

func (e *Error) Error() string {
	s := e.Point
	if e.FSType != "" {
		s += " (" + e.FSType + ")"
	}
	s = fmt.Sprintf("%s %v", s, e.Err)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

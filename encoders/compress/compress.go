// Package compress is what formats with compressed clusters share: how a cluster
// is packed, how long each one becomes, and where it lies then.
//
// Such a format is not lazy by nature: its layout hangs on the data. So all that is
// carried is packed once, when the image is planned, and only the lengths are kept
// ([Measure]). Who reads the image has each cluster packed again, to the same
// bytes. Where the disk has changed since, there is no such answer, and reading
// fails with [ErrChanged].
package compress

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// ErrChanged is wrapped by the error of a read of what has changed on the disk
// since it was measured.
var ErrChanged = errors.New("the disk has changed since its compressed length was measured")

// The methods by name.
const (
	Zlib = "zlib"
	Zstd = "zstd"
)

// Method is how clusters are packed. The zero value is none.
type Method struct {
	Name string
	// Level is zstd's, from 1 to 22; 0 is the default, 3. zlib has one only.
	Level int
}

// Parse reads what a user gives: zlib, zstd or zstd:LEVEL.
func Parse(s string) (Method, error) {
	name, level, given := strings.Cut(s, ":")
	m := Method{Name: name}
	switch {
	case name != Zlib && name != Zstd:
		return m, fmt.Errorf("%q is not one of zlib, zstd, zstd:LEVEL", s)
	case name == Zlib && given:
		return m, fmt.Errorf("%q: zlib has no levels here: clusters are packed in windows of 4 KiB, for which there is one", s)
	case given:
		n, err := strconv.Atoi(level)
		if err != nil || n < 1 || n > 22 {
			return m, fmt.Errorf("%q: zstd's level is a number from 1 to 22", s)
		}
		m.Level = n
	}
	return m, nil
}

// String is what Parse reads; empty for none.
func (m Method) String() string {
	if m.Level == 0 {
		return m.Name
	}
	return fmt.Sprintf("%s:%d", m.Name, m.Level)
}

// Packer appends the packed form of src, a whole unit, to dst. Equal bytes give
// equal bytes, whatever was packed before. It is used by one goroutine at a time.
type Packer func(dst, src []byte) []byte

// Packing is a way to pack units of one length.
type Packing struct {
	// Name tells packings apart: what one measures is good for others of its name and
	// unit.
	Name string
	// Method is the name of the one that it is a form of.
	Method string
	// Unit in bytes of the disk.
	Unit int64
	// New makes a packer.
	New func() Packer
	// Again says that nothing is ever kept: the disk's bytes have to be seen by who reads
	// the image, for a checksum of them.
	Again bool
}

// most is the longest packed form that is worth it: what saves less than a 64th is
// kept as it is, and read at once.
func (p Packing) most() int64 { return p.Unit - p.Unit/64 }

// Frames packs each unit as a zstd frame with its length and without a checksum.
func (m Method) Frames(unit int64) Packing {
	level := zstd.SpeedDefault
	if m.Level != 0 {
		level = zstd.EncoderLevelFromZstd(m.Level)
	}
	return Packing{Name: "frames " + m.String(), Method: Zstd, Unit: unit, New: func() Packer {
		// The options are constants: there is nothing that could fail.
		enc, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1),
			zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true))
		return func(dst, src []byte) []byte { return enc.EncodeAll(src, dst) }
	}}
}

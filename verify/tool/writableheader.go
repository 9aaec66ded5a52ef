package tool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// selfContained sees from a copy's header that it has the format that was named
// and holds its disk itself: QEMU would follow the names of other files that a
// header may hold. It returns the disk's size, or -1 where QEMU's word is
// enough.
func selfContained(f *os.File, format string) (size int64, err error) {
	var h [512]byte
	if n, err := f.ReadAt(h[:], 0); n < len(h) {
		return 0, fmt.Errorf("the copy is too short for a %s image: %w", format, orShort(err))
	}
	switch format {
	case "qcow2":
		return qcow2Disk(h[:])
	case "vpc":
		return vhdDisk(f, h[:])
	}
	// QEMU opens neither a vhdx with a parent nor a differencing vdi, but it takes
	// a vdi's signature for granted.
	if format == "vdi" && binary.LittleEndian.Uint32(h[64:]) != 0xbeda107f || format == "vhdx" && string(h[:8]) != "vhdxfile" {
		return 0, fmt.Errorf("is no %s image: its first bytes are others; name its format", format)
	}
	return -1, nil
}

func orShort(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// qcow2Disk reads the header as QEMU's docs/interop/qcow2.txt has it.
func qcow2Disk(h []byte) (int64, error) {
	be := binary.BigEndian
	if be.Uint32(h) != 0x514649fb {
		return 0, errors.New("is no qcow2 image: its first bytes are others; name its format")
	}
	const externalData = 1 << 2
	switch version := be.Uint32(h[4:]); {
	case be.Uint64(h[8:]) != 0:
		return 0, fmt.Errorf("the qcow2 copy %w: it has a backing file, so it is no copy of a whole disk", ErrNotWritable)
	case be.Uint32(h[32:]) != 0:
		return 0, fmt.Errorf("the qcow2 copy %w: it is encrypted", ErrNotWritable)
	case version >= 3 && be.Uint64(h[72:])&externalData != 0:
		return 0, fmt.Errorf("the qcow2 copy %w: its data is in another file", ErrNotWritable)
	}
	return int64(be.Uint64(h[24:])), nil
}

// vhdDisk reads the footer, which a dynamic VHD has at its start as well
// (Microsoft, Virtual Hard Disk Image Format Specification).
func vhdDisk(f *os.File, h []byte) (int64, error) {
	const cookie = "conectix"
	if string(h[:8]) != cookie { // fixed: at the end only
		end, err := f.Seek(0, io.SeekEnd)
		if err != nil {
			return 0, err
		}
		if _, err := f.ReadAt(h, end-int64(len(h))); err != nil {
			return 0, err
		}
		if string(h[:8]) != cookie {
			return 0, errors.New("is no VHD: it has no footer; name its format")
		}
	}
	if kind := binary.BigEndian.Uint32(h[60:]); kind != 2 && kind != 3 {
		return 0, fmt.Errorf("the VHD copy %w: it is of type %d, not fixed (2) or dynamic (3)", ErrNotWritable, kind)
	}
	return int64(binary.BigEndian.Uint64(h[48:])), nil
}

package gzip

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"migimg/verify/decoder"
)

// Magic begins every member: two bytes, and the only method, deflate.
const Magic = "\x1f\x8b\x08"

// Flags of a member's header; the bits above are reserved.
const (
	flagText = 1 << iota
	flagCRC
	flagExtra
	flagName
	flagComment
	flagsKnown = 1<<iota - 1
)

const (
	headerSize = 10
	// maxText is how long a name or a comment may be, in bytes: the format has no
	// limit.
	maxText = 64 << 10
)

// header reads the header of a member (RFC 1952, 2.3):
//
//	0 magic, 2 method, 3 flags, 4 time, 8 what the packer did, 9 operating system,
//	and by flag: 2 bytes length and so many extra bytes, a name and a comment that end
//	with a 0, and the low half of the CRC-32 of all that.
//
// ps is nil where it was read before.
func header(in *input, ps *decoder.Problems) error {
	at, _ := in.offset()
	sum := uint32(0)
	take := func(n int) ([]byte, error) {
		b, err := in.bytes(n)
		sum = crc32.Update(sum, crc32.IEEETable, b)
		return b, err
	}
	b, err := take(headerSize)
	if err != nil {
		return fmt.Errorf("gzip: header: %w", err)
	}
	if string(b[:3]) != Magic {
		return fmt.Errorf("gzip: header: begins with % x, not with %x", b[:3], Magic)
	}
	flags, effort, system := b[3], b[8], b[9]
	if flags&^flagsKnown != 0 {
		return fmt.Errorf("gzip: header: reserved flags %#02x", flags&^flagsKnown)
	}
	if flags&flagExtra != 0 {
		if b, err = take(2); err == nil {
			_, err = take(int(binary.LittleEndian.Uint16(b)))
		}
		if err != nil {
			return fmt.Errorf("gzip: header: extra field: %w", err)
		}
	}
	for _, x := range []struct {
		flag byte
		what string
	}{{flagName, "name"}, {flagComment, "comment"}} {
		if flags&x.flag == 0 {
			continue
		}
		n := bytes.IndexByte(in.next(maxText), 0)
		if n < 0 {
			return fmt.Errorf("gzip: header: the %s does not end within %d bytes", x.what, maxText)
		}
		if b, err = take(n + 1); err != nil {
			return err
		}
		if ps != nil && bytes.ContainsFunc(b[:n], func(r rune) bool { return r < ' ' }) {
			ps.Warnf(at, "gzip: header: the %s %.60q has control characters", x.what, b[:n])
		}
	}
	if flags&flagCRC != 0 {
		want := uint16(sum)
		if b, err = in.bytes(2); err != nil {
			return fmt.Errorf("gzip: header: its checksum: %w", err)
		}
		if got := binary.LittleEndian.Uint16(b); got != want && ps != nil {
			ps.Failf(at, "gzip: header: the checksum is %#04x, must be %#04x", got, want)
		}
	}
	if ps == nil {
		return nil
	}
	if flags&flagText != 0 {
		ps.Warnf(at+3, "gzip: header: what it holds is said to be text")
	}
	if effort != 0 && effort != 2 && effort != 4 {
		ps.Warnf(at+8, "gzip: header: the extra flags are %#02x; 0, 2 and 4 are known", effort)
	}
	if system > 13 && system != 255 {
		ps.Warnf(at+9, "gzip: header: the operating system is %d; 0 to 13 and 255 are known", system)
	}
	return nil
}

// trailer reads what ends a member: the CRC-32 of what it holds, and the low 32 bits of
// its length.
func trailer(in *input, crc uint32, size int64, ps *decoder.Problems) error {
	at, _ := in.offset()
	b, err := in.bytes(8)
	if err != nil {
		return fmt.Errorf("gzip: checksum and length at the end: %w", err)
	}
	if ps == nil {
		return nil
	}
	if got := binary.LittleEndian.Uint32(b); got != crc {
		ps.Failf(at, "gzip: the CRC-32 is %#08x, that of what was unpacked %#08x", got, crc)
	}
	if got := binary.LittleEndian.Uint32(b[4:]); got != uint32(size) {
		ps.Failf(at+4, "gzip: the length is %d modulo 2^32, %d bytes were unpacked", got, size)
	}
	return nil
}

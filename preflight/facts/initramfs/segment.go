package initramfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// reader is the state of one Read.
type reader struct {
	ctx     context.Context
	in      *cursor
	lim     Limits
	a       *Archive
	names   int64 // bytes of names so far
	content int64 // bytes of contents so far
	out     int64 // bytes that the decompressors gave so far
	codecs  codecs
}

// sniff names the compression by the first bytes, as the kernel does
// (lib/decompress.c), or "" where it knows none. lzma has no magic: 5d 00 is
// the properties byte and the lowest byte of the dictionary's size.
func sniff(p []byte) string {
	for _, m := range []struct{ magic, name string }{
		{"070701", "cpio"}, {"070702", "cpio"}, {"070707", "cpio"},
		{"\x1f\x8b", "gzip"}, {"\x1f\x9e", "gzip"}, {"BZh", "bzip2"}, {"\xfd7zXZ\x00", "xz"},
		{"\x28\xb5\x2f\xfd", "zstd"}, {"\x02\x21\x4c\x18", "lz4"},
		{"\x89LZO", "lzop"}, {"\x5d\x00", "lzma"},
	} {
		if bytes.HasPrefix(p, []byte(m.magic)) {
			return m.name
		}
	}
	return ""
}

// segments walks over the whole archive.
func (d *reader) segments() {
	if head := d.in.Peek(2); string(head) == "MZ" {
		d.a.opaque("initramfs: it is a unified kernel image (PE file), which is not read")
		return
	}
	for {
		d.skipNULs()
		if len(d.a.Segments) > 0 {
			s := &d.a.Segments[len(d.a.Segments)-1]
			s.Size = d.in.Pos() - s.Offset
		}
		if d.in.Left() == 0 || d.in.err != nil || d.ctx.Err() != nil {
			break
		}
		if len(d.a.Segments) == maxSegments {
			d.a.opaque("initramfs: byte %d: more than %d segments", d.in.Pos(), maxSegments)
			break
		}
		if !d.segment() {
			break
		}
	}
	if len(d.a.Segments) == 0 && d.in.err == nil {
		d.a.opaque("initramfs: it is empty")
	}
}

func (d *reader) skipNULs() {
	for {
		b, err := d.in.ReadByte()
		if err != nil {
			return
		}
		if b != 0 {
			d.in.SeekTo(d.in.Pos() - 1)
			return
		}
	}
}

// segment reads one segment and says whether the archive can be followed
// behind it.
func (d *reader) segment() bool {
	at := d.in.Pos()
	name := sniff(d.in.Peek(6))
	seg := Segment{Offset: at, Size: d.in.Left(), Compression: name}
	if name == "" {
		seg.Compression = "unknown"
	}
	var err error
	switch {
	case name == "":
		err = errors.New("neither a cpio archive nor a compression the kernel knows")
	case name == "cpio" && at%4 != 0:
		err = errors.New("the cpio archive does not begin at a multiple of 4 bytes, so the kernel does not see it")
	case name == "cpio":
		err = (&cpio{d: d, s: d.in, seg: &seg}).walk(nil)
	default:
		err = d.compressed(name, &seg)
	}
	d.a.Segments = append(d.a.Segments, seg)
	if err != nil && d.in.err == nil && d.ctx.Err() == nil {
		d.a.Truncated = d.a.Truncated || name != "" && d.in.Left() == 0 && errors.Is(err, io.ErrUnexpectedEOF)
		d.a.opaque("initramfs: byte %d: segment %d (%s): %v", at, len(d.a.Segments), seg.Compression, err)
	}
	if err == nil && name == "lz4" && d.trailing() {
		// Measured on 6.1: "Initramfs unpacking failed: Decoding failed", as the
		// kernel takes what follows for another lz4 block.
		d.a.problem("initramfs: byte %d: something follows the lz4 segment, and the kernel does not unpack that; "+
			"rebuild the initramfs", d.in.Pos())
	}
	return err == nil
}

// trailing says whether anything but NULs follows.
func (d *reader) trailing() bool {
	pos := d.in.Pos()
	defer d.in.SeekTo(pos)
	d.skipNULs()
	return d.in.Left() > 0
}

// compressed reads one compressed segment: cpio archives and NULs.
func (d *reader) compressed(name string, seg *Segment) (err error) {
	defer func() {
		// Decompressors of others are given hostile bytes: a bug there makes the
		// segment unreadable and no more.
		if p := recover(); p != nil {
			err = fmt.Errorf("the decompressor failed: %v", p)
		}
	}()
	z, err := d.codecs.open(name, d.in)
	if err != nil {
		return err
	}
	if x, ok := z.(*xzStream); ok && x.odd() != "" {
		d.a.problem("initramfs: byte %d: %s", seg.Offset, x.odd())
	}
	s := &plain{d: d, z: z}
	var magic [6]byte
	for {
		switch err := s.skipNULs(); {
		case errors.Is(err, io.EOF):
			return z.end()
		case err != nil:
			return err
		}
		if _, err := io.ReadFull(s, magic[:1]); err != nil {
			return err
		}
		if magic[0] != '0' {
			return errors.New("what is compressed is not a cpio archive")
		}
		if _, err := io.ReadFull(s, magic[1:]); err != nil {
			return err
		}
		if err := (&cpio{d: d, s: s, seg: seg}).walk(magic[:]); err != nil {
			return err
		}
	}
}

// plain is what comes out of a decompressor, counted and bounded.
type plain struct {
	d    *reader
	z    io.Reader
	buf  []byte
	i, n int
}

const plainBuffer = 128 << 10

func (p *plain) fill() error {
	if p.i < p.n {
		return nil
	}
	if err := p.d.ctx.Err(); err != nil {
		return err
	}
	if p.d.out >= p.d.lim.Decompressed {
		return fmt.Errorf("%w: %d bytes decompressed", errLimit, p.d.lim.Decompressed)
	}
	if p.buf == nil {
		p.buf = make([]byte, plainBuffer)
	}
	p.i, p.n = 0, 0
	for range 100 { // a reader may answer nothing now and then
		n, err := p.z.Read(p.buf)
		p.n = n
		p.d.out += int64(n)
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

func (p *plain) Read(b []byte) (int, error) {
	if err := p.fill(); err != nil {
		return 0, err
	}
	n := copy(b, p.buf[p.i:p.n])
	p.i += n
	return n, nil
}

// skipNULs goes on to the next byte that is none. There may be gigabytes of them.
func (p *plain) skipNULs() error {
	for {
		if err := p.fill(); err != nil {
			return err
		}
		b := p.buf[p.i:p.n]
		if b[0] == 0 && bytes.Equal(b[:len(b)-1], b[1:]) { // all of them
			p.i = p.n
			continue
		}
		p.i = p.n - len(bytes.TrimLeft(b, "\x00"))
		return nil
	}
}

func (p *plain) Skip(n int64) error {
	for n > 0 {
		if err := p.fill(); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		k := min(n, int64(p.n-p.i))
		p.i += int(k)
		n -= k
	}
	return nil
}

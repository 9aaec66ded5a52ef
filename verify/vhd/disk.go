package vhd

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"migimg/verify/decoder"
)

// Open checks the structure of an image, adds what is wrong to ps, and opens
// its disk. The disk is nil where the guest's bytes cannot be found at all; a
// problem then says why. The string sums the image up for people. The error is
// that of a cancelled context.
func Open(ctx context.Context, f decoder.File, ps *decoder.Problems) (decoder.Disk, string, error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	if f.Size < footerSize {
		ps.Failf(0, "vhd: the file has %d bytes, less than a footer", f.Size)
		return nil, "", nil
	}
	if f.Size%sector != 0 {
		ps.Failf(f.Size, "vhd: the file has %d bytes, which is no number of sectors: a short copy, or something was appended", f.Size)
	}
	head, err := f.Bytes(0, footerSize)
	if err != nil {
		ps.Err(0, "vhd: footer copy", err)
		return nil, "", nil
	}
	tailAt := f.Size - footerSize
	tail, err := f.Bytes(tailAt, footerSize)
	if err != nil {
		ps.Err(tailAt, "vhd: footer", err)
		return nil, "", nil
	}
	b, at, ok := choose(head, tail, tailAt, ps)
	if !ok {
		return nil, "", nil
	}
	t, ok := parseFooter(b, at, ps)
	if !ok {
		return nil, "", nil
	}
	if t.kind == typeFixed {
		d, s := openFixed(f, t, at, ps)
		return d, s, nil
	}
	d, s := openDynamic(f, t, ps)
	return d, s, nil
}

// choose takes the footer that is sound, and says what is wrong with the other.
func choose(head, tail []byte, tailAt int64, ps *decoder.Problems) (b []byte, at int64, ok bool) {
	dynamic := isFooter(head) || soundFooter(tail) && tail[63] != typeFixed
	headOK, tailOK := soundFooter(head), soundFooter(tail)
	if !tailOK {
		if isFooter(tail) {
			ps.Failf(tailAt, "vhd: the footer's checksum is wrong")
		} else {
			ps.Failf(tailAt, "vhd: the file does not end with a footer: a short copy, or something was appended")
		}
	}
	if dynamic && !headOK {
		ps.Failf(0, "vhd: the copy of the footer at the start is missing or its checksum is wrong")
	}
	if dynamic && headOK && tailOK && !bytes.Equal(head, tail) {
		ps.Failf(0, "vhd: the footer and its copy at the start are not identical")
	}
	switch {
	case dynamic && headOK:
		return head, 0, true
	case tailOK:
		return tail, tailAt, true
	}
	return nil, 0, false
}

func openFixed(f decoder.File, t footer, at int64, ps *decoder.Problems) (decoder.Disk, string) {
	// The specification says 0xFFFFFFFF for fixed disks; Microsoft's own tools
	// set all 64 bits.
	if t.dataOffset != 0xffffffff && t.dataOffset != 0xffffffffffffffff {
		ps.Failf(at+16, "vhd: footer: data offset %#x of a fixed disk", t.dataOffset)
	}
	if want := t.size + footerSize; f.Size != want {
		ps.Failf(f.Size, "vhd: the file has %d bytes; a fixed disk of %d bytes and its footer need %d", f.Size, t.size, want)
		if f.Size < want {
			return nil, ""
		}
	}
	return decoder.Raw(decoder.File{R: f.R, Size: t.size}), "fixed"
}

func openDynamic(f decoder.File, t footer, ps *decoder.Problems) (decoder.Disk, string) {
	h, ok := parseHeader(f, t, ps)
	if !ok {
		return nil, ""
	}
	bat, ok := loadTable(f, h, ps)
	if !ok {
		return nil, ""
	}
	metaEnd := max(h.tableEnd(), int64(t.dataOffset)+headerSize)
	n := checkTable(f, h, bat, metaEnd, ps)
	checkTail(f, h, bat, t.size, ps)
	return &disk{f: f, h: h, bat: bat, size: t.size}, fmt.Sprintf("dynamic, %d byte blocks, %d of %d in the file", h.block, n, h.entries)
}

// disk is a dynamic disk. It is immutable.
type disk struct {
	f    decoder.File
	h    header
	bat  []uint32
	size int64
}

func (d *disk) Size() int64 { return d.size }

func (d *disk) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 || off >= d.size {
		return 0, io.EOF
	}
	eof := false
	if rest := d.size - off; int64(len(p)) > rest {
		p, eof = p[:rest], true
	}
	for n < len(p) {
		at := off + int64(n)
		in := at % d.h.block
		part := p[n:min(len(p), n+int(d.h.block-in))]
		if err := d.readBlock(part, at/d.h.block, in); err != nil {
			return n, fmt.Errorf("vhd: block %d: %w", at/d.h.block, err)
		}
		n += len(part)
	}
	if eof {
		err = io.EOF
	}
	return n, err
}

// readBlock reads inside one block. Sectors whose bit in the block's bitmap is
// 0 were never written and are zeros (the bitmap's first bit is the highest of
// its first byte).
func (d *disk) readBlock(p []byte, block, in int64) error {
	e := d.bat[block]
	if e == unused {
		clear(p)
		return nil
	}
	base := int64(e) * sector
	if _, err := d.f.ReadAt(p, base+d.h.bitmap+in); err != nil {
		return err
	}
	first, last := in/sector, (in+int64(len(p))-1)/sector
	bits := make([]byte, last/8-first/8+1)
	if _, err := d.f.ReadAt(bits, base+first/8); err != nil {
		return err
	}
	for s := first; s <= last; s++ {
		if bits[s/8-first/8]>>(7-s%8)&1 == 0 {
			clear(p[max(0, s*sector-in):min(int64(len(p)), (s+1)*sector-in)])
		}
	}
	return nil
}

func (d *disk) Allocated(off int64) (int64, bool) {
	i := off / d.h.block
	data := d.bat[i] != unused
	for i++; i < int64(len(d.bat)) && i*d.h.block < d.size && (d.bat[i] != unused) == data; i++ {
	}
	return min(i*d.h.block, d.size) - off, data
}

func (d *disk) Locate(off int64) int64 {
	e := d.bat[off/d.h.block]
	if e == unused {
		return -1
	}
	return int64(e)*sector + d.h.bitmap + off%d.h.block
}

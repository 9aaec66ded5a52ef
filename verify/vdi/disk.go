package vdi

import (
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
	h, ok := parseHeader(f, ps)
	if !ok {
		return nil, "", nil
	}
	m, ok, err := loadMap(ctx, f, &h, ps)
	if err != nil || !ok {
		return nil, "", err
	}
	checkEnd(f, &h, ps)
	d := &disk{f: f, header: h, blockMap: m}
	d.checkTail(ps)
	return d, fmt.Sprintf("%s, %d byte blocks, %d of %d in the file", h.name(), h.block, h.allocated, h.blocks), nil
}

// disk is immutable.
type disk struct {
	f decoder.File
	header
	blockMap []uint32
}

func (d *disk) Size() int64 { return d.size }

// at is where block b begins, in bytes of the file. It has a number.
func (d *disk) at(b int64) int64 { return d.dataOff + int64(d.blockMap[b])*d.block }

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
		b, in := at/d.block, at%d.block
		part := p[n:min(len(p), n+int(d.block-in))]
		if d.blockMap[b] >= zero {
			clear(part)
		} else if _, err := d.f.ReadAt(part, d.at(b)+in); err != nil {
			return n, fmt.Errorf("vdi: block %d: %w", b, err)
		}
		n += len(part)
	}
	if eof {
		err = io.EOF
	}
	return n, err
}

func (d *disk) Allocated(off int64) (int64, bool) {
	b := off / d.block
	data := d.blockMap[b] < zero
	for b++; b < d.blocks && (d.blockMap[b] < zero) == data; b++ {
	}
	return min(b*d.block, d.size) - off, data
}

func (d *disk) Locate(off int64) int64 {
	if b := off / d.block; d.blockMap[b] < zero {
		return d.at(b) + off%d.block
	}
	return -1
}

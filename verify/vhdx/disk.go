package vhdx

import (
	"context"
	"fmt"
	"io"

	"migimg/verify/decoder"
)

// Open checks the structure of an image, adds what is wrong to ps, and opens
// its disk. The disk is nil where the guest's bytes cannot be found at all, or
// where a reader must refuse the file; a problem then says why. The string sums
// the image up for people. The error is that of a cancelled context.
func Open(ctx context.Context, f decoder.File, ps *decoder.Problems) (decoder.Disk, string, error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	if b, err := f.Bytes(0, int64(len(Magic))); err != nil {
		ps.Err(0, "vhdx: file identifier", err)
		return nil, "", nil
	} else if string(b) != Magic {
		ps.Failf(0, "vhdx: the file identifier %q is missing", Magic)
		return nil, "", nil
	}
	if f.Size > maxFile {
		ps.Unknownf(f.Size, "vhdx: the file has %d bytes, too many to check", f.Size)
		return nil, "", nil
	}
	b, at, ok := currentHeader(f, ps)
	if !ok {
		return nil, "", nil
	}
	log, ok := parseHeader(b, at, f, ps)
	if !ok {
		return nil, "", nil
	}
	s := newSpace(f.Size)
	s.take(extent{0, headerSection}, "the header section", 0, ps)
	s.take(log, "the log", at+72, ps)
	if b, at, ok = regionTable(f, ps); !ok {
		return nil, "", nil
	}
	r, ok := parseRegions(b, at, f, s, ps)
	if !ok {
		return nil, "", nil
	}
	p, ok := loadParameters(f, r.metadata, ps)
	if !ok {
		return nil, "", nil
	}
	t, ok, err := loadBAT(ctx, f, r.bat, &p, s, ps)
	if err != nil || !ok {
		return nil, "", err
	}
	d := &disk{f: f, parameters: p, places: t.places}
	checkEnd(f, &p, t, ps)
	d.checkTail(ps)
	return d, fmt.Sprintf("%s, %d byte blocks, %d of %d in the file, sectors of %d bytes", p.kind(), p.block, t.present, p.blocks(), p.sector), nil
}

// disk is immutable.
type disk struct {
	f decoder.File
	parameters
	places []uint32 // for each block its MiB in the file, hole or damaged
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
		in := at % d.block
		part := p[n:min(len(p), n+int(d.block-in))]
		if err := d.readBlock(part, at/d.block, in); err != nil {
			return n, fmt.Errorf("vhdx: block %d: %w", at/d.block, err)
		}
		n += len(part)
	}
	if eof {
		err = io.EOF
	}
	return n, err
}

func (d *disk) readBlock(p []byte, b, in int64) error {
	switch d.places[b] {
	case hole:
		clear(p)
		return nil
	case damaged:
		return fmt.Errorf("the block table does not say where it is")
	}
	_, err := d.f.ReadAt(p, int64(d.places[b])*mib+in)
	return err
}

func (d *disk) Allocated(off int64) (int64, bool) {
	b := off / d.block
	data := d.places[b] != hole
	for b++; b < int64(len(d.places)) && (d.places[b] != hole) == data; b++ {
	}
	return min(b*d.block, d.size) - off, data
}

func (d *disk) Locate(off int64) int64 {
	at := d.places[off/d.block]
	if at == hole || at == damaged {
		return -1
	}
	return int64(at)*mib + off%d.block
}

package vmdk

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"
)

// inflate reads the compressed grain g at file offset at: a marker (8 bytes
// sector of the disk, 4 bytes length), a zlib stream of exactly one grain, and
// zeros up to the next sector, where the grain after it begins (limit, 0 where
// that is not known).
func (d *disk) inflate(p []byte, g, in, at, limit int64) error {
	// One read takes in the marker and a grain that did not shrink: two stored
	// deflate blocks and the zlib frame are 28 bytes more than the grain.
	guess := min(roundUp(12+d.h.grain+64), d.f.Size-at)
	if limit > at {
		guess = min(guess, limit-at)
	}
	if guess < 12 {
		return fmt.Errorf("at byte %d: no room for a marker", at)
	}
	b, err := d.f.Bytes(at, guess)
	if err != nil {
		return err
	}
	lba, size := binary.LittleEndian.Uint64(b), int64(binary.LittleEndian.Uint32(b[8:]))
	if lba != uint64(g)*uint64(d.h.grain/sector) {
		return fmt.Errorf("at byte %d: the marker is that of sector %d, not %d", at, lba, g*(d.h.grain/sector))
	}
	// VirtualBox and open-vmdk hold a grain in one grain and a sector.
	if size == 0 || size > 2*d.h.grain {
		return fmt.Errorf("at byte %d: the marker says %d compressed bytes", at, size)
	}
	end := roundUp(at + 12 + size)
	if limit != 0 && end != limit {
		return fmt.Errorf("at byte %d: the grain ends at %d, the next one begins at %d", at, end, limit)
	}
	if end-at > int64(len(b)) {
		if b, err = d.f.Bytes(at, end-at); err != nil {
			return err
		}
	}
	for i, c := range b[12+size : end-at] {
		if c != 0 {
			return fmt.Errorf("at byte %d: bytes after the compressed grain", at+12+size+int64(i))
		}
	}
	if err := d.unpack(p, in, b[12:12+size]); err != nil {
		return fmt.Errorf("at byte %d: %w", at, err)
	}
	return nil
}

// unpack inflates a whole grain, also where only a part of it is wanted: the
// checksum is after its last byte.
func (d *disk) unpack(p []byte, in int64, packed []byte) error {
	src := bytes.NewReader(packed)
	z, ok := d.inflaters.Get().(io.ReadCloser)
	var err error
	if ok {
		err = z.(zlib.Resetter).Reset(src, nil)
	} else {
		z, err = zlib.NewReader(src)
	}
	if err != nil {
		return fmt.Errorf("deflate: %w", err)
	}
	grain := p
	if int64(len(p)) != d.h.grain {
		grain = make([]byte, d.h.grain)
	}
	if n, err := io.ReadFull(z, grain); err != nil {
		return fmt.Errorf("deflate: %w after %d of %d bytes", err, n, d.h.grain)
	}
	var more [1]byte
	if n, err := z.Read(more[:]); n != 0 || err != io.EOF {
		if err == nil || err == io.EOF {
			return fmt.Errorf("deflate: it holds more than the grain's %d bytes", d.h.grain)
		}
		return fmt.Errorf("deflate: %w", err)
	}
	if src.Len() != 0 {
		return fmt.Errorf("deflate: %d bytes after its end", src.Len())
	}
	d.inflaters.Put(z)
	if int64(len(p)) != d.h.grain {
		copy(p, grain[in:])
	}
	return nil
}

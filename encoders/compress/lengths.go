package compress

import (
	"encoding/binary"
	"fmt"
	"hash/adler32"
	"hash/crc32"
	"io"
	"sync"

	"migimg/encoders/layout"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Lengths are what was measured of each unit: 8 bytes of memory each, and 8 more where
// the packed forms are in a store.
type Lengths struct {
	packing Packing
	n       []uint32 // 0: kept as it is
	sums    []uint32 // CRC-32C of what the disk had
	packers sync.Pool
	store   Store
	places  []int64 // of the packed forms in the store
}

// Store keeps the packed forms, if it is wished for: about as many bytes as the images
// have.
type Store interface {
	io.ReaderAt
	io.WriterAt
}

// Part is the packed form of unit k, Len(k) bytes, as a piece of a record.
func (l *Lengths) Part(name string, k int64) layout.Part {
	p := layout.Part{Name: name, Kind: layout.Packed, Len: l.Len(k), Pack: func(dst, src []byte) error { return l.Pack(k, dst, src) }}
	if l.store != nil {
		p.Kept = func(p []byte, off int64) error { return l.kept(p, l.places[k]+off) }
	}
	return p
}

// Adler is the Adler-32 of unit k, big-endian, as a piece of a record.
func (l *Lengths) Adler(k int64) layout.Part {
	p := layout.Part{Name: "adler-32", Kind: layout.Packed, Len: adlerLen, Pack: func(dst, src []byte) error {
		binary.BigEndian.PutUint32(dst, adler32.Checksum(src))
		return nil
	}}
	if l.store != nil {
		p.Kept = func(p []byte, off int64) error { return l.kept(p, l.places[k]+l.Len(k)+off) }
	}
	return p
}

const adlerLen = 4

func (l *Lengths) kept(p []byte, off int64) error {
	if n, err := l.store.ReadAt(p, off); n < len(p) {
		return fmt.Errorf("compress: reading what was kept: %w", err)
	}
	return nil
}

// Count is how many units there are.
func (l *Lengths) Count() int64 { return int64(len(l.n)) }

// Len is the length of unit k's packed form in bytes; 0 where it is not worth
// packing.
func (l *Lengths) Len(k int64) int64 { return int64(l.n[k]) }

// WriteDigest writes to w what stands for all that was measured.
func (l *Lengths) WriteDigest(w io.Writer) {
	_ = binary.Write(w, binary.LittleEndian, l.n) // w is a hash, which never fails
	_ = binary.Write(w, binary.LittleEndian, l.sums)
}

// Pack writes the packed form of unit k, for which src was read, to dst, which is
// Len(k) bytes long. It wraps ErrChanged where src is not what was measured.
func (l *Lengths) Pack(k int64, dst, src []byte) error {
	if err := l.Check(k, src); err != nil {
		return err
	}
	pack, ok := l.packers.Get().(Packer)
	if !ok {
		pack = l.packing.New()
	}
	defer l.packers.Put(pack)
	// A packer that needs more room than there is moves to memory of its own.
	if out := pack(dst[:0:len(dst)], src); len(out) != len(dst) {
		return fmt.Errorf("compress: unit %d has %d bytes, not %d: please report it", k, len(out), len(dst))
	} else if len(out) > 0 && &out[0] != &dst[0] {
		copy(dst, out)
	}
	return nil
}

// Check wraps ErrChanged where src is not what was measured of unit k.
func (l *Lengths) Check(k int64, src []byte) error {
	if crc32.Checksum(src, castagnoli) != l.sums[k] {
		return fmt.Errorf("compress: unit %d: %w; unmount and mount again", k, ErrChanged)
	}
	return nil
}

package compress

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Lengths are what was measured of each unit: 8 bytes of memory each.
type Lengths struct {
	packing Packing
	n       []uint32 // 0: kept as it is
	sums    []uint32 // CRC-32C of what the disk had
	packers sync.Pool
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

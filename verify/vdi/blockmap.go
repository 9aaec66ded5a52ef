package vdi

import (
	"context"
	"encoding/binary"

	"migimg/verify/decoder"
)

// Entries of the block map that are no block's number. VirtualBox and QEMU give
// zeros for both, if there is no parent.
const (
	free = 0xffffffff // never written
	zero = 0xfffffffe // written with zeros, or given back
)

// loadMap reads the block map: for each block of the disk its number among those
// in the file, 4 bytes, little endian. It checks that each number is that of one
// block in the file and of no other's, and that all are there.
func loadMap(ctx context.Context, f decoder.File, h *header, ps *decoder.Problems) ([]uint32, bool, error) {
	if h.mapEnd() > f.Size {
		ps.Failf(f.Size, "vdi: block map: it ends at byte %d, the file at %d: a short copy", h.mapEnd(), f.Size)
		return nil, false, nil
	}
	m := make([]uint32, 0, h.blocks)
	seen := make([]uint64, (h.allocated+63)/64)
	used := int64(0)
	buf := make([]byte, min(4*h.blocks, 1<<20))
	for i := int64(0); i < h.blocks; {
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		b, at := buf[:min(4*(h.blocks-i), int64(len(buf)))], h.mapOff+4*i
		if _, err := f.ReadAt(b, at); err != nil {
			ps.Err(at, "vdi: block map", err)
			return nil, false, nil
		}
		for ; len(b) > 0; b, at, i = b[4:], at+4, i+1 {
			e := binary.LittleEndian.Uint32(b)
			m = append(m, e)
			if e >= zero {
				continue
			}
			used++
			switch k := int64(e); {
			case k >= h.allocated:
				ps.Failf(at, "vdi: block map: block %d has the number %d, but there are %d blocks in the file", i, k, h.allocated)
			case seen[k/64]>>(k%64)&1 != 0:
				ps.Failf(at, "vdi: block map: block %d has the number %d, as another one has", i, k)
			default:
				seen[k/64] |= 1 << (k % 64)
			}
		}
	}
	if used != h.allocated {
		ps.Failf(0x184, "vdi: header: %d blocks are said to be in the file; the block map has %d", h.allocated, used)
	}
	if h.kind == typeFixed && used < h.blocks {
		ps.Warnf(h.mapOff, "vdi: block map: a fixed disk, but %d of its %d blocks are not in the file", h.blocks-used, h.blocks)
	}
	return m, true, nil
}

// checkEnd checks that the file ends with its last block.
func checkEnd(f decoder.File, h *header, ps *decoder.Problems) {
	switch end := h.dataEnd(); {
	case f.Size < end:
		ps.Failf(f.Size, "vdi: the file has %d bytes; its blocks end at %d: %d are missing", f.Size, end, end-f.Size)
	case f.Size > end:
		ps.Failf(end, "vdi: %d bytes after the last block", f.Size-end)
	}
}

// checkTail checks that nothing lies in the last block after the disk's end.
func (d *disk) checkTail(ps *decoder.Problems) {
	last := int64(len(d.blockMap)) - 1
	rest := d.size - last*d.block
	if d.blockMap[last] >= zero || rest == d.block {
		return
	}
	at := d.at(last) + rest
	buf := make([]byte, 1<<20)
	for left := min(d.block-rest, d.f.Size-at); left > 0; {
		b := buf[:min(left, int64(len(buf)))]
		if _, err := d.f.ReadAt(b, at); err != nil {
			return // the content's check comes by here, too
		}
		for i, c := range b {
			if c != 0 {
				ps.Warnf(at+int64(i), "vdi: bytes after the disk's end in its last block")
				return
			}
		}
		at, left = at+int64(len(b)), left-int64(len(b))
	}
}

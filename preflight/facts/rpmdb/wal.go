package rpmdb

import (
	"context"
	"encoding/binary"
	"fmt"
)

// maxWAL bounds a write-ahead log, in bytes.
const maxWAL = 512 << 20

// wal is where a log has the newest version of a page: only those of finished
// transactions count (sqlite.org/fileformat2.html, section 4).
type wal struct {
	r     *reader
	at    map[uint32]int64 // a page's bytes in the log
	pages int64            // of the database after the last transaction
}

func readWAL(ctx context.Context, f File, page int64) (*wal, error) {
	w := &wal{at: map[uint32]int64{}}
	if f.Size > maxWAL {
		return nil, fmt.Errorf("a log of %d bytes", f.Size)
	}
	w.r = &reader{ctx: ctx, r: f.ReaderAt, size: f.Size, left: 8*f.Size + 1<<20}
	var h [32]byte
	if f.Size < int64(len(h)) {
		return w, nil
	}
	if err := w.r.full(h[:], 0); err != nil {
		return nil, err
	}
	var o binary.ByteOrder
	switch be.Uint32(h[:]) {
	case 0x377f0682:
		o = le
	case 0x377f0683:
		o = be
	default:
		return w, nil // SQLite ignores a log without a valid beginning, too
	}
	sum := checksum(o, [2]uint32{}, h[:24])
	if sum != [2]uint32{be.Uint32(h[24:]), be.Uint32(h[28:])} {
		return w, nil
	}
	if n := int64(be.Uint32(h[8:])); n != page {
		return nil, fmt.Errorf("a log with pages of %d bytes", n)
	}
	return w, w.frames(o, sum, [8]byte(h[16:24]), page)
}

// frames reads the frames as far as their checksums say that they belong to the
// log; what comes after is left of an older one.
func (w *wal) frames(o binary.ByteOrder, sum [2]uint32, salt [8]byte, page int64) error {
	open := map[uint32]int64{}
	b := make([]byte, 24+page)
	for off := int64(32); off <= w.r.size-int64(len(b)); off += int64(len(b)) {
		if err := w.r.full(b, off); err != nil {
			return err
		}
		if [8]byte(b[8:16]) != salt {
			return nil
		}
		sum = checksum(o, checksum(o, sum, b[:8]), b[24:])
		if sum != [2]uint32{be.Uint32(b[16:]), be.Uint32(b[20:])} {
			return nil
		}
		open[be.Uint32(b)] = off + 24
		if n := be.Uint32(b[4:]); n != 0 { // the end of a transaction
			w.pages = int64(n)
			for k, v := range open {
				w.at[k] = v
			}
			clear(open)
		}
	}
	return nil
}

func checksum(o binary.ByteOrder, s [2]uint32, b []byte) [2]uint32 {
	for ; len(b) >= 8; b = b[8:] {
		s[0] += o.Uint32(b) + s[1]
		s[1] += o.Uint32(b[4:]) + s[0]
	}
	return s
}

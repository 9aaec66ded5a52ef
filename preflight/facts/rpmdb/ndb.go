package rpmdb

import "fmt"

// NDB: rpm, lib/backend/ndb/rpmpkg.c. A header of 32 bytes is followed by slots
// of 16 (magic, package number, offset and length in blocks of 16); at a slot's
// offset is a blob's header (magic, package number, generation, length), and the
// package's header after it.
const (
	ndbMagic     = 'R' | 'p'<<8 | 'm'<<16 | 'P'<<24
	ndbSlotMagic = 'S' | 'l'<<8 | 'o'<<16 | 't'<<24
	ndbBlobMagic = 'B' | 'l'<<8 | 'b'<<16 | 'S'<<24

	ndbHeader   = 32
	ndbSlot     = 16
	ndbSlotPage = 4096
	ndbBlock    = 16
)

func isNDB(head []byte) bool { return len(head) >= ndbHeader && le.Uint32(head) == ndbMagic }

func readNDB(r *reader, head []byte, add func(blob) error) error {
	if v := le.Uint32(head[4:]); v != 0 {
		return fmt.Errorf("version %d", v)
	}
	end := int64(le.Uint32(head[12:])) * ndbSlotPage
	if end > r.size {
		return fmt.Errorf("slots up to byte %d of %d: it is cut off", end, r.size)
	}
	b := make([]byte, ndbSlotPage)
	for page := int64(0); page < end; page += ndbSlotPage {
		if err := r.full(b, page); err != nil {
			return err
		}
		slots := b
		if page == 0 {
			slots = b[ndbHeader:]
		}
		for ; len(slots) > 0; slots = slots[ndbSlot:] {
			if le.Uint32(slots) != ndbSlotMagic {
				return fmt.Errorf("a slot of the page at %d is none", page)
			}
			number, off := le.Uint32(slots[4:]), int64(le.Uint32(slots[8:]))*ndbBlock
			if number == 0 {
				continue
			}
			if err := ndbBlob(r, number, off, add); err != nil {
				return fmt.Errorf("package %d at %d: %w", number, off, err)
			}
		}
	}
	return nil
}

func ndbBlob(r *reader, number uint32, off int64, add func(blob) error) error {
	var h [ndbSlot]byte
	if err := r.full(h[:], off); err != nil {
		return err
	}
	if le.Uint32(h[:]) != ndbBlobMagic || le.Uint32(h[4:]) != number {
		return fmt.Errorf("another thing is there")
	}
	size := int64(le.Uint32(h[12:]))
	if size > r.size-off-ndbSlot {
		return fmt.Errorf("%d bytes are to follow", size)
	}
	return add(blob{size, func(n int64) ([]byte, error) {
		p := make([]byte, n)
		return p, r.full(p, off+ndbSlot)
	}})
}

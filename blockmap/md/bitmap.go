package md

import (
	"encoding/binary"
	"fmt"

	"migimg/blockmap"
)

// The bitmap of what is being written begins with a header of its own (kernel,
// drivers/md/md-bitmap.h, bitmap_super_t): magic, version, UUID of 16 bytes, two
// event counters of 64 bits, at 40 sync_size in sectors, at 52 chunksize in bytes.
// It is read for its length alone.
const (
	bitmapHeader = 256
	bitmapMagic  = 0x6d746962
	// Versions 3 and 4 differ in byte order; 5 is of clusters, and 6 keeps more
	// than a bit of each chunk, and arrays that were never synchronised.
	bitmapOld = 3
	bitmapNow = 4
)

// readBitmap finds how long the bitmap is, and refuses one that overlaps the data.
func (m *member) readBitmap(v blockmap.Volume) error {
	b := make([]byte, bitmapHeader)
	if err := blockmap.ReadFull(v, b, m.bitmap.Off); err != nil {
		return fmt.Errorf("md: bitmap at byte %d: %w", m.bitmap.Off, err)
	}
	le := binary.LittleEndian
	version, sectors, chunk := le.Uint32(b[4:]), le.Uint64(b[40:]), int64(le.Uint32(b[52:]))
	switch {
	case le.Uint32(b) != bitmapMagic:
		m.refuse("the array's bitmap is damaged: see mdadm --examine-bitmap, and mdadm --grow --bitmap=none")
		return nil
	case version != bitmapOld && version != bitmapNow:
		m.refuse("version %d of the array's bitmap is not supported", version)
		return nil
	case chunk < sectorSize || sectors > mostSectors:
		m.refuse("the array's bitmap has chunks of %d bytes for %d sectors", chunk, sectors)
		return nil
	}
	chunks := (int64(sectors)*sectorSize + chunk - 1) / chunk
	m.bitmap.Len = bitmapHeader + (chunks+7)/8
	m.check(v.Size())
	return nil
}

package ptable

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"migimg/blockmap"
)

// The GPT header (UEFI specification, table 5.5), little-endian:
//
//	 0 "EFI PART"           40 first usable LBA
//	 8 revision             48 last usable LBA
//	12 header size          56 disk GUID
//	16 header CRC-32        72 entries' LBA
//	20 reserved             80 number of entries
//	24 this header's LBA    84 size of an entry
//	32 the other's LBA      88 CRC-32 of the entries
const (
	gptSignature  = "EFI PART"
	gptHeaderSize = 92
)

// maxEntriesBytes bounds the array of entries: 8192 of the usual 128 bytes. The
// kernel reads up to 4 MiB and uses 255 entries.
const maxEntriesBytes = 1 << 20

// header is one of the two GPT headers and its entries.
type header struct {
	lba int64
	// present says that the signature is there.
	present bool
	// bad is why the header or its entries do not verify; nil where they do.
	bad error

	alternate, firstUsable, lastUsable int64
	entriesLBA, count, entrySize       int64
	guid                               string
	entries                            []byte
}

func (h *header) ok() bool { return h.bad == nil }

// entriesBytes is the length of the array of entries.
func (h *header) entriesBytes() int64 { return h.count * h.entrySize }

// readHeader reads and verifies the header at a block, by the kernel's rules
// (efi.c, is_gpt_valid), but takes entries of more than 128 bytes. A header that
// cannot be read does not verify.
func readHeader(v blockmap.Volume, sectorSize, lba int64) *header {
	h := &header{lba: lba}
	last := v.Size()/sectorSize - 1
	if lba < 1 || lba > last {
		h.bad = fmt.Errorf("block %d lies outside of the disk, whose last block is %d", lba, last)
		return h
	}
	b := make([]byte, sectorSize)
	if err := readFull(v, b, lba*sectorSize); err != nil {
		h.bad = err
		return h
	}
	h.present = string(b[:8]) == gptSignature
	h.bad = h.parse(b, last)
	if h.bad == nil {
		h.bad = h.readEntries(v, sectorSize, binary.LittleEndian.Uint32(b[88:]))
	}
	return h
}

// parse verifies the header's block b.
func (h *header) parse(b []byte, last int64) error {
	le := binary.LittleEndian
	if !h.present {
		return errors.New("no GPT signature")
	}
	size := int64(le.Uint32(b[12:]))
	if size < gptHeaderSize || size > int64(len(b)) {
		return fmt.Errorf("header of %d bytes", size)
	}
	sum := crc32.NewIEEE()
	for _, part := range [][]byte{b[:16], make([]byte, 4), b[20:size]} {
		_, _ = sum.Write(part) // a hash never fails
	}
	if sum.Sum32() != le.Uint32(b[16:]) {
		return errors.New("wrong checksum of the header")
	}
	at := func(off int) int64 { return int64(min(le.Uint64(b[off:]), math.MaxInt64)) }
	if own := at(24); own != h.lba {
		return fmt.Errorf("the header says that it lies in block %d", own)
	}
	h.alternate, h.firstUsable, h.lastUsable, h.entriesLBA = at(32), at(40), at(48), at(72)
	h.count, h.entrySize, h.guid = int64(le.Uint32(b[80:])), int64(le.Uint32(b[84:])), guid(b[56:72])
	if h.firstUsable > last || h.lastUsable > last {
		return fmt.Errorf("the space for partitions (blocks %d to %d) leaves the disk, whose last block is %d: the disk has shrunk, or the image is truncated", h.firstUsable, h.lastUsable, last)
	}
	if h.lastUsable < h.firstUsable {
		return fmt.Errorf("the space for partitions ends (block %d) before it begins (%d)", h.lastUsable, h.firstUsable)
	}
	if h.entrySize < 128 || h.entrySize&(h.entrySize-1) != 0 {
		return fmt.Errorf("entries of %d bytes", h.entrySize)
	}
	if h.count == 0 || h.count > maxEntriesBytes/h.entrySize {
		return fmt.Errorf("%d entries of %d bytes", h.count, h.entrySize)
	}
	return nil
}

// readEntries reads the array of entries and verifies its checksum.
func (h *header) readEntries(v blockmap.Volume, sectorSize int64, sum uint32) error {
	if h.entriesLBA < 1 || h.entriesLBA > (v.Size()-h.entriesBytes())/sectorSize {
		return fmt.Errorf("the entries at block %d leave the disk", h.entriesLBA)
	}
	h.entries = make([]byte, h.entriesBytes())
	if err := readFull(v, h.entries, h.entriesLBA*sectorSize); err != nil {
		return fmt.Errorf("the entries: %w", err)
	}
	if crc32.ChecksumIEEE(h.entries) != sum {
		return errors.New("wrong checksum of the entries")
	}
	return nil
}

package ptable

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"math"
	"strings"
	"unicode/utf16"
)

const (
	gptMagic = "EFI PART"

	maxEntrySize = 4096
)

// gptHeader is little endian: 0 signature, 8 revision, 12 header size,
// 16 its CRC32, 24 own LBA, 32 the other header's, 40 first usable, 48 last
// usable, 56 disk GUID, 72 entries' LBA, 80 their number, 84 their size,
// 88 their CRC32.
type gptHeader struct {
	own, other, firstUsable, lastUsable uint64
	id                                  string
	entriesLBA                          uint64
	count, entrySize, crc               uint32
	entries                             []byte
}

// gpt reads the table; nil where the disk has none: neither header has the
// signature, and the MBR holds no protective entry.
func (d disk) gpt(mbr []byte) (*Table, error) {
	protective := false
	if signed(mbr) {
		for _, e := range mbrEntriesOf(mbr) {
			protective = protective || e.kind == "ee"
		}
	}
	for _, ss := range []int64{512, 4096} {
		t, err := d.gptOf(ss, protective)
		if t != nil || err != nil {
			return t, err
		}
	}
	if !protective {
		return nil, nil
	}
	t := &Table{Kind: GPT}
	t.broken("the MBR announces a GPT, but neither its header nor the backup is there")
	return t, nil
}

// gptOf looks for a table that counts in sectors of ss bytes.
func (d disk) gptOf(ss int64, protective bool) (*Table, error) {
	t := &Table{Kind: GPT, SectorSize: ss}
	last := uint64(d.size/ss) - 1
	if d.size < 3*ss {
		return nil, nil
	}
	primary, there, why, err := d.gptHeader(1, ss)
	if err != nil {
		return nil, err
	}
	// A sound primary header says where the backup is, which is not the last
	// sector where an image had to be made longer.
	at := last
	if primary != nil && primary.other < last && primary.other > 1 {
		at = primary.other
	}
	backup, backupThere, backupWhy, err := d.gptHeader(at, ss)
	if err != nil {
		return nil, err
	}
	// The backup alone is only believed with the MBR: an old one may be left on
	// a disk that has a new MBR.
	if !there && !(backupThere && protective) {
		return nil, nil
	}
	if !protective {
		t.broken("no protective entry in the MBR")
	}
	if primary == nil {
		t.broken("the header in sector 1: %s", why)
	}
	if backup == nil {
		t.broken("the backup header in sector %d: %s", at, backupWhy)
	} else if at != last {
		t.Odd = append(t.Odd, fmt.Sprintf("the backup header is in sector %d, the disk's last one is %d", at, last))
	}
	use := primary
	if use == nil {
		use = backup
	}
	if use == nil {
		return t, nil
	}
	if primary != nil && backup != nil {
		t.same(primary, backup)
	}
	t.ID = use.id
	t.gptEntries(use, ss)
	t.check(d.size)
	return t, nil
}

// gptHeader reads one header and its entries; nil with the reason where it is
// not sound. there says whether it has the signature at all.
func (d disk) gptHeader(lba uint64, ss int64) (h *gptHeader, there bool, why string, err error) {
	b, err := d.sector(int64(lba)*ss, ss)
	if err != nil {
		return nil, false, "", err
	}
	if b == nil || string(b[:8]) != gptMagic {
		return nil, false, "the signature is missing", nil
	}
	le := binary.LittleEndian
	size := le.Uint32(b[12:])
	if size < 92 || int64(size) > ss {
		return nil, true, fmt.Sprintf("a header of %d bytes", size), nil
	}
	want := le.Uint32(b[16:])
	sum := bytes.Clone(b[:size])
	clear(sum[16:20])
	if got := crc32.ChecksumIEEE(sum); got != want {
		return nil, true, fmt.Sprintf("CRC %08x, the bytes give %08x", want, got), nil
	}
	h = &gptHeader{
		own: le.Uint64(b[24:]), other: le.Uint64(b[32:]), firstUsable: le.Uint64(b[40:]), lastUsable: le.Uint64(b[48:]),
		id: guid(b[56:72]), entriesLBA: le.Uint64(b[72:]), count: le.Uint32(b[80:]), entrySize: le.Uint32(b[84:]), crc: le.Uint32(b[88:]),
	}
	if h.own != lba {
		return nil, true, fmt.Sprintf("it says that it is in sector %d", h.own), nil
	}
	if h.entrySize < 128 || h.entrySize%8 != 0 || h.entrySize > maxEntrySize || h.count == 0 || h.count > maxSlots {
		return nil, true, fmt.Sprintf("%d entries of %d bytes", h.count, h.entrySize), nil
	}
	if h.entriesLBA > uint64(math.MaxInt64/ss) {
		return nil, true, fmt.Sprintf("entries in sector %d", h.entriesLBA), nil
	}
	h.entries, err = d.sector(int64(h.entriesLBA)*ss, int64(h.count)*int64(h.entrySize))
	if err != nil {
		return nil, true, "", err
	}
	if h.entries == nil {
		return nil, true, fmt.Sprintf("entries in sector %d, outside of the disk", h.entriesLBA), nil
	}
	if got := crc32.ChecksumIEEE(h.entries); got != h.crc {
		return nil, true, fmt.Sprintf("CRC of the entries %08x, the bytes give %08x", h.crc, got), nil
	}
	return h, true, "", nil
}

// same checks that the two headers say the same.
func (t *Table) same(a, b *gptHeader) {
	if a.other != b.own || b.other != a.own {
		t.broken("the headers do not refer to one another (%d and %d)", a.other, b.other)
	}
	if a.id != b.id || a.firstUsable != b.firstUsable || a.lastUsable != b.lastUsable || a.count != b.count || a.entrySize != b.entrySize {
		t.broken("the backup header says something else than the header")
	}
	if !bytes.Equal(a.entries, b.entries) {
		t.broken("the backup entries are not those of the first table")
	}
}

// gptEntries reads the partitions: 0 type GUID, 16 own GUID, 32 first LBA,
// 40 last LBA (included), 48 attributes, 56 name of 36 UTF-16 units.
func (t *Table) gptEntries(h *gptHeader, ss int64) {
	le := binary.LittleEndian
	for i := range int(h.count) {
		e := h.entries[i*int(h.entrySize):]
		if bytes.Equal(e[:16], make([]byte, 16)) {
			continue
		}
		first, last := le.Uint64(e[32:]), le.Uint64(e[40:])
		if first > last || last >= uint64(math.MaxInt64/ss) {
			t.broken("partition %d: sectors %d to %d", i+1, first, last)
			continue
		}
		if first < h.firstUsable || last > h.lastUsable {
			t.broken("partition %d: sectors %d to %d are not among the usable ones (%d to %d)", i+1, first, last, h.firstUsable, h.lastUsable)
		}
		units := make([]uint16, 0, 36)
		for j := 56; j < 128; j += 2 {
			u := le.Uint16(e[j:])
			if u == 0 {
				break
			}
			units = append(units, u)
		}
		t.Partitions = append(t.Partitions, Partition{
			Number: i + 1, Start: int64(first) * ss, Size: int64(last-first+1) * ss,
			Type: guid(e[:16]), ID: guid(e[16:32]), Flags: le.Uint64(e[48:]), Name: string(utf16.Decode(units)),
		})
	}
}

// guid is the usual text of a GUID, whose first three groups are stored little
// endian.
func guid(b []byte) string {
	o := []byte{b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6]}
	o = append(o, b[8:16]...)
	s := strings.ToUpper(hex.EncodeToString(o))
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

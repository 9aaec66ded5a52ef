package ptable

import (
	"encoding/binary"
	"fmt"
	"unicode/utf16"
)

// A GPT entry (UEFI specification, table 5.6): type GUID at 0, partition GUID at
// 16, first LBA at 32, last LBA (inclusive) at 40, attributes at 48, name in 36
// UTF-16 units at 56. A type GUID of zeros is an unused entry.
const (
	entryNameOff = 56
	entryNameEnd = 128
	// linuxEntrySize is the only size that the kernel and libblkid read.
	linuxEntrySize = 128
	// attrBoot is the attribute "legacy BIOS bootable".
	attrBoot = 1 << 2
	// maxBlock bounds block numbers, so that sums of them in bytes fit an int64;
	// it is far beyond any disk, so the bounds checks reject it.
	maxBlock = 1 << 49
)

const noGUID = "00000000-0000-0000-0000-000000000000"

// gptPartitions is the partitions that a sound header names.
func (t *Table) gptPartitions(h *header) []Partition {
	out := []Partition{}
	le := binary.LittleEndian
	for i := range h.count {
		e := h.entries[i*h.entrySize:][:entryNameEnd]
		kind := guid(e)
		if kind == noGUID {
			continue
		}
		first, last := int64(min(le.Uint64(e[32:]), maxBlock)), int64(min(le.Uint64(e[40:]), maxBlock))
		if last < first {
			if last+1 < first {
				t.broken("partition %d ends (block %d) before it begins (%d)", i+1, last, first)
			}
			continue
		}
		attrs := le.Uint64(e[48:])
		out = append(out, Partition{
			Number:   int(i + 1),
			Start:    first * t.SectorSize,
			Size:     (last - first + 1) * t.SectorSize,
			Type:     kind,
			TypeName: gptTypes[kind],
			UUID:     guid(e[16:]),
			Name:     utf16Name(e[entryNameOff:entryNameEnd]),
			Bootable: attrs&attrBoot != 0,
			Attrs:    attrs,
		})
	}
	return out
}

// checkEntries notes what is odd about the partitions of h, which are t's.
func (t *Table) checkEntries(h *header) {
	if h.entrySize != linuxEntrySize {
		t.broken("the entries have %d bytes; Linux reads only tables whose entries have %d", h.entrySize, linuxEntrySize)
	}
	seen := map[string]int{}
	for _, p := range t.Partitions {
		if first, last := p.Start/t.SectorSize, p.end()/t.SectorSize-1; first < h.firstUsable || last > h.lastUsable {
			t.problem("partition %d (blocks %d to %d) lies outside of the space for partitions (%d to %d); Linux uses it, other tools ignore it", p.Number, first, last, h.firstUsable, h.lastUsable)
		}
		if p.Number > maxNumber {
			t.problem("partition %d: Linux has no device for numbers above %d", p.Number, maxNumber)
		}
		if other := seen[p.UUID]; other != 0 {
			t.problem("partitions %d and %d have the same UUID %s", other, p.Number, p.UUID)
		}
		seen[p.UUID] = p.Number
	}
}

// checkProtective judges the MBR before a GPT.
func (t *Table) checkProtective(b boot, g *gpt) {
	valid := false
	for i, e := range b.entries {
		switch {
		case e.kind == kindProtective:
			valid = valid || e.start == 1
			if want := min(g.last, 1<<32-1); e.start == 1 && e.sectors != want && e.sectors != 1<<32-1 && g.primary.alternate == g.last {
				t.problem("the protective MBR covers %d blocks and not %d; that is harmless, and sgdisk -e corrects it", e.sectors, want)
			}
		case e.kind != 0 && e.sectors > 0 && b.magic:
			p := t.mbrPartition(i+1, 0, e)
			p.UUID = ""
			t.MBREntries = append(t.MBREntries, p)
		}
	}
	if b.protective() && !valid {
		t.broken("the protective entry of the MBR does not begin at block 1, so Linux does not see the GPT")
	}
	if !b.protective() || len(t.MBREntries) == 0 {
		return
	}
	t.Kind = KindHybrid
	t.problem("a hybrid MBR: the MBR names %d partitions beside the GPT's. Linux uses the GPT; the MBR is used by BIOS boot loaders and other systems", len(t.MBREntries))
	for _, e := range t.MBREntries {
		for _, p := range t.Partitions {
			same := e.Start == p.Start && e.Size == p.Size
			if !same && e.Start < p.end() && p.Start < e.end() {
				t.broken("entry %d of the hybrid MBR (bytes %d to %d) overlaps GPT partition %d (%d to %d) without being the same", e.Number, e.Start, e.end(), p.Number, p.Start, p.end())
			}
		}
	}
}

// guid prints 16 bytes as UEFI means them: the first three fields are
// little-endian (UEFI specification, appendix A).
func guid(b []byte) string {
	le := binary.LittleEndian
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", le.Uint32(b), le.Uint16(b[4:]), le.Uint16(b[6:]), b[8:10], b[10:16])
}

// utf16Name decodes a name up to its first zero unit.
func utf16Name(b []byte) string {
	var units []uint16
	for i := 0; i+1 < len(b); i += 2 {
		u := binary.LittleEndian.Uint16(b[i:])
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	return string(utf16.Decode(units))
}

package ptable

import (
	"fmt"
	"slices"

	"migimg/blockmap"
)

// sizes are the sector sizes that a table may be written for, likeliest first.
func (t *Table) sizes() []int64 {
	switch t.DeviceSectorSize {
	case 0, 512:
		return []int64{512, 4096}
	case 4096:
		return []int64{4096, 512}
	}
	return []int64{t.DeviceSectorSize, 512, 4096}
}

// gpt is the headers for one sector size; either may be unsound.
type gpt struct {
	sectorSize      int64
	last            int64 // the disk's last block
	primary, backup *header
}

// used is the header that counts: the primary one, if it is sound.
func (g *gpt) used() *header {
	if g.primary.ok() {
		return g.primary
	}
	return g.backup
}

// findGPT returns the first sector size's GPT whose primary header verifies, or
// nil. It is for disks whose MBR does not announce one.
func (t *Table) findGPT(v blockmap.Volume) (*gpt, error) {
	for _, s := range t.sizes() {
		h := readHeader(v, s, 1)
		if err := ioError(h.bad); err != nil {
			return nil, err
		}
		if h.ok() {
			return newGPT(v, s, h), nil
		}
	}
	return nil, nil
}

// newGPT finds the backup of a primary header: where that one says, if it is
// sound, else in the disk's last block.
func newGPT(v blockmap.Volume, sectorSize int64, primary *header) *gpt {
	g := &gpt{sectorSize: sectorSize, last: v.Size()/sectorSize - 1, primary: primary}
	switch {
	case !primary.ok():
		g.backup = readHeader(v, sectorSize, g.last)
	case primary.alternate <= 1:
		g.backup = &header{lba: primary.alternate, bad: fmt.Errorf("the primary header says that it lies in block %d", primary.alternate)}
	default:
		g.backup = readHeader(v, sectorSize, primary.alternate)
	}
	return g
}

// readGPT fills t from the GPT that a protective MBR announces.
func (t *Table) readGPT(v blockmap.Volume, b boot) error {
	t.Kind = KindGPT
	var all, primaries, backups []*gpt
	for _, s := range t.sizes() {
		g := newGPT(v, s, readHeader(v, s, 1))
		all = append(all, g)
		switch {
		case g.primary.ok():
			primaries = append(primaries, g)
		case g.backup.ok():
			backups = append(backups, g)
		}
	}
	found := slices.Concat(primaries, backups)
	if len(found) == 0 {
		return t.noGPT(all)
	}
	g := found[0]
	if i := slices.IndexFunc(found, func(g *gpt) bool { return g.sectorSize == t.DeviceSectorSize }); i >= 0 {
		g = found[i]
	} else if t.DeviceSectorSize > 0 {
		t.broken("the GPT is written for sectors of %d bytes, but the device has sectors of %d, so Linux does not see the partitions; the disk was copied from a device of the other kind", g.sectorSize, t.DeviceSectorSize)
	}
	if len(primaries) > 1 {
		t.problem("there are two GPTs, one for sectors of 512 bytes and one for 4096")
		if t.DeviceSectorSize == 0 {
			t.broken("there are two GPTs, one for sectors of 512 bytes and one for 4096, and nothing tells which is in use")
		}
	}
	t.useGPT(v, b, g)
	return nil
}

// noGPT is the end of a disk with a protective MBR but no sound header.
func (t *Table) noGPT(all []*gpt) error {
	g := all[0]
	for _, o := range all { // the one that is most likely meant
		if !g.primary.present && !g.backup.present && (o.primary.present || o.backup.present) {
			g = o
		}
	}
	t.SectorSize = g.sectorSize
	t.GPT = &Headers{PrimaryError: g.primary.bad.Error(), BackupError: g.backup.bad.Error(), LastLBA: g.last}
	for _, h := range []*header{g.primary, g.backup} {
		if err := ioError(h.bad); err != nil {
			return err
		}
	}
	t.broken("neither of the GPT headers is sound (primary: %v; backup: %v)", g.primary.bad, g.backup.bad)
	return nil
}

// useGPT fills t from g, one header of which is sound.
func (t *Table) useGPT(v blockmap.Volume, b boot, g *gpt) {
	h := g.used()
	t.Kind, t.SectorSize, t.ID = KindGPT, g.sectorSize, h.guid
	t.GPT = &Headers{
		PrimaryOK: g.primary.ok(), BackupOK: g.backup.ok(),
		FirstUsableLBA: h.firstUsable, LastUsableLBA: h.lastUsable,
		AlternateLBA: g.primary.alternate, LastLBA: g.last,
		EntriesLBA: h.entriesLBA, Entries: h.count, EntrySize: h.entrySize,
	}
	t.Partitions = t.gptPartitions(h)
	t.compare(v, g)
	t.own = g.ranges()
	t.checkRegion("the disk", blockmap.Range{Off: 0, Len: v.Size()}, t.Partitions, t.own)
	t.checkEntries(h)
	t.checkProtective(b, g)
}

// compare holds the two headers against each other.
func (t *Table) compare(v blockmap.Volume, g *gpt) {
	if !g.primary.ok() {
		t.GPT.PrimaryError = g.primary.bad.Error()
		t.problem("the primary GPT header does not verify (%v), its backup does; Linux finds no partitions until gdisk or sgdisk has repaired it", g.primary.bad)
		return
	}
	differ := func(h *header) bool {
		return h.guid != g.primary.guid || !slices.Equal((&Table{SectorSize: g.sectorSize}).gptPartitions(h), t.Partitions)
	}
	if !g.backup.ok() {
		t.GPT.BackupError = g.backup.bad.Error()
		t.problem("the backup GPT header in block %d does not verify (%v); sgdisk -e writes a new one", g.backup.lba, g.backup.bad)
	} else if differ(g.backup) {
		t.broken("the two GPT headers both verify, but their partitions differ: one of them is old; gdisk can keep the right one")
	} else if p, q := g.primary, g.backup; p.firstUsable != q.firstUsable || p.lastUsable != q.lastUsable || q.alternate != p.lba {
		t.problem("the two GPT headers name the same partitions, but differ in other fields; sgdisk -e makes them equal")
	}
	if g.primary.alternate == g.last {
		return
	}
	if g.primary.alternate < g.last {
		t.problem("the backup GPT header is not in the disk's last block (%d) but in block %d: the disk has grown; sgdisk -e moves it", g.last, g.primary.alternate)
	}
	if other := readHeader(v, g.sectorSize, g.last); other.ok() && differ(other) {
		if g.backup.ok() && other.guid != g.primary.guid {
			t.problem("the disk's last block holds the backup header of another GPT (%s), left over from earlier", other.guid)
		} else {
			t.broken("the disk's last block holds a sound GPT header that names other partitions than the first one: one of them is old; gdisk can keep the right one")
		}
	}
}

// ranges is where the sound parts of the table lie, and the blocks before them.
func (g *gpt) ranges() []blockmap.Range {
	out := []blockmap.Range{{Off: 0, Len: 2 * g.sectorSize}}
	for _, h := range []*header{g.primary, g.backup} {
		if h.ok() {
			out = append(out,
				blockmap.Range{Off: h.lba * g.sectorSize, Len: g.sectorSize},
				blockmap.Range{Off: h.entriesLBA * g.sectorSize, Len: h.entriesBytes()})
		}
	}
	return out
}

package f2fs

import (
	"context"
	"encoding/binary"

	"migimg/blockmap"
)

// An entry of the SIT (f2fs-tools, include/f2fs_fs.h, struct f2fs_sit_entry):
//
//	0     valid blocks in the lower 10 of 16 bits, the kind of log in the others
//	2     bitmap of the valid blocks, 64 bytes
//	66    when it was written, 64 bits
const (
	sitEntry    = 74
	sitPerBlock = blockSize / sitEntry
	sitKinds    = 6 // three of data, three of nodes
)

// sitBlocks is how many blocks of the SIT n segments take.
func sitBlocks(n int64) int64 { return (n + sitPerBlock - 1) / sitPerBlock }

// The summary block of the log of cold data has the journal of the SIT at 3584,
// behind the summaries: a number of entries, 16 bits, and the entries, each a
// segment's number, 32 bits, and its SIT entry. Where the summaries of the data
// logs are compact, the journal is 507 bytes into the first block of them,
// behind that of the NAT (f2fs-tools, fsck/mount.c, read_compacted_summaries).
const (
	journalInSummary = 3584
	journalCompact   = 507
	journalEntry     = 4 + sitEntry
	maxJournal       = (507 - 2) / journalEntry
	coldData         = 2 // among the data logs
)

// readJournal reads the entries that are newer than those in the SIT, by
// segment.
func (f *fsys) readJournal(c *checkpoint) (map[int64][]byte, error) {
	le := binary.LittleEndian
	// At a clean unmounting the summaries of all six logs end the pack, before
	// its last block.
	at, off := c.start+c.blocks()-1-2*logs+coldData, journalInSummary
	if c.flags()&flagCompact != 0 {
		at, off = c.start+c.u32(140), journalCompact
	}
	b := make([]byte, blockSize)
	if err := f.read(b, at, "journal of the SIT"); err != nil {
		return nil, err
	}
	n := int(le.Uint16(b[off:]))
	if n > maxJournal {
		return nil, damaged("journal of the SIT: %d entries", n)
	}
	j := make(map[int64][]byte, n)
	for i := range n {
		e := b[off+2+i*journalEntry:][:journalEntry]
		segment := int64(le.Uint32(e))
		if segment >= f.sb.segments || j[segment] != nil {
			return nil, damaged("journal of the SIT: segment %d of %d, or twice", segment, f.sb.segments)
		}
		j[segment] = e[4:]
	}
	return j, nil
}

// maxRead is how many blocks of each half of the SIT are read at once.
const maxRead = 256

// freeBlocks frees, segment after segment, the blocks that are not valid, and
// checks the counts at the end: then everything is taken back.
func (f *fsys) freeBlocks(ctx context.Context, c *checkpoint, j map[int64][]byte, s blockmap.Sink) error {
	t := &tally{c: c, e: emitter{sink: s}, main: f.sb.main}
	var half [2][]byte
	for i := range half {
		half[i] = make([]byte, maxRead*blockSize)
	}
	bitmap := c.sitBitmap(f.sb)
	all := sitBlocks(f.sb.segments)
	for at := int64(0); at < all; at += maxRead {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(maxRead, all-at)
		for h := range int64(2) {
			from, to := wanted(bitmap, at, n, h == 1)
			if err := f.read(half[h][from*blockSize:to*blockSize], f.sb.sit+h*f.sb.sitHalf+at+from, "SIT"); err != nil {
				return err
			}
		}
		for k := range n {
			b := half[0]
			if bit(bitmap, at+k) {
				b = half[1]
			}
			first := (at + k) * sitPerBlock
			for i := range min(sitPerBlock, f.sb.segments-first) {
				e, ok := j[first+i]
				if !ok {
					e = b[k*blockSize+i*sitEntry:][:sitEntry]
				}
				if err := t.segment(first+i, e); err != nil {
					return err
				}
			}
		}
	}
	if err := t.check(); err != nil {
		return err
	}
	return t.e.flush()
}

// wanted is the part of blocks [at, at+n) of the SIT that has to be read of one
// half, counted from at.
func wanted(bitmap []byte, at, n int64, second bool) (from, to int64) {
	for from < n && bit(bitmap, at+from) != second {
		from++
	}
	for to = n; to > from && bit(bitmap, at+to-1) != second; to-- {
	}
	return from, to
}

// tally counts what the SIT says.
type tally struct {
	c     *checkpoint
	e     emitter
	main  int64 // first block of the main area
	valid int64 // blocks
	nodes int64 // of them
	free  int64 // segments
}

// segment frees what is not valid in one.
func (t *tally) segment(n int64, e []byte) error {
	word := binary.LittleEndian.Uint16(e)
	valid, kind, m := int64(word&0x3ff), word>>10, e[2:66]
	if ones(m) != valid {
		return damaged("SIT: segment %d has %d valid blocks, and says %d", n, ones(m), valid)
	}
	if kind >= sitKinds {
		return damaged("SIT: segment %d is of kind %d", n, kind)
	}
	t.valid += valid
	if kind >= logs {
		t.nodes += valid
	}
	if valid == 0 && !t.c.isCurrent(n) {
		t.free++
	}
	start := t.main + n*segmentBlocks
	for i := int64(0); i < segmentBlocks; {
		if m[i/8] == 0xff {
			i += 8 - i%8
			continue
		}
		if bit(m, i) {
			i++
			continue
		}
		k := i + 1
		for k < segmentBlocks && !bit(m, k) {
			k++
		}
		if err := t.e.free(start+i, start+k); err != nil {
			return err
		}
		i = k
	}
	return nil
}

// check compares the counts with the checkpoint's as the kernel does when it
// mounts (fs/f2fs/segment.c, build_sit_entries), and the free segments as
// fsck.f2fs does. Blocks that are promised to files but not written yet count
// as valid in the checkpoint.
func (t *tally) check() error {
	valid, nodes, free := int64(binary.LittleEndian.Uint64(t.c.b[16:])), t.c.u32(144), t.c.u32(32)
	if t.valid > valid || valid < 0 {
		return damaged("the SIT has %d valid blocks, the checkpoint %d", t.valid, valid)
	}
	if t.nodes != nodes {
		return damaged("the SIT has %d valid blocks of nodes, the checkpoint %d", t.nodes, nodes)
	}
	if t.free != free {
		return damaged("the SIT has %d free segments, the checkpoint %d", t.free, free)
	}
	return nil
}

// emitter joins runs of free blocks that touch.
type emitter struct {
	sink     blockmap.Sink
	from, to int64 // blocks; what may still grow
}

// free adds the blocks [from, to).
func (e *emitter) free(from, to int64) error {
	if from == e.to {
		e.to = to
		return nil
	}
	if err := e.flush(); err != nil {
		return err
	}
	e.from, e.to = from, to
	return nil
}

func (e *emitter) flush() error {
	from, to := e.from, e.to
	e.from, e.to = 0, 0
	if from == to {
		return nil
	}
	return e.sink.Free(from*blockSize, (to-from)*blockSize)
}

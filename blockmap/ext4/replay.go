package ext4

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
)

// copyOf is a block of the filesystem in the journal.
type copyOf struct {
	at       int64 // block of the journal
	sequence uint32
	checksum uint32
	escaped  bool
	tail     bool // its transaction has no commit block: it is not replayed
}

// log is what the journal would write into the filesystem.
type log struct {
	j       *journal
	copies  map[int64][]copyOf // by block of the filesystem, oldest first
	revoked map[int64]uint32   // by block, the last transaction that revoked it
	count   int
}

// maxCopies bounds the log's memory, which is some 130 bytes each. The largest
// journal that mke2fs makes unasked has 2^18 blocks.
const maxCopies = 1 << 20

// readLog walks the ring from its start and verifies all of it. What it cannot
// be sure of is an error: then the volume is carried whole.
func (j *journal) readLog() (*log, error) {
	l := &log{j: j, copies: map[int64][]copyOf{}, revoked: map[int64]uint32{}}
	known := uint32(journalRevoke | journal64Bit | journalCsumV2 | journalCsumV3)
	if bad := j.incompat &^ known; bad != 0 || j.compat != 0 || j.ro != 0 || j.incompat&(journalCsumV2|journalCsumV3) == journalCsumV2|journalCsumV3 {
		return nil, unsure("has features that are not understood (%#x, %#x, %#x)", j.compat, j.incompat, j.ro)
	}
	if j.start == 0 {
		return l, nil
	}
	var pending []tag // of the transaction being read
	var revokes []int64
	pos, sequence := j.start, j.sequence
	next := func(n int64) int64 {
		if n++; n == j.len {
			n = j.first
		}
		return n
	}
	for seen := int64(0); ; seen++ {
		b, err := j.block(pos)
		if err != nil {
			return nil, err
		}
		be := binary.BigEndian
		if be.Uint32(b) != journalMagic || be.Uint32(b[8:]) != sequence {
			break
		}
		if seen > j.len-j.first {
			return nil, unsure("has no end")
		}
		kind := be.Uint32(b[4:])
		at := pos
		pos = next(pos)
		switch kind {
		case blockDescriptor:
			if !j.tailSound(b) {
				return nil, unsure("block %d of it has a wrong checksum", at)
			}
			tags := j.tags(b)
			for i := range tags {
				tags[i].at, tags[i].sequence = pos, sequence
				pos = next(pos)
			}
			seen += int64(len(tags))
			pending = append(pending, tags...)
			if l.count += len(tags); l.count > maxCopies {
				return nil, unsure("has more than %d blocks", maxCopies)
			}
		case blockRevoke:
			if !j.tailSound(b) {
				return nil, unsure("block %d of it has a wrong checksum", at)
			}
			blocks, ok := j.revokes(b)
			if !ok {
				return nil, unsure("block %d of it is broken", at)
			}
			revokes = append(revokes, blocks...)
			if l.count += len(blocks); l.count > maxCopies {
				return nil, unsure("has more than %d blocks", maxCopies)
			}
		case blockCommit:
			if !j.commitSound(b) {
				return nil, unsure("block %d of it has a wrong checksum", at)
			}
			for _, t := range pending {
				l.copies[t.block] = append(l.copies[t.block], t.copyOf)
			}
			for _, n := range revokes {
				l.revoked[n] = sequence
			}
			pending, revokes = nil, nil
			sequence++
			continue
		default:
			return nil, unsure("block %d of it is of the unknown type %d", at, kind)
		}
		if seen > j.len-j.first {
			return nil, unsure("has no end")
		}
	}
	for _, t := range pending {
		t.tail = true
		l.copies[t.block] = append(l.copies[t.block], t.copyOf)
	}
	return l, l.verify()
}

// verify checks every block that will be replayed, in the journal's order.
func (l *log) verify() error {
	if !l.j.checksums() {
		return nil
	}
	all := make([]copyOf, 0, l.count)
	for block, copies := range l.copies {
		for _, c := range copies {
			if !c.tail && !l.isRevoked(block, c.sequence) {
				all = append(all, c)
			}
		}
	}
	slices.SortFunc(all, func(a, b copyOf) int { return cmp.Compare(a.at, b.at) })
	for _, c := range all {
		b, err := l.j.block(c.at)
		if err != nil {
			return err
		}
		if !l.j.copySound(b, c) {
			return unsure("block %d of it has a wrong checksum", c.at)
		}
	}
	l.j.chunk = nil
	return nil
}

// unsure is why a journal cannot be replayed in memory.
func unsure(format string, a ...any) error {
	return fmt.Errorf("ext4: the journal was not replayed, and "+format+": mount and unmount the filesystem once, or run e2fsck", a...)
}

// isRevoked says whether a copy of block from transaction sequence must not be
// replayed. Sequence numbers wrap.
func (l *log) isRevoked(block int64, sequence uint32) bool {
	r, ok := l.revoked[block]
	return ok && int32(r-sequence) >= 0
}

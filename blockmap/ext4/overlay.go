package ext4

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// content reads a copy of a block from the journal into p. It may be called
// concurrently.
func (l *log) content(p []byte, c copyOf) error {
	at, _ := l.j.file.at(c.at)
	if err := l.j.f.readHome(p, at, "journal"); err != nil {
		return err
	}
	if c.escaped {
		binary.BigEndian.PutUint32(p, journalMagic)
	}
	return nil
}

// replay overwrites p, the blocks of the filesystem from at on, with what the
// journal would write there.
func (l *log) replay(p []byte, at int64) error {
	size := l.j.f.sb.blockSize
	for i := range int64(len(p)) / size {
		copies := l.copies[at+i]
		for k := len(copies) - 1; k >= 0; k-- {
			if c := copies[k]; !c.tail && !l.isRevoked(at+i, c.sequence) {
				if err := l.content(p[i*size:][:size], c); err != nil {
					return err
				}
				break
			}
		}
	}
	return nil
}

// union ors into p, a bitmap that lies in block at, all that this block has
// been: on the disk and in every transaction of the journal, committed or not.
// So a cluster is free only if it was free at every moment that the journal
// knows of, and the map stays right even if the journal is replayed less far,
// or farther, than the last commit found here.
func (l *log) union(p []byte, at int64) error {
	copies := l.copies[at]
	if len(copies) == 0 {
		return nil
	}
	old := make([]byte, len(p))
	or := func() {
		for i := range p {
			p[i] |= old[i]
		}
	}
	if err := l.j.f.readHome(old, at, "block bitmap"); err != nil {
		return err
	}
	or()
	for _, c := range copies {
		if err := l.content(old, c); err != nil {
			return err
		}
		or()
	}
	return nil
}

// recovered reads the journal of a filesystem that needs it, and with it the
// superblock that the filesystem will have. From then on f reads what will be
// there after the replay. The answer is why it cannot be done, or nothing.
func (f *fsys) recovered(j *journal) (string, error) {
	l, err := j.readLog()
	if err != nil {
		return "", err
	}
	f.log = l
	s := f.sb
	b := make([]byte, s.blockSize)
	if err := f.read(b, s.superBlock(), "superblock"); err != nil {
		return "", err
	}
	off := superOffset - s.superBlock()*s.blockSize
	after := parseSuper(bytes.Clone(b[off : off+superSize]))
	if !looksLike(after.raw) {
		return "the journal was not replayed, and has no superblock in the superblock's place: run e2fsck", nil
	}
	if why := after.check(f.v.Size()); why != "" {
		return fmt.Sprintf("the journal was not replayed, and after that: %s", why), nil
	}
	const all = ^uint32(incompatRecover)
	if after.blocks != s.blocks || after.groups != s.groups || after.blockSize != s.blockSize || after.ratio != s.ratio ||
		after.blocksPerGroup != s.blocksPerGroup || after.inodesPerGroup != s.inodesPerGroup || after.inodeSize != s.inodeSize ||
		after.descSize != s.descSize || after.reservedGDT != s.reservedGDT || after.firstMeta != s.firstMeta || after.seed != s.seed ||
		after.compat != s.compat || after.incompat&all != s.incompat&all || after.journalInode != s.journalInode {
		return "the filesystem was being changed (resized, or its features) when it stopped: mount and unmount it once", nil
	}
	f.sb = after
	return "", nil
}

package fat

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"migimg/blockmap"
)

// Of a directory entry (specification, "FAT Directory Structure"):
//
//	0 name[11]   11 attributes (8 bits)   20 first cluster, upper half (16)
//	26 first cluster, lower half (16)
const (
	attrLabel = 0x08
	attrDir   = 0x10
	attrLong  = 0x0f // a piece of a long name
	attrMask  = 0x3f

	nameFree = 0xe5
)

// maxLabelClusters is how far libblkid looks into FAT32's root directory for
// the label (libblkid/src/superblocks/vfat.c).
const maxLabelClusters = 100

// label is the volume's, as blkid prints it: the first label in the root
// directory. The one in the boot sector is a copy that most tools forget.
func (f *fsys) label() (string, error) {
	if f.bits != 32 {
		b := make([]byte, f.rootEntries*dirEntry)
		if err := blockmap.ReadFull(f.v, b, f.rootStart()); err != nil {
			return "", fmt.Errorf("vfat: root directory at byte %d: %w", f.rootStart(), err)
		}
		label, _ := findLabel(b)
		return label, nil
	}
	b := make([]byte, f.cluster)
	chain := &links{f: f}
	for c, n := f.rootCluster, 0; f.valid(c) && n < maxLabelClusters; n++ {
		if err := blockmap.ReadFull(f.v, b, f.offset(c)); err != nil {
			return "", fmt.Errorf("vfat: root directory at byte %d: %w", f.offset(c), err)
		}
		if label, found := findLabel(b); found {
			return label, nil
		}
		var err error
		if c, err = chain.next(c); err != nil {
			return "", err
		}
	}
	return "", nil
}

// findLabel looks for the label in directory entries.
func findLabel(b []byte) (string, bool) {
	for ; len(b) >= dirEntry; b = b[dirEntry:] {
		if b[0] == 0 {
			return "", false
		}
		if b[0] == nameFree || b[11]&attrMask == attrLong || startOf(b, 32) != 0 {
			continue
		}
		if b[11]&(attrLabel|attrDir) == attrLabel {
			name, _, _ := bytes.Cut(b[:11], []byte{0})
			return strings.TrimRight(string(name), " \t\n"), true
		}
	}
	return "", false
}

// startOf is the first cluster that a directory entry names.
func startOf(e []byte, bits int) int64 {
	c := int64(binary.LittleEndian.Uint16(e[26:]))
	if bits == 32 {
		c |= int64(binary.LittleEndian.Uint16(e[20:])) << 16
	}
	return c
}

// links follows files through the table that is in use, and keeps the piece of
// it that it read last.
type links struct {
	f   *fsys
	buf []byte
	at  int64 // byte of the table at which buf begins
}

// linkBytes holds whole entries, of 12 bits as well.
const linkBytes = 3 << 12

// next is what the entry of cluster c says.
func (l *links) next(c int64) (int64, error) {
	f := l.f
	at := c * int64(f.bits) / 8 / linkBytes * linkBytes
	if l.buf == nil || at != l.at {
		l.buf, l.at = nil, at
		n := min(linkBytes, f.tableBytes()-at)
		buf := make([]byte, n+8)
		copyOff := int64(0)
		if f.flags&flagNoMirror != 0 {
			copyOff = f.flags & maskActive * f.fatSectors * f.sector
		}
		if err := blockmap.ReadFull(f.v, buf[:n], f.fatStart()+copyOff+at); err != nil {
			return 0, fmt.Errorf("vfat: FAT at byte %d: %w", f.fatStart()+copyOff+at, err)
		}
		l.buf = buf
	}
	return f.entry(l.buf, c-at*8/int64(f.bits)), nil
}

package xfs

import (
	"encoding/binary"
	"fmt"
	"math"
	"sort"

	"migimg/blockmap"
)

// A record of an extent is 128 bits, big-endian: 1 that says that the extent was
// not written yet, 54 of the block of the file, 52 of the block of the
// filesystem, 21 of length (kernel, libxfs/xfs_format.h, struct xfs_bmbt_rec).
const extentSize = 16

// extent is a run of a fork, in bytes.
type extent struct{ at, off, len int64 }

// extentList takes the records of one fork.
type extentList struct {
	f      *fsys
	list   []extent
	first  int    // of the fork, in list
	end    int64  // of the last, in bytes of the file
	blocks uint64 // of all
}

// add takes the records in b, and says what is wrong with them. Extents that were
// not written yet are the file's, too.
func (l *extentList) add(b []byte) string {
	be, s := binary.BigEndian, l.f.sb
	for ; len(b) >= extentSize; b = b[extentSize:] {
		hi, lo := be.Uint64(b), be.Uint64(b[8:])
		from, to := int64(hi<<1>>10), hi<<55>>12|lo>>21
		n := int64(lo & (1<<21 - 1))
		if n == 0 || from > math.MaxInt64/s.blockSize-n || from*s.blockSize < l.end {
			return fmt.Sprintf("impossible extent of %d blocks at %d of the file", n, from)
		}
		off, ok := l.f.blocksAt(to, n)
		if !ok {
			return fmt.Sprintf("impossible extent of %d blocks at block %#x", n, to)
		}
		x := extent{from * s.blockSize, off, n * s.blockSize}
		l.end = x.at + x.len
		l.blocks += uint64(n)
		if k := len(l.list) - 1; k >= l.first && l.list[k].at+l.list[k].len == x.at && l.list[k].off+l.list[k].len == x.off {
			l.list[k].len += x.len
			continue
		}
		l.list = append(l.list, x)
	}
	return ""
}

// blocksAt is the byte of the volume at which n blocks lie, from the block of
// that number on. They must lie in one group, behind its headers, and not in the
// log.
func (f *fsys) blocksAt(no uint64, n int64) (int64, bool) {
	s := f.sb
	shift := f.inodes.blockBits
	group, block := no>>shift, int64(no&(1<<shift-1))
	if group >= uint64(s.groups) || block < s.headerBlocks || n > s.groupLen(int64(group))-block {
		return 0, false
	}
	if g, at := s.logPlace(); g == int64(group) && block < at+s.logBlocks && at < block+n {
		return 0, false
	}
	return s.offset(int64(group), block), true
}

// taken is what is known to be no file's data, ascending. Neighbours are joined.
type taken []blockmap.Range

func (t taken) add(off, n int64) taken {
	if k := len(t) - 1; k >= 0 && t[k].End() == off {
		t[k].Len += n
		return t
	}
	return append(t, blockmap.Range{Off: off, Len: n})
}

// touches says that some of [off, off+n) is taken.
func (t taken) touches(off, n int64) bool {
	i := sort.Search(len(t), func(i int) bool { return t[i].End() > off })
	return i < len(t) && t[i].Off < off+n
}

// forkExtents appends the extents of an inode whose format is that of extents,
// and says what is wrong with them.
func (f *fsys) forkExtents(n inode, list []extent) ([]extent, string) {
	if n.nextents > uint64(len(n.fork)/extentSize) {
		return list, fmt.Sprintf("impossible number of extents %d", n.nextents)
	}
	l := extentList{f: f, list: list, first: len(list)}
	why := l.add(n.fork[:n.nextents*extentSize])
	if why == "" && l.blocks > n.blocks {
		why = fmt.Sprintf("extents of %d blocks, but it has %d", l.blocks, n.blocks)
	}
	if why != "" {
		return list, why
	}
	return l.list, ""
}

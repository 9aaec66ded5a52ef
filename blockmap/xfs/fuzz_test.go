package xfs

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
)

// edited is the filesystem with the edits: of each 4 bytes, 1 is the place, of
// those that are read, 2 are the byte there and 1 is its value. With seal, the
// checksums that stand in the way of the more interesting mistakes are made
// right again.
func edited(s *synth, edits []byte, seal bool) *synth {
	s = s.clone()
	places := [][]byte{s.block(0)[:512]}
	for g := range s.tree {
		places = append(places, s.agf(int64(g)), s.agfl(int64(g)))
		for i := range s.tree[g] {
			places = append(places, s.node(int64(g), i))
		}
	}
	for i := range int64(4) {
		places = append(places, s.logAt(i))
	}
	for _, x := range s.sums {
		places = append(places, s.block(x.no)[x.off:][:x.n])
	}
	for ; len(edits) >= 4; edits = edits[4:] {
		p := places[int(edits[0])%len(places)]
		p[int(binary.LittleEndian.Uint16(edits[1:]))%len(p)] = edits[3]
	}
	if seal {
		s.seal()
	}
	return s
}

func FuzzScan(f *testing.F) {
	all := []*synth{deep(), flat(), old()}
	for i := range all {
		k := uint8(i)
		f.Add(k, true, []byte{})
		f.Add(k, true, []byte{0, 88, 0, 1, 0, 11, 0, 9})     // groups, blocks
		f.Add(k, true, []byte{0, 7, 0, 0, 0, 6, 0, 4})       // block size
		f.Add(k, true, []byte{0, 120, 0, 10, 0, 124, 0, 14}) // logarithms
		f.Add(k, true, []byte{0, 55, 0, 9, 0, 99, 0, 9})     // log
		f.Add(k, true, []byte{1, 31, 0, 2, 1, 19, 0, 77})    // levels, root
		f.Add(k, true, []byte{1, 43, 0, 4, 1, 51, 0, 115})   // AGFL
		f.Add(k, true, []byte{3, 6, 0, 1, 3, 7, 0, 0xff})    // records
		f.Add(k, false, []byte{3, 63, 0, 1, 4, 66, 0, 0xff}) // extents
		f.Add(k, false, []byte{255, 3, 0, 1, 254, 0, 0, 1})  // laps
		f.Add(k, true, []byte{0, 219, 0, 7, 0, 103, 0, 0})
	}
	f.Fuzz(func(t *testing.T, which uint8, seal bool, edits []byte) {
		s := edited(all[int(which)%len(all)], edits, seal)
		var l lister
		_, _ = Scanner{Still: true}.Scan(context.Background(), s.volume(), &l)
		at := int64(1)
		for _, r := range l.free {
			if r.Off < at || r.Len <= 0 || r.Len > s.size()-r.Off {
				t.Fatalf("%v is freed behind %d, in %d bytes", r, at, s.size())
			}
			at = r.End()
		}
		if seal && len(edits) == 0 && !slices.Equal(l.free, s.free) {
			t.Fatal("another map")
		}
	})
}

// FuzzFrozen is for what is read of a frozen filesystem besides, where on a moving
// one anything may be found.
func FuzzFrozen(f *testing.F) {
	all := []*synth{deep().withFiles(), flat().withFiles(), old().withFiles()}
	for i, s := range all {
		k, places := uint8(i), uint8(len(s.tree)*2+1+4)
		for _, tree := range s.tree {
			places += uint8(len(tree))
		}
		f.Add(k, true, []byte{})
		for x := range uint8(len(s.sums)) {
			for _, off := range []byte{5, 63, 67, 79, 82, 83, 101, 103, 177, 179, 187, 199} {
				f.Add(k, true, []byte{places + x, off, 0, 3})
			}
			f.Add(k, false, []byte{places + x, 7, 0, 255, places + x, 73, 0, 255})
		}
		f.Add(k, true, []byte{0, 123, 0, 9, 0, 105, 0, 1, 0, 192, 0, 4})
		f.Add(k, true, []byte{0, 63, 0, 1, 0, 124, 0, 3})
	}
	f.Fuzz(func(t *testing.T, which uint8, seal bool, edits []byte) {
		s := edited(all[int(which)%len(all)], edits, seal)
		n := boundsSink{size: s.size()}
		_, err := Scanner{Frozen: true}.Scan(context.Background(), s.volume(), &n)
		if n.bad != "" || err != nil && strings.Contains(err.Error(), "crashed") {
			t.Fatal(n.bad, err)
		}
		var ids []blockmap.FileID
		for i := range int64(9) {
			ids = append(ids, blockmap.FileID{Inode: uint64(s.ino(i))})
		}
		names, err := Scanner{}.Paths(context.Background(), s.volume(), ids)
		if seal && len(edits) == 0 && (err != nil || len(names) != 5 || n.data != 6) {
			t.Fatal(n.data, names, err)
		}
		for _, name := range names {
			if !strings.HasPrefix(name, "/") {
				t.Fatal(names)
			}
		}
	})
}

// boundsSink counts extents, and says what is wrong with one.
type boundsSink struct {
	lister
	size int64
	data int
	bad  string
}

func (b *boundsSink) Data(off, n int64, file blockmap.FileID, at int64) error {
	if off <= 0 || n <= 0 || n > b.size-off || at < 0 || at > math.MaxInt64-n {
		b.bad = fmt.Sprintf("[%d, +%d) is data at %d of %v, in %d bytes", off, n, at, file, b.size)
	}
	b.data++
	return nil
}

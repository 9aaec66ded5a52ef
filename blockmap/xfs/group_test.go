package xfs

import (
	"testing"
)

func TestAGF(t *testing.T) {
	agf := func(off int, v uint32) func(*synth) {
		return func(s *synth) { put32(s.agf(1), off, v) }
	}
	damages := []damage{
		{"magic", agf(0, 0), "AG 1: AGF: no magic"},
		{"version", agf(4, 2), "no magic"},
		{"number", agf(8, 2), "that of AG 2"},
		{"length", agf(12, 4095), "4095 blocks, must have 4096"},
		{"short last group", func(s *synth) { put32(s.agf(2), 12, 4096) }, "4096 blocks, must have 1200"},
		{"free blocks", agf(52, 1), "counts"},
		{"one free block less", func(s *synth) { put32(s.agf(1), 52, get32(s.agf(1), 52)-1) }, "the bnobt has"},
		{"longest", agf(56, 4), "the bnobt has"},
		{"more than all", agf(52, 4097), "counts"},
		{"no levels", agf(28, 0), "levels"},
		{"2^31 levels", agf(28, 1<<31), "levels"},
		{"two levels", agf(28, 2), "level"},
		{"five levels", agf(28, 5), "level"},
		{"root in the headers", agf(16, 0), "root"},
		{"root behind the group", agf(16, 4096), "root"},
		{"root of the other tree", agf(20, 5000), "root"},
		{"root is another tree's", func(s *synth) { put32(s.agf(1), 20, get32(s.agf(1), 16)) }, "two uses"},
		{"root of the other tree is free", agf(20, synthFirst), "free and in use"},
		{"root of the reflink tree is free", agf(88, synthFirst), "free and in use"},
		{"root of the reflink tree", agf(88, 1<<31), "root"},
		{"trees' blocks", agf(60, 8), "counts"},
		{"list from", agf(40, 119), "impossible list"},
		{"list to", agf(44, 1<<31), "impossible list"},
		{"list of more", agf(48, 120), "impossible list"},
		{"list of one less", agf(48, synthAGFL-1), "4 blocks from 0 to 3"},
		{"list of none", agf(48, 0), "counts"},
	}
	mustRefuse(t, deep(), true, append(damages,
		damage{"UUID", func(s *synth) { s.agf(1)[64]++ }, "another filesystem"}))
	mustRefuse(t, deep(), false, []damage{{"checksum", agf(60, 8), "checksum"}})
}

func TestAGFL(t *testing.T) {
	agfl := func(off int, v uint32) func(*synth) {
		return func(s *synth) { put32(s.agfl(1), off, v) }
	}
	mustRefuse(t, deep(), true, []damage{
		{"magic", agfl(0, 0), "AG 1: AGFL: no magic"},
		{"number", agfl(4, 0), "that of AG 0"},
		{"UUID", agfl(8, 0), "another filesystem"},
		{"block in the headers", agfl(agflHeader, 0), "impossible block"},
		{"no block", agfl(agflHeader, 1<<32-1), "impossible block"},
		{"block twice", agfl(agflHeader, 4), "two uses"},
		{"free block", agfl(agflHeader, synthFirst+4), "free and in use"},
		{"block of the tree", agfl(agflHeader, synthFirst-1), "two uses"},
	})
	mustRefuse(t, deep(), false, []damage{{"checksum", agfl(100, 1), "checksum"}})
	wrapped := deep()
	agf, l := wrapped.agf(0), wrapped.agfl(0)[agflHeader:]
	put32(agf, 40, 118)
	put32(agf, 44, 2)
	put32(l, 118*4, get32(l, 12))
	put32(l, 12, 0)
	wrapped.seal()
	if _, _, why := scan(wrapped); why != "" {
		t.Errorf("a list that goes round: %s", why)
	}
}

func TestTree(t *testing.T) {
	root := func(off int, v uint32) func(*synth) {
		return func(s *synth) { put32(s.node(1, 0), off, v) }
	}
	leaf := func(i int, f func(b []byte)) func(*synth) {
		return func(s *synth) { f(s.leaf(1, i)) }
	}
	pointers := headerV5 + (4096-headerV5)/12*8
	rec := func(i, k, field int, v uint32) func(*synth) {
		return leaf(i, func(b []byte) { put32(b, headerV5+8*k+4*field, v) })
	}
	mustRefuse(t, deep(), true, []damage{
		{"magic", root(0, 0), "AG 1: bnobt block"},
		{"magic of version 4", func(s *synth) { copy(s.node(1, 0), bnobt.magicV4) }, "no magic"},
		{"level", func(s *synth) { put16(s.node(1, 0), 4, 1) }, "level 1, must be of 3"},
		{"sibling of the root", root(8, 7), "siblings"},
		{"no pointers", func(s *synth) { put16(s.node(1, 0), 6, 0) }, "number of records 0"},
		{"too many pointers", func(s *synth) { put16(s.node(1, 0), 6, 337) }, "number of records 337"},
		{"pointer to itself", func(s *synth) { put32(s.node(1, 0), pointers, uint32(s.tree[1][0])) }, "level 3, must be of 2"},
		{"the same pointer twice", func(s *synth) { put32(s.node(1, 0), pointers+4, get32(s.node(1, 0), pointers)) }, "siblings"},
		{"pointer to the headers", root(pointers, 0), "pointer"},
		{"pointer behind the group", root(pointers, 4096), "pointer"},
		{"keys out of order", root(headerV5+8, 100), "in order"},
		{"key", root(headerV5, synthFirst-1), "first key"},
		{"place", leaf(1, func(b []byte) { put64(b, 16, 99) }), "sector 99"},
		{"UUID", leaf(1, func(b []byte) { b[40]++ }), "another filesystem"},
		{"owner", leaf(1, func(b []byte) { put32(b, 48, 0) }), "that of AG 0"},
		{"level of a leaf", leaf(1, func(b []byte) { put16(b, 4, 1) }), "level 1, must be of 0"},
		{"left sibling", leaf(1, func(b []byte) { put32(b, 8, noSibling) }), "siblings"},
		{"right sibling", leaf(24, func(b []byte) { put32(b, 12, 150) }), "siblings"},
		{"empty leaf", leaf(1, func(b []byte) { put16(b, 6, 0) }), "number of records 0"},
		{"too many records", leaf(1, func(b []byte) { put16(b, 6, 506) }), "number of records 506"},
		{"a record less", leaf(1, func(b []byte) { put16(b, 6, 3) }), "the bnobt has"},
		{"first record", rec(1, 0, 0, synthFirst+15), "first key"},
		{"record before the one before", rec(1, 2, 0, synthFirst), "free extent"},
		{"record twice", rec(1, 2, 0, synthFirst+4*5), "free extent"},
		{"record of nothing", rec(1, 2, 1, 0), "free extent of 0"},
		{"record into the next", rec(1, 2, 1, 5), "free extent"},
		{"record behind the group", rec(24, 3, 1, 4096), "free extent"},
		{"record of 2^32-1 blocks", rec(24, 3, 1, 1<<32-1), "free extent"},
		{"record in the headers", func(s *synth) {
			for _, b := range [][]byte{s.node(1, 0), s.node(1, 1), s.node(1, 3), s.leaf(1, 0)} {
				put32(b, headerV5, 0)
			}
		}, "free extent"},
		{"record with the tree in it", func(s *synth) {
			for _, b := range [][]byte{s.node(1, 0), s.node(1, 1), s.node(1, 3), s.leaf(1, 0)} {
				put32(b, headerV5, synthFirst-1)
			}
		}, "free and in use"},
		{"record in the log", func(s *synth) {
			put32(s.leaf(0, 24), headerV5+3*8, uint32(s.logStart()+1))
		}, "in the log"},
	})
	mustRefuse(t, deep(), false, []damage{
		{"checksum", leaf(1, func(b []byte) { b[4095]++ }), "checksum"},
	})
	mustRefuse(t, old(), true, []damage{
		{"magic of version 5 in 4", func(s *synth) { copy(s.node(0, 0), bnobt.magicV5) }, "no magic"},
		{"level of version 4", func(s *synth) { put16(s.leaf(0, 1), 4, 3) }, "level"},
		{"record twice in version 4", func(s *synth) { put32(s.leaf(0, 1), headerV4+8, synthFirst+20) }, "free extent"},
	})
}

// A filesystem without a free block has a root without a record.
func TestFull(t *testing.T) {
	s := flat()
	put16(s.node(0, 0), 6, 0)
	put32(s.agf(0), 52, 0)
	put32(s.agf(0), 56, 0)
	put64(s.block(0), 144, synthAGFL+7)
	s.seal()
	if _, free, why := scan(s); why != "" || len(free) > 0 {
		t.Errorf("%s %v", why, free)
	}
}

package vhdx

import "migimg/verify/decoder"

// maxFile is the longest file whose space is looked at, 256 TiB: four times the
// largest disk (2.6.2.2). A MiB's number fits in 28 bits there.
const maxFile = 256 << 40

// space says which MiB of the file are taken. After the header section
// structures and free space may be in any order, but structures begin at a MiB
// and do not overlap (2.1).
type space struct {
	bits  []uint64 // one for each MiB, the last one may be incomplete
	mibs  int64    // in the file, the last one may be incomplete
	taken int64    // MiB
	end   int64    // the first byte after all that is taken
	named []named  // what is not a block
}

type named struct {
	extent
	name string
}

func newSpace(size int64) *space {
	n := (size + mib - 1) / mib
	return &space{bits: make([]uint64, (n+63)/64), mibs: n}
}

// mark takes an extent that begins at a MiB and answers whether all of it was
// free. What is after the file's end is left out.
func (s *space) mark(e extent) bool {
	free := true
	for m := e.off / mib; m < min((e.end()+mib-1)/mib, s.mibs); m++ {
		if s.bits[m/64]>>(m%64)&1 != 0 {
			free = false
			continue
		}
		s.bits[m/64] |= 1 << (m % 64)
		s.taken++
	}
	s.end = max(s.end, e.end())
	return free
}

// take marks what is not a block. fileOff is where the file says so.
func (s *space) take(e extent, name string, fileOff int64, ps *decoder.Problems) {
	if e.len == 0 {
		return
	}
	if !s.mark(e) {
		ps.Failf(fileOff, "vhdx: %s, bytes %d to %d, overlaps %s", name, e.off, e.end(), s.holder(e))
	}
	s.named = append(s.named, named{e, name})
}

// holder names what lies in an extent already.
func (s *space) holder(e extent) string {
	for _, n := range s.named {
		if n.off < e.end() && e.off < n.end() {
			return n.name
		}
	}
	return "another block"
}

package ext4

import (
	"cmp"
	"slices"
)

// run is the blocks [from, to).
type run struct{ from, to int64 }

// runs collects blocks; add joins what follows upon the last run.
type runs []run

func (r *runs) add(from, n int64) {
	if k := len(*r); k > 0 && (*r)[k-1].to == from {
		(*r)[k-1].to += n
		return
	}
	*r = append(*r, run{from, from + n})
}

// hasSuper says whether group g begins with a copy of the superblock, and so of
// the descriptor table (kernel, ext4_bg_has_super in fs/ext4/balloc.c).
func (s *superblock) hasSuper(g int64) bool {
	switch {
	case g == 0:
		return true
	case s.compat&compatSparseSuper2 != 0:
		return g == s.backupGroup(0) || g == s.backupGroup(1)
	case g == 1 || s.roCompat&roCompatSparseSuper == 0:
		return true
	}
	for _, base := range []int64{3, 5, 7} {
		n := base
		for n < g {
			n *= base
		}
		if n == g {
			return true
		}
	}
	return false
}

// static lists the blocks whose use follows from the superblock and the
// descriptors alone, ascending and joined, widened to whole clusters: boot
// block, superblocks, descriptor tables with their reserved blocks, bitmaps,
// inode tables, the MMP block. They are carried whatever a bitmap says, and
// they are what is used in a group whose bitmap was never written. All groups'
// metadata is in the list, for with flex_bg it lies in other groups. apart says
// that no inode table shares a block with anything else in the list.
func (t *table) static(extra runs) (list runs, apart bool) {
	s := t.sb
	all := runs{{0, s.superBlock() + 1}}
	meta := s.incompat&incompatMetaBG != 0
	for g := range s.groups {
		at := s.groupStart(g)
		if g == 0 {
			at = s.superBlock()
		}
		m := g / s.descPerBlock
		n := int64(0)
		switch {
		case !meta && s.hasSuper(g):
			n = 1 + s.descBl + s.reservedGDT
		case meta && m < s.firstMeta && s.hasSuper(g):
			n = 1 + s.firstMeta + s.reservedGDT
		case meta && m >= s.firstMeta:
			if s.hasSuper(g) {
				n++
			}
			if k := g % s.descPerBlock; k <= 1 || k == s.descPerBlock-1 {
				n++
			}
		}
		if n > 0 {
			all.add(at, min(n, s.blocks-at))
		}
	}
	var bitmaps, inodes, tables runs // apart, so that each joins under flex_bg
	for g := range s.groups {
		d := t.desc(g)
		bitmaps.add(d.blockBitmap(), 1)
		inodes.add(d.inodeBitmap(), 1)
		tables.add(d.inodeTable(), s.tableBlocks())
	}
	all = slices.Concat(all, bitmaps, inodes, extra)
	if s.mmpBlock > 0 && s.mmpBlock < s.blocks {
		all = append(all, run{s.mmpBlock, s.mmpBlock + 1})
	}
	all = all.clusters(s)
	list = slices.Concat(all, tables).clusters(s)
	return list, list.blocks() == all.blocks()+tables.blocks()
}

// blocks is how many blocks the runs have.
func (r runs) blocks() (n int64) {
	for _, x := range r {
		n += x.to - x.from
	}
	return n
}

// clusters widens the runs to whole clusters, and joins them.
func (all runs) clusters(s *superblock) runs {
	for i, r := range all {
		r.from = (r.from-s.firstData)/s.ratio*s.ratio + s.firstData
		r.to = min(s.blocks, ceil(r.to-s.firstData, s.ratio)*s.ratio+s.firstData)
		all[i] = run{max(0, r.from), r.to}
	}
	return all.joined()
}

// joined sorts the runs and joins what touches.
func (all runs) joined() runs {
	slices.SortFunc(all, func(a, b run) int { return cmp.Compare(a.from, b.from) })
	out := all[:0]
	for _, r := range all {
		if k := len(out); k > 0 && r.from <= out[k-1].to {
			out[k-1].to = max(out[k-1].to, r.to)
			continue
		}
		out = append(out, r)
	}
	return out
}

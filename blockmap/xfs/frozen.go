package xfs

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"migimg/blockmap"
)

var _ blockmap.FreezableScanner = Scanner{}

// WhenFrozen maps, too, and names the files' data. A freeze writes all metadata
// home, and then the superblock twice, so that the log covers no more than that:
// but it is not the log of an unmounted filesystem, on purpose, so that after a
// crash the files that were deleted while they were open are looked for (kernel,
// fs/xfs/xfs_super.c, xfs_fs_freeze; xfs_log.c, xfs_log_cover). So the log says
// nothing that matters here. It is carried.
func (Scanner) WhenFrozen() blockmap.Scanner { return Scanner{Frozen: true} }

// scanFrozen frees the extents in the free-space trees and names the files' data.
// It goes on where it found something wrong, and says so in the end: run before
// the freeze, that is what it does, and what it reads then need not be read in
// the freeze.
func (f *fsys) scanFrozen(ctx context.Context, s blockmap.Sink, r *blockmap.Report) error {
	var first error // what is wrong with the free space
	wrong := func(err error) {
		if first == nil {
			first = err
		}
	}
	var t totals
	d := &dataScan{f: f, sink: s}
	for at := int64(0); at < f.sb.groups; at += groupsAtOnce {
		groups, errs := f.openAll(ctx, at, min(groupsAtOnce, f.sb.groups-at))
		for i, g := range groups {
			if err := ctx.Err(); err != nil {
				return err
			}
			if errs[i] != nil {
				wrong(errs[i])
				continue
			}
			if err := f.freeGroup(ctx, g, s); err != nil {
				wrong(err)
			}
			t.add(g)
			d.group(ctx, g)
		}
	}
	if first == nil {
		first = t.checkFrozen(f.sb)
	}
	if err := d.run(ctx); err != nil {
		return err
	}
	r.Warnings = append(r.Warnings, d.warnings()...)
	return first
}

// openAll is openGroups, with an error for each group.
func (f *fsys) openAll(ctx context.Context, first, n int64) ([]*group, []error) {
	groups, errs := make([]*group, n), make([]error, n)
	wait, _ := reads(ctx)
	for i := range groups {
		wait.Go(func() error {
			groups[i], errs[i] = f.openGroup(first + int64(i))
			return nil
		})
	}
	_ = wait.Wait() // always nil
	return groups, errs
}

// checkFrozen is check for a filesystem that is mounted. Where the counters are
// lazy, what the superblock has is the kernel's count in memory, from which the
// blocks that it set aside are taken away: for the trees of each group to grow
// into, and for data that have no place yet (kernel, libxfs/xfs_sb.c, xfs_log_sb;
// libxfs/xfs_ag_resv.c). So it may count fewer free blocks, but not more.
func (t *totals) checkFrozen(s *superblock) error {
	if want := t.free + t.reserved + t.btree; s.lazy() && s.free >= 0 && s.free <= want {
		return nil
	}
	return t.check(s)
}

// settle sorts what was added in any order, and joins what touches.
func (t taken) settle() taken {
	slices.SortFunc(t, func(a, b blockmap.Range) int { return cmp.Compare(a.Off, b.Off) })
	joined := t[:0]
	for _, r := range t {
		if k := len(joined) - 1; k >= 0 && joined[k].End() >= r.Off {
			joined[k].Len = max(joined[k].Len, r.End()-joined[k].Off)
			continue
		}
		joined = append(joined, r)
	}
	return joined
}

// warnings are about what is wrong with inodes. Nothing of it is wrong in the
// image: what is not named is copied, with the metadata.
func (d *dataScan) warnings() (w []string) {
	for i, err := range d.badGroups {
		if i == 3 && len(d.badGroups) > 4 {
			w = append(w, fmt.Sprintf("the inodes of %d more allocation groups cannot be listed", len(d.badGroups)-i))
			break
		}
		w = append(w, fmt.Sprintf("%v: the group's inodes cannot be listed, so the data of its files are copied with the metadata", err))
	}
	if d.bad > 0 {
		w = append(w, fmt.Sprintf("%d inodes are damaged, so their files' data are copied with the metadata; one is %s: run xfs_repair", d.bad, d.badFirst))
	}
	return w
}

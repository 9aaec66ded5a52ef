package main

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"sort"
	"time"

	"migimg/blockmap"
	"migimg/blockmap/device/evidence"
)

// comparedFor is how long a comparison is good for: it looks at every file, and every
// stat(2) of the documents asks for it.
const comparedFor = 5 * time.Second

// compare is what moved where nobody tracks writes: files that the mounted filesystems do
// not show to be what they were at T0, all of their contents.
func (m *moment) compare(ctx context.Context, s *source) drift {
	m.comparing.Lock()
	defer m.comparing.Unlock()
	if m.compared != nil && time.Since(m.comparedAt) < comparedFor {
		return *m.compared
	}
	d := drift{T0: s.t0, State: "compared", Files: []driftFile{}}
	d.Detail = "files whose ctime and extents are those of T0 are exactly T0's, and the others listed: writes are not tracked: " + s.consistency.Untracked
	moved, err := m.changed(ctx, s)
	if err != nil {
		d.State, d.Detail = "unknown", fmt.Sprintf("writes are not tracked: %s; %v", s.consistency.Untracked, err)
	}
	files := map[fileKey]*driftFile{}
	for x := range moved {
		d.Bytes += x.Len
		if x.File == (blockmap.FileID{}) {
			d.NoFile += x.Len
			continue
		}
		note(x, files)
	}
	d.list(ctx, s, files)
	m.compared, m.comparedAt = &d, time.Now()
	return d
}

// changed yields what is carried of files that are not known to be what they were.
func (m *moment) changed(ctx context.Context, s *source) (iter.Seq[blockmap.FileExtent], error) {
	same := map[fileKey]bool{}
	for _, fl := range s.consistency.Filesystems {
		if fl.Level != levelPinned {
			return nothing, fmt.Errorf("%s is not pinned", or(fl.Point, fl.Device))
		}
		if fl.FSType == "btrfs" {
			return nothing, fmt.Errorf("%s: where a file lies is not to be seen on btrfs", fl.Point)
		}
		for v := range s.volumes.All() {
			if v.Name != fl.Volume {
				continue
			}
			err := evidence.Unchanged(ctx, fl.Point, m.since, lays(m.files, v, s.end), func(inode uint64) {
				same[fileKey{v.Name, blockmap.FileID{Inode: inode}}] = true
			})
			if err != nil {
				return nothing, err
			}
		}
	}
	return func(yield func(blockmap.FileExtent) bool) {
		for r := range s.carried(0, s.size) {
			for x := range m.files.In(r.Off, r.Len) {
				if !same[fileKey{x.Volume, x.File}] && !yield(x) {
					return
				}
			}
		}
	}, nil
}

func nothing(func(blockmap.FileExtent) bool) {}

// end is where the images' disk ends that has the byte off of the space.
func (s *source) end(off int64) int64 {
	d := s.diskAt(off)
	return d.at.Off + d.blocks.Size()
}

// lays returns where the contents of a volume's files lie on it, by inode. end is where
// what is looked at ends, by a place before it.
func lays(files *blockmap.Files, v *blockmap.VolumeInfo, end func(off int64) int64) func(inode uint64) []evidence.Extent {
	type lay struct {
		inode uint64
		evidence.Extent
	}
	var parts []blockmap.Range // of the device, by where they begin
	before := map[int64]int64{}
	at := int64(0)
	for r := range v.Device() {
		parts = append(parts, r)
		before[r.Off] = at
		at += r.Len
	}
	slices.SortFunc(parts, func(a, b blockmap.Range) int { return cmp.Compare(a.Off, b.Off) })
	var all []lay
	for _, p := range parts {
		for x := range files.In(p.Off, min(p.Len, end(p.Off)-p.Off)) {
			if x.Volume == v.Name {
				all = append(all, lay{x.File.Inode, evidence.Extent{At: x.At, Off: before[p.Off] + x.Off - p.Off, Len: x.Len}})
			}
		}
	}
	slices.SortFunc(all, func(a, b lay) int { return cmp.Or(cmp.Compare(a.inode, b.inode), cmp.Compare(a.At, b.At)) })
	return func(inode uint64) (out []evidence.Extent) {
		for i := sort.Search(len(all), func(i int) bool { return all[i].inode >= inode }); i < len(all) && all[i].inode == inode; i++ {
			out = append(out, all[i].Extent)
		}
		return out
	}
}

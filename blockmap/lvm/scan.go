// Package lvm follows the logical volumes of an LVM2 physical volume and frees
// the extents that none of them uses.
//
// A physical volume (lvm2, lib/format_text/layout.h and lib/label/label.h) has
// a label in one of its first four sectors, metadata areas near its start and
// sometimes its end, and between them extents of equal size from pe_start on.
// Each metadata area is a header and a ring that holds the volume group's
// description as text: its physical volumes, and for each logical volume the
// segments it is made of, as first extent and number of extents on a physical
// volume. What no segment of any logical volume names, hidden ones included, is
// unallocated, and that is all that is freed here; the label, the metadata, a
// boot loader's area, and what lies between and behind all that is carried.
//
// Volumes that are linear or striped with all of their extents on this physical
// volume, or on those of the group that are assembled with it, are handed on to be
// scanned, under the name that device-mapper has for them: "vg-lv", with hyphens of
// the two names doubled. So is a raid1 by the first of its copies, where the metadata
// of all that are here proves that nothing failed, nothing is being synchronised, and
// nothing was being written; what is free in it is free in the other copies. All other
// volumes (RAIDs, thin pools, snapshots and their origins, caches, what continues on a
// disk that is not here) keep all of their extents, with a warning that names them.
// Mirrors of the old kind are among them: their log does not say whether an image
// failed.
//
// Checked are the checksums of the label, of the headers of all metadata areas
// and of the text; that the areas agree; that no metadata update was under way;
// that flags and segment types are known; that the extents lie in the volume
// and that no two segments claim the same one. Otherwise the physical volume is
// carried whole.
package lvm

import (
	"context"
	"errors"
	"fmt"

	"migimg/blockmap"
)

// Scanner reads physical volumes of LVM2. Its zero value is ready; it has no
// state.
type Scanner struct{}

var (
	_ blockmap.Assembler = Scanner{}
	_ blockmap.Container = Scanner{}
)

// Name is "LVM2_member".
func (Scanner) Name() string { return "LVM2_member" }

// Probe looks for a label. One that is damaged is an error.
func (Scanner) Probe(v blockmap.Volume) error {
	_, err := readLabel(v)
	return err
}

// Scan frees what is not allocated and hands on the logical volumes.
func (Scanner) Scan(ctx context.Context, v blockmap.Volume, s blockmap.Sink) (blockmap.Report, error) {
	r := blockmap.Report{Type: "LVM2_member"}
	p, err := open(v, &r)
	if refused, ok := errors.AsType[refusal](err); ok {
		r.Whole = string(refused)
		return r, nil
	}
	if err != nil {
		return r, err
	}
	g := &assembly{group: p.group, parts: []*physicalVolume{p}}
	g.follow()
	return r, g.hand(ctx, []blockmap.Sink{s}, []*blockmap.Report{&r}, nil)
}

// Holds says that the byte at off belongs to an allocated extent. See
// [blockmap.Container].
func (Scanner) Holds(v blockmap.Volume, off int64) bool {
	var r blockmap.Report
	p, err := open(v, &r)
	if err != nil {
		return false
	}
	for _, u := range p.used {
		if from := p.byteOf(u.first); from <= off && off < from+u.count*p.group.extent {
			return true
		}
	}
	return false
}

// open reads all that there is to know of the physical volume in v, and enters
// in r what is known so far even where it fails.
func open(v blockmap.Volume, r *blockmap.Report) (*physicalVolume, error) {
	l, err := readLabel(v)
	if err != nil {
		return nil, err
	}
	r.UUID = l.uuid
	text, root, err := readText(v, l, r)
	if err != nil {
		return nil, err
	}
	g, err := parseGroup(root)
	if err != nil {
		return nil, err
	}
	r.BlockSize = g.extent
	r.Features = g.features()
	return newPhysicalVolume(v, l, g, text)
}

// refusal is why a physical volume is carried whole, in words for its owner.
// Other errors are those of reading it.
type refusal string

func (r refusal) Error() string { return "lvm: " + string(r) }

func refuse(format string, a ...any) error { return refusal(fmt.Sprintf(format, a...)) }

// readFull fills p from off; the volume's end before that is an error.
func readFull(v blockmap.Volume, p []byte, off int64, what string) error {
	err := blockmap.ReadFull(v, p, off)
	if err == nil {
		return nil
	}
	return fmt.Errorf("lvm: %s at byte %d: %w", what, off, err)
}

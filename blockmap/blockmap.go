// Package blockmap finds what is provably free on a device, and so need not be
// carried into an image.
//
// The rule of the whole package is subtractive: a map starts with every block
// carried, and a [Scanner] can only take blocks out of it by proving them free.
// What no scanner understands, what a scanner is unsure of, and everything
// outside partitions stays in. A bug, a crash or a corrupt filesystem costs
// image size, never a byte.
//
// A [Map] is a bitmap of clusters (64 KiB by default) with rank and select, so
// that an encoder can go from a cluster's number to its place in the file and
// back without a list of clusters. Clusters that are free only in parts keep a
// mask of their free blocks, which [NewView] reads as zeros.
package blockmap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
)

// ErrNotMine is what a Scanner's Probe answers about a volume that holds
// something else. Any other error means that the volume does hold the
// scanner's format, or may, and could not be read.
var ErrNotMine = errors.New("not this scanner's format")

// Range is a half-open range of bytes: [Off, Off+Len).
type Range struct {
	Off int64 `json:"offset"`
	Len int64 `json:"length"`
}

// End is the first byte after the range.
func (r Range) End() int64 { return r.Off + r.Len }

// Volume is bytes, and where on the device they really are: a device, a
// partition, a logical volume. ReadAt must be safe for concurrent use.
type Volume interface {
	io.ReaderAt
	// Size is the volume's length in bytes.
	Size() int64
	// SectorSize is the device's logical sector size in bytes, or 0 where it is
	// not known (an image file of a disk).
	SectorSize() int64
	// Ranges yields the device ranges behind the volume's bytes [off, off+n), in
	// the volume's order. The caller keeps the range inside the volume.
	Ranges(off, n int64) iter.Seq[Range]
}

// Sink takes what a scanner proves about its volume. Offsets and lengths are in
// bytes of the volume that is being scanned.
type Sink interface {
	// Free says that the contents of [off, off+n) are of no use to anybody. A
	// range that leaves the volume is an error and frees nothing.
	Free(off, n int64) error
	// Data says that [off, off+n) holds contents of the regular file, from its
	// byte at on, and nothing else. It is asked for by [FreezableScanner] alone:
	// on a running server, all that is carried and is no file's data is pinned, so
	// what a scanner does not name costs memory, never a byte. Several files may
	// share a range. A range that leaves the volume is an error.
	Data(off, n int64, file FileID, at int64) error
	// Nested scans a volume inside this one: a partition, a logical volume. The
	// inner volume's trouble is recorded in its own report; the error is only
	// that of a cancelled context.
	Nested(name string, v Volume) error
}

// Scanner finds the free space of one kind of volume. Scanners hold no state:
// one value serves all volumes, concurrently.
type Scanner interface {
	// Name is the format's usual name in lower case, as blkid prints it.
	Name() string
	// Probe reads as little as it can and answers nil, ErrNotMine or a real
	// error. It must not trust more than the magic and the checksum.
	Probe(v Volume) error
	// Scan calls s.Free for what it proves free. If it returns an error, all
	// that it freed is taken back and the volume is carried whole. To carry a
	// volume whole on purpose (an unknown feature, a dirty journal), it frees
	// nothing and returns a Report with Whole set to the reason.
	Scan(ctx context.Context, v Volume, s Sink) (Report, error)
}

// Container is what a Scanner is, besides, whose volumes hold other volumes at
// the places they name. It settles what a mark at a volume's end belongs to:
// that of a RAID member, for one, lies at the same place in a partition that
// fills the disk as in the disk.
type Container interface {
	// Holds says that the byte at off of v, which Probe answered nil for, belongs
	// to an inner volume. It says no where it is not sure.
	Holds(v Volume, off int64) bool
}

// StillScanner is what a Scanner is that can do more with a volume that nothing can
// write to: there, for instance, a journal that was not replayed is what a crash
// left, and not what a mounted filesystem is writing.
type StillScanner interface {
	Scanner
	// WhenStill is the scanner for such volumes.
	WhenStill() Scanner
}

// FreezableScanner is what a Scanner is of a filesystem that can be mapped while it
// is mounted and frozen (FIFREEZE), when the disk holds all that the kernel has.
type FreezableScanner interface {
	Scanner
	// WhenFrozen is the scanner for such volumes. It takes the marks of a mounted
	// filesystem for what they are, and calls the sink's Data for the files. It may
	// be run on a volume that is still being written, to find what to read ahead;
	// it then may fail or say nonsense, but no more than that.
	WhenFrozen() Scanner
	// Paths finds the names that files have, from the volume's root, each with a
	// leading slash: one name for each file that it finds, none for the others.
	// The volume is as it was while it was frozen.
	Paths(ctx context.Context, v Volume, files []FileID) (map[FileID]string, error)
}

// FileID names a regular file of a volume.
type FileID struct {
	// Inode is the inode's number.
	Inode uint64
	// Tree is the subvolume's number on btrfs; 0 elsewhere.
	Tree uint64
}

// Report is what a scanner says of a volume.
type Report struct {
	// Type is the format, more exact than the scanner's name where one scanner
	// reads several: "ext2", "ext3", "ext4", "mbr", "gpt".
	Type string `json:"type"`
	// UUID and Label are the volume's own, in the form blkid prints; empty where
	// it has none.
	UUID  string `json:"uuid,omitempty"`
	Label string `json:"label,omitempty"`
	// BlockSize is the unit in which the format allocates, in bytes.
	BlockSize int64 `json:"block_size,omitempty"`
	// Whole is why nothing in the volume was freed, in words for the owner of
	// the disk; empty where the volume was understood.
	Whole string `json:"whole,omitempty"`
	// Warnings are for the owner, too: what is odd, and what to do.
	Warnings []string `json:"warnings,omitempty"`
	// Features are the format's feature words as its own tools name them.
	Features []string `json:"features,omitempty"`
}

// VolumeInfo is a node of the tree of volumes that a scan found.
type VolumeInfo struct {
	Report
	// Name is the path of names from the device: "" for the device itself, "1"
	// for its first partition; in a space "sda" and "sda/1". What lies in several
	// volumes that are no part of each other, a logical volume over two disks, is a
	// child of the root, and has the name that it has there.
	Name string `json:"name"`
	// Start is the volume's first byte on the device; -1 where the volume is not
	// one run of the device.
	Start int64 `json:"start"`
	// Size is in bytes.
	Size int64 `json:"size"`
	// Carried is how many of its bytes the map carries, to the block.
	Carried int64 `json:"carried"`
	// LeftOut says that the image does not have the volume, by its owner's choice.
	LeftOut bool `json:"left_out,omitempty"`
	// Parts are the names of the volumes that it lies in, where it is a child of the root
	// because there are several.
	Parts    []string      `json:"parts,omitempty"`
	Children []*VolumeInfo `json:"children,omitempty"`

	ranges []Range // of the whole volume on the device
	copies []Mirror
	across []*VolumeInfo // the root's children that lie in this and in other volumes
}

// All yields the volume and everything inside it, outermost first.
func (v *VolumeInfo) All() iter.Seq[*VolumeInfo] {
	return func(yield func(*VolumeInfo) bool) { v.walk(yield) }
}

// Device yields the device ranges behind the volume, in the volume's order.
func (v *VolumeInfo) Device() iter.Seq[Range] { return slices.Values(v.ranges) }

// Inside yields the volumes directly inside this one, also those that lie only in part
// in it.
func (v *VolumeInfo) Inside() iter.Seq[*VolumeInfo] {
	return slices.Values(slices.Concat(v.Children, v.across))
}

// Container says that other volumes lie in it.
func (v *VolumeInfo) Container() bool { return len(v.Children)+len(v.across) > 0 }

// Copies yields where else the volume's bytes are: those of a mirror.
func (v *VolumeInfo) Copies() iter.Seq[Mirror] { return slices.Values(v.copies) }

// Count sets Carried, of the volume and everything inside it, by what says how many
// bytes of a range of the device are carried; see [Map.BytesIn].
func (v *VolumeInfo) Count(carried func(off, n int64) int64) {
	for x := range v.All() {
		x.Carried = 0
		for _, r := range x.ranges {
			x.Carried += carried(r.Off, r.Len)
		}
	}
}

// Alone is the tree of a disk's volumes, which v is in a space, as if the disk were
// scanned by itself. What lies in others as well is not in it.
func (v *VolumeInfo) Alone(at Place) *VolumeInfo {
	x := *v
	x.Name = strings.TrimPrefix(strings.TrimPrefix(v.Name, at.Name), "/")
	if x.Start >= 0 {
		x.Start -= at.Off
	}
	x.ranges, x.Children, x.copies, x.across = nil, nil, nil, nil
	for _, r := range v.ranges {
		x.ranges = append(x.ranges, Range{r.Off - at.Off, r.Len})
	}
	for _, c := range v.Children {
		x.Children = append(x.Children, c.Alone(at))
	}
	return &x
}

func (v *VolumeInfo) walk(yield func(*VolumeInfo) bool) bool {
	if !yield(v) {
		return false
	}
	for _, c := range v.Children {
		if !c.walk(yield) {
			return false
		}
	}
	return true
}

// Section is the part [off, off+n) of a volume, as a volume of its own.
func Section(v Volume, off, n int64) (Volume, error) {
	if off < 0 || n < 0 || off > v.Size() || n > v.Size()-off {
		return nil, fmt.Errorf("section [%d, +%d) leaves a volume of %d bytes", off, n, v.Size())
	}
	return &section{SectionReader: io.NewSectionReader(v, off, n), parent: v, off: off}, nil
}

type section struct {
	*io.SectionReader
	parent Volume
	off    int64
}

func (s *section) SectorSize() int64 { return s.parent.SectorSize() }

func (s *section) Ranges(off, n int64) iter.Seq[Range] { return s.parent.Ranges(s.off+off, n) }

// Bytes is a Volume over a reader whose bytes are the device's own: an image in
// memory, a file. It is what tests and the device itself use.
func Bytes(r io.ReaderAt, size, sectorSize int64) Volume {
	return &flat{ReaderAt: r, size: size, sector: sectorSize}
}

type flat struct {
	io.ReaderAt
	size, sector int64
}

func (f *flat) Size() int64       { return f.size }
func (f *flat) SectorSize() int64 { return f.sector }
func (f *flat) Ranges(off, n int64) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		if n > 0 {
			yield(Range{off, n})
		}
	}
}

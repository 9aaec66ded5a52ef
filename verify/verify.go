// Package verify reads disk images back and says whether each holds what it
// must: its structure by the format's specification, its content against the
// source, and its partition table.
//
// It shares no code with what plans and writes images and imports none of it:
// decoders that were written with the encoders would only confirm their
// mistakes. The caller hands it readers and ranges.
//
// # What a verdict means
//
// Every aspect ends as pass, fail, unknown or skip. Fail is a defect of the
// image. Unknown is what could not be found out, such as a range that could not
// be read; it is never counted as equal. Skip is what does not apply, or was
// not asked for. Warnings are listed but change no verdict: dialects that
// common readers take and some importers refuse.
//
// # Cost
//
// Ranges that no cluster of the image holds and the source does not carry are
// known to be equal without reading either. Everything else is read once from
// the image, and what is carried once from the source, in chunks of 1 MiB by
// two workers. Memory is bounded by the image's tables, which are checked
// against the file's size first. Files that are streams (gzip, zstd, also around tar)
// are read twice: once while their structure is checked, and once to compare, in the
// memory that package unpack says; an OVA with a manifest is read once for its sums.
package verify

import (
	"context"
	"fmt"
	"io"
	"iter"

	"migimg/verify/decoder"
	"migimg/verify/ptable"
)

// Image is one image file.
type Image struct {
	// Name is what people call it; its last element is compared with the name in
	// a VMDK's descriptor.
	Name string
	// Format is one of the constants, or empty: then the content tells, and what
	// has no magic is raw.
	Format string
	// R is safe for concurrent use. Where it is an *os.File, holes of raw images
	// are asked of the kernel.
	R io.ReaderAt
	// Size of the file in bytes.
	Size int64
	// Path is for external programs; they are not run without it.
	Path string
	// Beside opens a file beside the image, by a name without a folder: the disk of a
	// VMDK that is only a descriptor. nil: none can be opened. What it opens is closed
	// by the caller, after Check.
	Beside func(name string) (r io.ReaderAt, size int64, err error)
}

// Range is a half-open range of bytes.
type Range struct{ Off, Len int64 }

// End is the first byte after the range.
func (r Range) End() int64 { return r.Off + r.Len }

// Source is what the image was made from.
type Source struct {
	// R is read inside the carried ranges only, and where less than 64 KiB lies
	// between two of them; an error there is not held against anything. It is
	// safe for concurrent use.
	R io.ReaderAt
	// Size in bytes.
	Size int64
	// Carried yields the ranges that the image must hold, ascending and apart;
	// everything else must be zeros. It may be called several times.
	Carried iter.Seq[Range]
	// Where names what lies at an offset of the device ("partition 2 (ext4 /)").
	// nil: the partition table's number is named.
	Where func(off int64) string
	// Moving is nil where nobody has written to R since the image's moment.
	Moving *Moving
}

// Moving is a source that somebody writes to. What differs there is undecided, and not
// a defect: the image has what was there before.
type Moving struct {
	// Written says whether any of the range was, or may have been, written since the
	// image's moment. It is asked after the range was read.
	Written func(Range) (bool, error)
	// Words sum up how far the image itself is of its moment; they are asked for last.
	Words func() string
}

// Options of a check. The zero value is ready.
type Options struct {
	// Source to compare with; nil: the content is decoded, but not compared.
	Source *Source
	// Sources are those of an image with several disks, in its order of them.
	Sources []*Source
	// Proof is what to compare with where there is no source.
	Proof *Proof
	// Targets are whose rules it is held to as well.
	Targets []Rules
	// Tools runs the program that checks the format as well (qemu-img, gzip, zstd,
	// tar), where it is installed.
	Tools bool
	// Parallel is how many workers compare, 2 by default.
	Parallel int
	// MaxDiffs is after how many differences comparing stops, 10 by default.
	MaxDiffs int
	// Progress is told how much of the virtual disk is done, in bytes; never
	// concurrently, and often.
	Progress func(done, total int64)
}

// Check verifies one image. The error is that of a cancelled context or of an
// impossible request; whatever is wrong with the image is in the report.
func Check(ctx context.Context, im Image, o Options) (*Report, error) {
	if o.Parallel <= 0 {
		o.Parallel = 2
	}
	if o.MaxDiffs <= 0 {
		o.MaxDiffs = 10
	}
	if im.R == nil || im.Size < 0 {
		return nil, fmt.Errorf("verify: %s: no reader or a negative size", im.Name)
	}
	f := decoder.File{R: im.R, Size: im.Size}
	format, err := Detect(im)
	if err != nil {
		return nil, err
	}
	r := &Report{Image: im.Name, Format: format, FileSize: im.Size, VirtualSize: -1}
	d, structure, err := open(ctx, im, f, format, o.Source)
	if err != nil {
		return nil, err
	}
	r.Kind = kindOf(format, structure.Summary)
	if d != nil {
		r.VirtualSize = d.Size()
	}
	r.Add(structure)
	if o.Proof != nil {
		if a, ok := o.Proof.length(im, format); ok {
			r.Add(a)
		}
	}
	table, err := r.insideAll(ctx, d, o)
	if err != nil {
		return nil, err
	}
	for _, t := range o.Targets {
		r.Add(t.check(r, table))
	}
	if o.Tools {
		a, err := external(ctx, im, format)
		if err != nil {
			return nil, err
		}
		r.Add(a)
	}
	return r, nil
}

// insideAll is inside of each disk of a machine; the table is that of the first one.
func (r *Report) insideAll(ctx context.Context, d decoder.Disk, o Options) (table *ptable.Table, err error) {
	all, ok := d.(decoder.Several)
	if !ok {
		return r.inside(ctx, d, o)
	}
	if o.Proof != nil || o.Source != nil {
		return nil, fmt.Errorf("verify: %s: it has %d disks, and a source or a manifest is of one: verify it in its mount", r.Image, len(all.Disks()))
	}
	for i, x := range all.Disks() {
		one := *r
		one.Aspects, one.VirtualSize, o.Source = nil, x.Size(), nil
		if i < len(o.Sources) {
			o.Source = o.Sources[i]
		}
		t, err := one.inside(ctx, x, o)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			table = t
		}
		for _, a := range one.Aspects {
			a.Name = fmt.Sprintf("disk %d, %s", i+1, a.Name)
			r.Add(a)
		}
	}
	return table, nil
}

// inside checks what is in the image: the disk's content, and its partition table, which
// is nil where it cannot be read.
func (r *Report) inside(ctx context.Context, d decoder.Disk, o Options) (*ptable.Table, error) {
	if d == nil {
		const summary = "the image cannot be decoded"
		r.Add(Aspect{Name: Content, Status: Unknown, Summary: summary}, Aspect{Name: PartitionTable, Status: Unknown, Summary: summary})
		return nil, nil
	}
	table, tableErr := ptable.Read(d, d.Size())
	check := r.compare
	if o.Proof != nil {
		check = r.prove
	}
	content, err := check(ctx, d, o, o.where(table))
	if err != nil {
		return nil, err
	}
	// What is sampled always has the places where tables are.
	r.Add(content, partitions(table, tableErr, o.Source, o.Proof != nil && content.Status == Pass))
	return table, nil
}

// OpenDisk opens the disk inside an image, for callers that look at what is in it. What
// is wrong with the image's structure is Check's to say; the error says that the disk
// cannot be read at all.
func OpenDisk(ctx context.Context, im Image) (decoder.Disk, error) {
	format, err := Detect(im)
	if err != nil {
		return nil, err
	}
	d, a, err := open(ctx, im, decoder.File{R: im.R, Size: im.Size}, format, nil)
	if err == nil && d == nil {
		err = fmt.Errorf("verify: %s: %s", im.Name, a.Summary)
	}
	return d, err
}

// Package manifest is the record of what a mount, or an export, gave to readers: for
// each chunk of the virtual disk a sum that was taken while it was read. With it a copy
// of an image can be proven right when the source, and migimg's mount of it, are gone.
//
// A [Recorder] takes the sums, a [Manifest] is the document in which they are kept.
package manifest

import (
	"iter"
	"time"
)

// SchemaVersion is that of the document.
const SchemaVersion = "1.0"

// Manifest is what is known of the images of one T0.
type Manifest struct {
	SchemaVersion string `json:"schema_version"`
	// Version is migimg's.
	Version string `json:"version"`
	// Algorithm is that of the sums.
	Algorithm string `json:"algorithm"`
	// Created is when this document was made, and T0 the moment that the images stand for.
	Created time.Time `json:"created"`
	T0      time.Time `json:"t0"`
	// Consistency is how exactly they do: its level and what that means here.
	Consistency Consistency `json:"consistency"`
	Source      Source      `json:"source"`
	Files       []File      `json:"files"`
	// Volumes are what lies on the source, in bytes of the source.
	Volumes []Volume `json:"volumes,omitempty"`
	// Unreadable are ranges of the source that could not be read, and OnError what readers
	// got instead: "eio" or "zero".
	Unreadable []Range `json:"unreadable,omitempty"`
	OnError    string  `json:"on_read_error"`
	// Drift says in a line what of what was read is newer than T0.
	Drift string `json:"drift"`
	// Disks are last: they are long. Each is a disk that files hold.
	Disks []Disk `json:"disks"`
}

// Consistency of the images.
type Consistency struct {
	Level  string `json:"level"`
	Detail string `json:"detail,omitempty"`
}

// Source is the device that the images were made of; sizes in bytes.
type Source struct {
	Device     string `json:"device"`
	Size       int64  `json:"size"`
	SectorSize int64  `json:"sector_size,omitempty"`
	// Table is the kind of its partition table.
	Table string `json:"partition_table,omitempty"`
}

// File is an image.
type File struct {
	Path string `json:"path"`
	// Format is migimg's name of the format, QemuFormat QEMU's.
	Format      string `json:"format"`
	QemuFormat  string `json:"qemu_format"`
	Size        int64  `json:"size"`
	VirtualSize int64  `json:"virtual_size"`
	PlanDigest  string `json:"plan_digest"`
	// Disk is the number of the disk in it.
	Disk int `json:"disk"`
}

// Volume is a filesystem or another thing on the source.
type Volume struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Start int64  `json:"start"`
	Size  int64  `json:"size"`
}

// Range is one of bytes.
type Range struct {
	Off int64 `json:"offset"`
	Len int64 `json:"length"`
}

// Chunks are Count of them from number First on.
type Chunks struct {
	First int64 `json:"first"`
	Count int64 `json:"count"`
}

// Disk is a virtual disk, and what is known of its chunks. A chunk that is neither in
// Sums nor in Unknown is all zeros.
type Disk struct {
	Size      int64  `json:"size"`
	MapDigest string `json:"map_digest"`
	// Moved are chunks of which something was served that is newer than T0, so that two
	// copies of them may differ; MovedUnknown says why that is not known, where it is not.
	Moved        []Chunks `json:"moved,omitempty"`
	MovedUnknown string   `json:"moved_unknown,omitempty"`
	// Unknown are those that hold something and have not been read.
	Unknown []Chunks `json:"unknown,omitempty"`
	// Sums of the others.
	Sums []Run `json:"sums,omitempty"`

	table Table // of a manifest that was read, instead of Sums
}

// Run are the sums of chunks that follow each other.
type Run struct {
	First int64 `json:"first"`
	// Sums are 16 bytes for each, big-endian; in base64 in the document.
	Sums []byte `json:"sums"`
}

// runMost is how many chunks a Run has at most: a reader of the document needs no more
// memory at once.
const runMost = 4096

// Chunks is how many chunks the disk has.
func (d *Disk) Chunks() int64 { return (d.Size + ChunkSize - 1) / ChunkSize }

// Fill takes what is known from a recorder of the disk.
func (d *Disk) Fill(r *Recorder) {
	var run *Run
	for k := range d.Chunks() {
		s, ok := r.Sum(k)
		if ok && s == (Sum{}) {
			continue
		}
		if !ok {
			d.Unknown = appendChunk(d.Unknown, k)
			continue
		}
		if run == nil || run.First+int64(len(run.Sums)/SumSize) != k || len(run.Sums) == runMost*SumSize {
			d.Sums = append(d.Sums, Run{First: k})
			run = &d.Sums[len(d.Sums)-1]
		}
		run.Sums = s.append(run.Sums)
	}
}

// SetMoved notes the chunks of ranges in bytes of the disk, ascending.
func (d *Disk) SetMoved(ranges iter.Seq2[int64, int64]) {
	last := int64(-1)
	for off, n := range ranges {
		for k := max(off/ChunkSize, last+1); k*ChunkSize < min(off+n, d.Size); k++ {
			d.Moved = appendChunk(d.Moved, k)
			last = k
		}
	}
}

func appendChunk(list []Chunks, k int64) []Chunks {
	if i := len(list) - 1; i >= 0 && list[i].First+list[i].Count == k {
		list[i].Count++
		return list
	}
	return append(list, Chunks{k, 1})
}

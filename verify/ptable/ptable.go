// Package ptable reads partition tables for verify: MBR with logical
// partitions, and GPT with both headers and their checksums. It is written from
// the UEFI specification (chapter 5, GUID Partition Table) and from what
// Linux's block/partitions/msdos.c accepts, and shares no code with the package
// that reads the source device.
package ptable

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Kinds of tables.
const (
	None = "none" // no table: blank, or a filesystem on the whole disk
	MBR  = "mbr"
	GPT  = "gpt"
)

// maxSlots bounds a GPT's entries and an MBR's chain of logical partitions.
const maxSlots = 1024

// ErrRead is wrapped by Read's error where the disk could not be read. There is
// no other error: a broken table is in the table's Broken.
var ErrRead = errors.New("the partition table could not be read")

// Partition is one entry.
type Partition struct {
	// Number is the one in Linux's device name: logical ones begin at 5.
	Number int `json:"number"`
	// Start and Size are in bytes.
	Start int64 `json:"start"`
	Size  int64 `json:"size"`
	// Type is the MBR's type byte in hexadecimal ("83") or the GPT's type GUID.
	Type string `json:"type"`
	// ID is the GPT's unique GUID; empty for MBR.
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
	// Flags are the GPT's attributes, or the MBR's boot indicator.
	Flags uint64 `json:"flags,omitempty"`
}

// Table is what was found.
type Table struct {
	Kind string `json:"kind"`
	// SectorSize in bytes is the unit in which the table counts: 512 or 4096.
	SectorSize int64 `json:"sector_size,omitempty"`
	// ID is the disk's: 8 hexadecimal digits for MBR, a GUID for GPT.
	ID         string      `json:"id,omitempty"`
	Partitions []Partition `json:"partitions,omitempty"`
	// Broken says, in words for people, what is wrong with the table; empty for
	// a sound one.
	Broken []string `json:"broken,omitempty"`
	// Odd says what is not wrong but unusual: a backup header that is not in the
	// last sector.
	Odd []string `json:"odd,omitempty"`
}

func (t *Table) broken(format string, a ...any) {
	if len(t.Broken) < 20 {
		t.Broken = append(t.Broken, fmt.Sprintf(format, a...))
	}
}

// Read finds the partition table of a disk of size bytes.
func Read(r io.ReaderAt, size int64) (*Table, error) {
	d := disk{r, size}
	mbr, err := d.sector(0, 512)
	if err != nil {
		return nil, err
	}
	if mbr == nil { // smaller than a sector
		return &Table{Kind: None}, nil
	}
	t, err := d.gpt(mbr)
	if t != nil || err != nil {
		return t, err
	}
	return d.mbr(mbr)
}

// disk is read through checked offsets.
type disk struct {
	r    io.ReaderAt
	size int64
}

// sector reads n bytes at off; nil where they leave the disk.
func (d disk) sector(off, n int64) ([]byte, error) {
	if off < 0 || n < 0 || off > d.size || n > d.size-off {
		return nil, nil
	}
	b := make([]byte, n)
	if k, err := d.r.ReadAt(b, off); k < len(b) {
		return nil, fmt.Errorf("%w: byte %d: %w", ErrRead, off+int64(k), err)
	}
	return b, nil
}

// check says which partitions leave the disk or overlap.
func (t *Table) check(size int64) {
	ps := slices.Clone(t.Partitions)
	slices.SortFunc(ps, func(a, b Partition) int {
		if a.Start != b.Start {
			return int(max(-1, min(1, a.Start-b.Start)))
		}
		return a.Number - b.Number
	})
	var end int64
	var before int
	for _, p := range ps {
		if p.Start < 0 || p.Size <= 0 || p.Start > size || p.Size > size-p.Start {
			t.broken("partition %d, bytes %d to %d, leaves the disk of %d bytes", p.Number, p.Start, p.Start+p.Size, size)
			continue
		}
		if t.Kind == MBR && extended(p.Type) {
			continue // holds the logical ones
		}
		if p.Start < end {
			t.broken("partitions %d and %d overlap", before, p.Number)
		}
		if p.Start+p.Size > end {
			end, before = p.Start+p.Size, p.Number
		}
	}
}

// At names the partition that holds byte off of the disk.
func (t *Table) At(off int64) string {
	name := "outside of partitions"
	for _, p := range t.Partitions {
		if off >= p.Start && off-p.Start < p.Size {
			name = fmt.Sprintf("partition %d", p.Number)
			if t.Kind != MBR || !extended(p.Type) {
				break
			}
		}
	}
	if t.Kind == None {
		return "the disk, which has no partition table"
	}
	return name
}

// Diff says in what other differs from t, in words for people; nil where the
// two say the same.
func (t *Table) Diff(other *Table) []string {
	var out []string
	if t.Kind != other.Kind {
		return []string{fmt.Sprintf("%s instead of %s", other.Kind, t.Kind)}
	}
	if t.ID != other.ID {
		out = append(out, fmt.Sprintf("disk identifier %s instead of %s", other.ID, t.ID))
	}
	if t.SectorSize != other.SectorSize {
		out = append(out, fmt.Sprintf("sectors of %d bytes instead of %d", other.SectorSize, t.SectorSize))
	}
	if len(t.Partitions) != len(other.Partitions) {
		return append(out, fmt.Sprintf("%d partitions instead of %d", len(other.Partitions), len(t.Partitions)))
	}
	for i, p := range t.Partitions {
		if q := other.Partitions[i]; p != q {
			out = append(out, fmt.Sprintf("partition %d: %s instead of %s", p.Number, q, p))
		}
	}
	return out
}

func (p Partition) String() string {
	return strings.TrimSpace(fmt.Sprintf("type %s, bytes %d to %d, flags %#x %s %s", p.Type, p.Start, p.Start+p.Size, p.Flags, p.ID, p.Name))
}

// Package ptable reads partition tables: MBR with its logical partitions, and
// GPT.
//
// Two things are asked of a table. What is there, for people and for preflight:
// [Read]. And which parts of the disk are volumes of their own, whose free
// space is then looked for: [Scanner]. The second is the dangerous one. Where a
// table is wrong, or not the one that is in use, one partition's free space is
// another's data; so a table is trusted only where the Linux kernel would find
// the same partitions in it (block/partitions/msdos.c and efi.c), where none of
// them overlap and where all of them lie on the disk. [Table].Broken says why
// another one is not, and its disk is then carried whole.
//
// The table itself, gaps between partitions (boot loaders live there) and
// extended boot records are never part of a partition, so they are carried.
package ptable

import (
	"errors"
	"fmt"
	"io"

	"migimg/blockmap"
)

// Kind is the kind of a partition table.
type Kind string

const (
	KindNone   Kind = "none"   // no table that Linux would read
	KindMBR    Kind = "mbr"    // what blkid calls dos
	KindGPT    Kind = "gpt"    // with a protective MBR only
	KindHybrid Kind = "hybrid" // a GPT whose MBR names partitions, too; Linux uses the GPT
)

// Table is a disk's partition table.
type Table struct {
	Kind Kind `json:"kind"`
	// SectorSize is the unit, in bytes, in which the table's numbers count: 512
	// or 4096.
	SectorSize int64 `json:"sector_size"`
	// DeviceSectorSize is the device's logical sector size in bytes; 0 where it
	// is not known (an image file). A table whose SectorSize differs from it is
	// not seen by the kernel, and Broken.
	DeviceSectorSize int64 `json:"device_sector_size,omitempty"`
	// ID is the disk's identifier as blkid prints PTUUID: an MBR's disk signature
	// as eight hex digits (empty where it is 0), a GPT's disk GUID.
	ID string `json:"id,omitempty"`
	// Partitions are in the order of their numbers.
	Partitions []Partition `json:"partitions"`
	// GPT describes the two headers; nil where there is no GPT.
	GPT *Headers `json:"gpt,omitempty"`
	// MBREntries are the partitions that a hybrid MBR names. Linux does not use
	// them; firmware and other systems may.
	MBREntries []Partition `json:"mbr_entries,omitempty"`
	// Problems are for people: what is odd, and what to do.
	Problems []string `json:"problems,omitempty"`
	// Broken is why the table cannot be trusted, in words for the disk's owner;
	// empty where it is sound.
	Broken string `json:"broken,omitempty"`

	own     []blockmap.Range // the table's own sectors
	records []record         // the extended boot records, as they are linked
}

// record is one extended boot record.
type record struct {
	extended int   // the number of the partition that it is in
	at       int64 // its sector's first byte
	logicals []int // the partitions that it names
}

// Headers are the details of a GPT, in logical blocks of SectorSize bytes (UEFI
// specification, section 5.3.2). They are those of the header that is used: the
// primary one, if it is sound.
type Headers struct {
	// PrimaryOK and BackupOK say that a header and its entries verify: signature,
	// both checksums, position, and limits that lie on the disk.
	PrimaryOK bool `json:"primary_ok"`
	BackupOK  bool `json:"backup_ok"`
	// PrimaryError and BackupError say what is wrong with them.
	PrimaryError string `json:"primary_error,omitempty"`
	BackupError  string `json:"backup_error,omitempty"`
	// FirstUsableLBA and LastUsableLBA bound the space for partitions.
	FirstUsableLBA int64 `json:"first_usable_lba"`
	LastUsableLBA  int64 `json:"last_usable_lba"`
	// AlternateLBA is where the primary header says that the backup lies;
	// LastLBA is the disk's last block, where it should lie.
	AlternateLBA int64 `json:"alternate_lba"`
	LastLBA      int64 `json:"last_lba"`
	// EntriesLBA is where the array of Entries entries of EntrySize bytes begins.
	EntriesLBA int64 `json:"entries_lba"`
	Entries    int64 `json:"entries"`
	EntrySize  int64 `json:"entry_size"`
}

// Partition is one partition. It is comparable.
type Partition struct {
	// Number is the kernel's: logical partitions count from 5.
	Number int `json:"number"`
	// Start and Size are in bytes.
	Start int64 `json:"start"`
	Size  int64 `json:"size"`
	// Type is an MBR's type as "0x83" (always two digits) or a GPT's type GUID in
	// lower case.
	Type string `json:"type"`
	// TypeName is the type's usual name ("Linux filesystem"), empty where it is
	// not known.
	TypeName string `json:"type_name,omitempty"`
	// UUID is the PARTUUID as blkid prints it: of an MBR the disk's ID, a dash and
	// the number as two hex digits (empty where the disk has no ID).
	UUID string `json:"uuid,omitempty"`
	// Name is a GPT partition's label.
	Name string `json:"name,omitempty"`
	// Bootable is an MBR's active flag, or a GPT's legacy BIOS bootable attribute.
	Bootable bool `json:"bootable,omitempty"`
	// Extended marks the container of logical partitions, which is none itself.
	Extended bool `json:"extended,omitempty"`
	Logical  bool `json:"logical,omitempty"`
	// Attrs are a GPT entry's attribute bits (UEFI specification, table 5.8).
	Attrs uint64 `json:"attrs,omitempty"`
}

func (p Partition) end() int64 { return p.Start + p.Size }

// maxProblems bounds what a hostile table can make us say.
const maxProblems = 32

func (t *Table) problem(format string, a ...any) {
	switch n := len(t.Problems); {
	case n < maxProblems:
		t.Problems = append(t.Problems, fmt.Sprintf(format, a...))
	case n == maxProblems:
		t.Problems = append(t.Problems, "and more like these")
	}
}

// broken notes the first reason not to trust the table.
func (t *Table) broken(format string, a ...any) {
	if t.Broken == "" {
		t.Broken = fmt.Sprintf(format, a...)
	}
}

// Read reads the partition table of v. The error is that of reading the disk
// alone: a disk without a table is KindNone, a damaged table is Broken.
//
// Where v does not know its sector size, it is found out. A GPT header is looked
// for at 512 and at 4096. An MBR says nothing of its unit, which nearly always
// is 512 bytes: 4096 is assumed only where the partitions would still fit on the
// disk, known formats lie where they would begin, and none where they begin in
// sectors of 512 bytes. If formats lie in both places, the table is Broken.
func Read(v blockmap.Volume) (*Table, error) {
	t := &Table{Kind: KindNone, SectorSize: 512, DeviceSectorSize: v.SectorSize(), Partitions: []Partition{}}
	if t.DeviceSectorSize > 0 {
		t.SectorSize = t.DeviceSectorSize
	}
	if v.Size() < 512 {
		return t, nil
	}
	sector := make([]byte, 512)
	if err := readFull(v, sector, 0); err != nil {
		return nil, fmt.Errorf("partition table: %w", err)
	}
	b := parseBoot(sector)
	if b.protective() {
		if err := t.readGPT(v, b); err != nil {
			return nil, fmt.Errorf("partition table: %w", err)
		}
		return t, nil
	}
	gpt, err := t.findGPT(v)
	switch {
	case err != nil && b.isTable() && b.used():
		t.problem("whether a GPT lies under the MBR is not known: %v", err)
	case err != nil:
		return nil, fmt.Errorf("partition table: %w", err)
	}
	switch {
	case b.isTable() && (b.used() || gpt == nil):
		if err := t.readMBR(v, b); err != nil {
			return nil, fmt.Errorf("partition table: %w", err)
		}
		if gpt != nil {
			t.problem("a GPT lies under the MBR; Linux ignores it because the MBR has no entry of type 0xEE. If it is left over from earlier, remove it with wipefs")
		}
	case gpt != nil:
		t.useGPT(v, b, gpt)
		t.broken("there is a GPT, but no protective MBR (an entry of type 0xEE), so Linux does not use it; gdisk writes a new one")
	}
	return t, nil
}

// readError is the disk's error, not the table's.
type readError struct {
	off, n int64
	err    error
}

func (e *readError) Error() string {
	return fmt.Sprintf("reading %d bytes at %d: %v", e.n, e.off, e.err)
}
func (e *readError) Unwrap() error { return e.err }

// readFull fills p from off. The end of the volume before that is an error. Its
// errors are *readError.
func readFull(v io.ReaderAt, p []byte, off int64) error {
	err := blockmap.ReadFull(v, p, off)
	if err == nil {
		return nil
	}
	return &readError{off, int64(len(p)), err}
}

// ioError is err where it is the disk's and not the table's, or nil.
func ioError(err error) error {
	if e, ok := errors.AsType[*readError](err); ok {
		return e
	}
	return nil
}

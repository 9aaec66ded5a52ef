// Package targets holds what is known of the clouds and hypervisors that import
// images: one data file each, embedded. A new target is a new file and nothing
// else; a directory of the user's own files adds targets and changes known ones
// ([Read]).
//
// Every figure in a file carries the place it was read in (an index into
// "sources") and how sure it is. What a target does not say is left out, and a
// check that would need it does not judge. A doubtful figure leads to a warning
// at most.
package targets

import (
	"embed"
	"errors"
	"fmt"
	"slices"
	"strings"
)

//go:embed *.json
var files embed.FS

// Target is what one importer takes. It is never changed once loaded.
type Target struct {
	// ID is the name on the command line; Title is for people. Family is a name
	// for several ("aws"), which chooses them all.
	ID     string `json:"id"`
	Title  string `json:"title"`
	Family string `json:"family,omitempty"`
	// AsOf is the date ("2026-11-23") at which the file was checked against its
	// sources.
	AsOf    string   `json:"as_of"`
	Sources []Source `json:"sources"`
	// Formats are the image formats it takes, best first; the words are those of
	// [FormatWords].
	Formats Names `json:"formats"`
	// MinVirtual and MaxVirtual bound the disk's size, MaxImage that of the image
	// file as qcow2, MaxCompressed that of the image compressed with gzip, in
	// bytes. The disk's size has to be a multiple of Multiple.
	MinVirtual    *Figure `json:"min_virtual_bytes,omitempty"`
	MaxVirtual    *Figure `json:"max_virtual_bytes,omitempty"`
	MaxImage      *Figure `json:"max_image_bytes,omitempty"`
	MaxCompressed *Figure `json:"max_compressed_bytes,omitempty"`
	Multiple      *Figure `json:"virtual_multiple_bytes,omitempty"`
	// Larger are what changes for large disks, smallest first.
	Larger []Step `json:"larger_disks,omitempty"`
	// SectorSize is the logical sector size of its disks, in bytes.
	SectorSize *Figure `json:"sector_size,omitempty"`
	// Tables and Firmware are what it starts; a kind that is not named is
	// answered with the severity and note of the rule.
	Tables   Rule `json:"partition_tables,omitzero"`
	Firmware Rule `json:"firmware,omitzero"`
	// OnePartition is what a disk with more than one filesystem for the system is
	// answered with; the ESP and swap do not count.
	OnePartition *Refusal `json:"one_partition,omitempty"`
	// Physical is what the image of a physical machine is answered with.
	Physical *Refusal `json:"physical_machine,omitempty"`
	// Filesystems are the types that the root may have, Refused what is refused
	// of them, Volumes what is refused of the layers below and beside.
	Filesystems *Rule     `json:"root_filesystems,omitempty"`
	Refused     []Refusal `json:"refused_filesystems,omitempty"`
	Volumes     []Refusal `json:"refused_volumes,omitempty"`
	// Disk and NIC are groups of kernel modules, one group of which must be there
	// whole: for the boot disk before the root is mounted, for the network at any
	// time.
	Disk  Groups  `json:"boot_disk_any_of,omitzero"`
	NIC   Groups  `json:"nic_any_of,omitzero"`
	Extra []Extra `json:"extra_modules,omitempty"`
	// Architectures are those of its machines ("x86_64", "i386", "arm64"),
	// MinKernel the oldest kernel ("3.10"), Console the kernel's console
	// argument there ("ttyS0,115200n8"), the likeliest first.
	Architectures Names `json:"architectures,omitzero"`
	MinKernel     *Word `json:"min_kernel,omitempty"`
	Console       Names `json:"console,omitzero"`
	// DiskNames are the names the boot disk may have ("vda"), NICNames those of
	// the first network card, the likeliest first.
	DiskNames Names `json:"disk_names,omitzero"`
	NICNames  Names `json:"nic_names,omitzero"`
	// NICs is how many network cards an imported machine has.
	NICs *Figure `json:"nics,omitempty"`
	// Datasources are cloud-init's data sources that it offers.
	// Seed is "on-request" where one is there only if the machine's owner attaches
	// it; nil where every machine has it.
	Datasources Names `json:"datasources,omitzero"`
	Seed        *Word `json:"datasource_seed,omitempty"`
	// Agents are the platforms whose guest agents belong there.
	Agents []string `json:"agent_platforms,omitempty"`
	// Severity changes a check's severity for this target.
	Severity map[string]Override `json:"severity,omitempty"`
	// Errors are the importer's own error codes, by check id.
	Errors map[string]string `json:"error_codes,omitempty"`
	// ErrorSource is where they were read.
	ErrorSource int `json:"error_codes_source,omitempty"`
	// Commands lead there, in order; Restrictions are what no check asks.
	Commands     []Command `json:"commands,omitempty"`
	Restrictions []Text    `json:"restrictions,omitempty"`

	// From are the user's files that the target was read from or changed by.
	From []string `json:"-"`
}

// All returns every embedded target, by id.
func All() ([]*Target, error) {
	s, err := Embedded()
	if err != nil {
		return nil, err
	}
	return s.All(), nil
}

// IDs returns the ids of all embedded targets, sorted.
func IDs() ([]string, error) {
	all, err := All()
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(all))
	for i, t := range all {
		ids[i] = t.ID
	}
	return ids, nil
}

// ErrUnknown is what Load answers to an id that there is no file for.
var ErrUnknown = errors.New("unknown target")

// UnknownError is an ErrUnknown that says what there is. Of a family, the name in
// Known is followed by " (all of it)".
type UnknownError struct {
	Name  string
	Known []string
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("%v %q: known are %s", ErrUnknown, e.Name, strings.Join(e.Known, ", "))
}

func (e *UnknownError) Unwrap() error { return ErrUnknown }

// Load returns the embedded targets with the given ids or families, in that
// order and each once.
func Load(ids ...string) ([]*Target, error) {
	s, err := Embedded()
	if err != nil {
		return nil, err
	}
	return s.Choose(ids...)
}

// Embedded is the set of the targets that migimg knows by itself.
func Embedded() (*Set, error) {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil, err
	}
	s := &Set{}
	for _, e := range entries {
		b, err := files.ReadFile(e.Name())
		if err != nil {
			return nil, err
		}
		t := &Target{}
		if err := decode(b, t); err != nil {
			return nil, fmt.Errorf("target %s: %w", e.Name(), err)
		}
		if t.ID+".json" != e.Name() {
			return nil, fmt.Errorf("target %s: its id is %q", e.Name(), t.ID)
		}
		s.all = append(s.all, t)
	}
	s.sort()
	return s, nil
}

// Modules are all kernel modules that a target asks about.
func (t *Target) Modules() (names []string) {
	for _, groups := range [][][]string{t.Disk.AnyOf, t.NIC.AnyOf} {
		for _, g := range groups {
			names = append(names, g...)
		}
	}
	for _, e := range t.Extra {
		names = append(names, e.Any...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// FormatsFor are the image formats that it takes of a disk of size bytes, best
// first.
func (t *Target) FormatsFor(size int64) []string {
	formats := t.Formats.Values
	for _, s := range t.Larger {
		if size > s.Above && len(s.Formats) > 0 {
			formats = s.Formats
		}
	}
	return formats
}

// Package targets holds what is known of the clouds and hypervisors that import
// images: one data file each, embedded. A new target is a new file and nothing
// else.
//
// Every figure in a file carries the place it was read in (an index into
// "sources") and how sure it is. What a target does not say is left out, and a
// check that would need it does not judge.
package targets

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

//go:embed *.json
var files embed.FS

// Target is what one importer takes.
type Target struct {
	// ID is the name on the command line; Title is for people.
	ID    string `json:"id"`
	Title string `json:"title"`
	// AsOf is the date ("2026-11-23") at which the file was checked against its
	// sources.
	AsOf    string   `json:"as_of"`
	Sources []Source `json:"sources"`
	// Formats are the image formats it takes, best first.
	Formats Names `json:"formats"`
	// MaxVirtual bounds the disk's size, MaxImage that of the image file as
	// qcow2, in bytes.
	MaxVirtual *Figure `json:"max_virtual_bytes,omitempty"`
	MaxImage   *Figure `json:"max_image_bytes,omitempty"`
	// SectorSize is the logical sector size of its disks, in bytes.
	SectorSize *Figure `json:"sector_size,omitempty"`
	// Tables and Firmware are what it starts; a kind that is not named is
	// answered with the severity and note of the rule.
	Tables   Rule `json:"partition_tables"`
	Firmware Rule `json:"firmware"`
	// Disk and NIC are groups of kernel modules, one group of which must be there
	// whole: for the boot disk before the root is mounted, for the network at any
	// time.
	Disk  Groups  `json:"boot_disk_any_of"`
	NIC   Groups  `json:"nic_any_of"`
	Extra []Extra `json:"extra_modules,omitempty"`
	// DiskNames are the names the boot disk may have ("vda"), NICNames those of
	// the first network card, the likeliest first.
	DiskNames Names `json:"disk_names"`
	NICNames  Names `json:"nic_names"`
	// NICs is how many network cards an imported machine has.
	NICs *Figure `json:"nics,omitempty"`
	// Datasources are cloud-init's data sources that it offers.
	Datasources Names `json:"datasources"`
	// Agents are the platforms whose guest agents belong there.
	Agents []string `json:"agent_platforms,omitempty"`
	// Severity changes a check's severity for this target.
	Severity map[string]Override `json:"severity,omitempty"`
	// Errors are the importer's own error codes, by check id.
	Errors map[string]string `json:"error_codes,omitempty"`
	// ErrorSource is where they were read.
	ErrorSource int `json:"error_codes_source,omitempty"`
}

// Source is a document.
type Source struct {
	// Ref is an address or a repository path with a commit; Date that of its
	// text, Title what it is.
	Ref   string `json:"ref"`
	Title string `json:"title"`
	Date  string `json:"date"`
}

// Fact is what every figure has: its source's index, from 0, and how sure it is
// ("confirmed", "old", "doubtful").
type Fact struct {
	Source int    `json:"source"`
	Sure   string `json:"confidence"`
	Note   string `json:"note,omitempty"`
}

// Figure is a number of bytes, or a count.
type Figure struct {
	Value int64 `json:"value"`
	Fact
}

// Names is a list of words.
type Names struct {
	Values []string `json:"values"`
	Fact
}

// Groups are alternatives, each a set of kernel modules that belong together.
type Groups struct {
	AnyOf [][]string `json:"any_of"`
	Fact
}

// Extra are modules of which one should be there, and why.
type Extra struct {
	Any []string `json:"any"`
	Why string   `json:"why"`
	Fact
}

// Rule names what is taken, and what follows for anything else.
type Rule struct {
	Values []string `json:"values"`
	// Otherwise is the severity for a kind that is not in Values.
	Otherwise string `json:"otherwise"`
	// Advice is what to do then.
	Advice string `json:"advice,omitempty"`
	Fact
}

// Override is a severity for one check, with its reason.
type Override struct {
	Severity string `json:"severity"`
	Why      string `json:"why"`
	Fact
}

// All returns every target, by id.
func All() ([]*Target, error) {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil, err
	}
	var all []*Target
	for _, e := range entries {
		b, err := files.ReadFile(e.Name())
		if err != nil {
			return nil, err
		}
		t, err := parse(b)
		if err != nil {
			return nil, fmt.Errorf("target %s: %w", e.Name(), err)
		}
		if t.ID+".json" != e.Name() {
			return nil, fmt.Errorf("target %s: its id is %q", e.Name(), t.ID)
		}
		all = append(all, t)
	}
	return all, nil
}

// IDs returns the ids of all targets, sorted.
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

// Load returns the targets with the given ids, in that order and each once.
func Load(ids ...string) ([]*Target, error) {
	all, err := All()
	if err != nil {
		return nil, err
	}
	var out []*Target
	for _, id := range ids {
		i := slices.IndexFunc(all, func(t *Target) bool { return t.ID == id })
		if i < 0 {
			known := make([]string, len(all))
			for k, t := range all {
				known[k] = t.ID
			}
			return nil, fmt.Errorf("%w %q: known are %s", ErrUnknown, id, strings.Join(known, ", "))
		}
		if !slices.Contains(out, all[i]) {
			out = append(out, all[i])
		}
	}
	return out, nil
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

func parse(b []byte) (*Target, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	t := &Target{}
	if err := d.Decode(t); err != nil {
		return nil, err
	}
	return t, nil
}

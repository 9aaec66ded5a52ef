// Package merge makes one report of the preflight reports of many hosts: which can
// move, and what keeps the others, grouped by cause.
//
// # What is what
//
// A file is one report, of one disk. A host is the machine that files of one name
// are of; it may have several disks, and several reports of each, of which the
// newest counts. A cause is a check together with what is to be done about it.
//
// # What may never happen
//
// A host that cannot move must not look as if it could, and none may be missing.
// So every file with the ending .json counts for something: it is a host's report,
// an older one of the same disk, or unreadable, and all are told. A host with an
// unreadable file is undecided at best. Two machines under one name stay two.
//
// Reports are read one after the other; of each only what is told is kept, and
// equal texts once.
package merge

import (
	"context"
	"strings"
	"time"

	"migimg/preflight"
	"migimg/preflight/checks"
)

// Options are what is wanted of the reports. The zero value is all of it.
type Options struct {
	// Targets are the ids that hosts are judged for; a host without a report for
	// one of them is undecided. Empty: each host counts for the targets that its
	// reports are for.
	Targets []string
	// Progress is told how many of the files have been read.
	Progress func(done, all int)
}

// Fleet is what the reports of many hosts say. It is immutable.
type Fleet struct {
	Made time.Time
	// Targets are all that hosts are judged for, in the order of the reports.
	Targets []Target
	Hosts   []Host // by name
	Causes  []Cause
	// Texts and Fixes are what findings say, and what is to be done: each once.
	Texts []Text
	Fixes []Fix
	// Unreadable are files that are no reports, or no whole ones. Each belongs to
	// a host, which is undecided or worse.
	Unreadable []File
	// Older are reports of which there is a newer one of the same disk.
	Older []Older
	// Alike are hosts that may be one, or one name that several machines have.
	Alike []Alike
	// Files is how many files there were; Passed how many others there were in the
	// folders, which were not looked into: they do not end in .json, are hidden, or
	// are merged reports.
	Files, Passed int
}

// Target is a cloud or hypervisor.
type Target struct{ ID, Title string }

// Host is one machine.
type Host struct {
	// Name is unique in the fleet.
	Name string
	// Called is how the system calls itself, where that is another name.
	Called string
	// System and Firmware are those of the disk that has an operating system. Data
	// says that it is known that none has one.
	System, Firmware string
	Data             bool
	Disks            []Disk
	// Verdict is the worst of Verdicts; preflight.Unknown for a host none of whose
	// files could be read.
	Verdict preflight.Verdict
	// Verdicts are by target, in the order of Fleet.Targets; "" where the host was
	// not judged for it.
	Verdicts []preflight.Verdict
	Findings []Finding
	// Unreadable are the host's files that could not be read.
	Unreadable []string
	// Gaps are what the host is undecided for because there is no report on it.
	Gaps []Gap

	severity checks.Severity // the highest of a finding that is not waived
}

// Gap is a target that a disk was not judged for. Device is empty where no disk was.
type Gap struct{ Device, Target string }

// Lost says that nothing is known of the host: none of its files could be read.
func (h *Host) Lost() bool { return len(h.Disks) == 0 }

// Disk is one disk's newest report.
type Disk struct {
	Device  string
	File    string
	Made    time.Time
	Size    int64 // bytes
	Carried int64 // bytes that an image carries
}

// State is what a finding does to a host for one target.
type State byte

// The states, worst first.
const (
	Blocks    State = 'b' // refused at the import, or does not boot
	Undecided State = 'u' // may block, and could not be found out
	Warns     State = 'w'
	Notes     State = 'n' // is true, and matters little
	Waived    State = 'a' // the owner accepts it
	None      State = '-' // passed, does not apply, or was not judged
)

// Finding is what one check found on a disk. Where the check says different things
// for different targets, there is one for each.
type Finding struct {
	Disk, Cause, Text, Fix int // indexes; Disk is the host's, the others are the fleet's
	// States are by target, in the order of Fleet.Targets.
	States string
}

// For is the state for a target; i < 0 is the worst one.
func (f *Finding) For(i int) State {
	if i >= 0 {
		return State(f.States[i])
	}
	for _, s := range []State{Blocks, Undecided, Warns, Notes, Waived} {
		if strings.IndexByte(f.States, byte(s)) >= 0 {
			return s
		}
	}
	return None
}

// Text is what a finding says, in English and as its templates.
type Text struct {
	English  string
	Messages []checks.Message
}

// Fix is what is to be done about a finding.
type Fix []checks.Remediation

// File is a file that could not be used, and why. Host is its host's name.
type File struct{ Path, Host, Why string }

// Older is a report that was replaced by a newer one.
type Older struct {
	Path, Host string
	Made       time.Time
	Newer      string // the file that counts
}

// Alike are hosts of one name.
type Alike struct {
	Name string
	// Called: the hosts' systems call themselves so; else their files do.
	Called bool
	Hosts  []string
}

// Read merges the reports in files and folders. Names in the error are those that
// could not be used at all; files that are no reports are in the fleet.
func Read(ctx context.Context, paths []string, o Options) (*Fleet, error) {
	files, passed, err := find(ctx, paths)
	if err != nil {
		return nil, err
	}
	b := newBuilder(o.Targets)
	err = readAll(ctx, files, func(i int, r *slim, why error) {
		b.add(files[i], r, why)
		if o.Progress != nil {
			o.Progress(i+1, len(files))
		}
	})
	if err != nil {
		return nil, err
	}
	f := b.fleet()
	f.Made = time.Now().UTC()
	f.Files, f.Passed = len(files)-b.merged, passed+b.merged
	return f, nil
}

// Counts are hosts by verdict. Lost are those of which no file could be read, and
// Unjudged those that the target does not concern; neither is in Unknown.
type Counts struct {
	Ready    int `json:"ready"`
	Warnings int `json:"ready-with-warnings"`
	Blocked  int `json:"blocked"`
	Unknown  int `json:"unknown"`
	Lost     int `json:"unreadable"`
	Unjudged int `json:"not-judged"`
}

// Count counts the hosts' verdicts for a target; i < 0 is over all of them.
func (f *Fleet) Count(i int) (c Counts) {
	for k := range f.Hosts {
		h := &f.Hosts[k]
		v := h.Verdict
		if i >= 0 {
			v = h.Verdicts[i]
		}
		switch {
		case h.Lost():
			c.Lost++
		case v == preflight.Ready:
			c.Ready++
		case v == preflight.Warnings:
			c.Warnings++
		case v == preflight.Blocked:
			c.Blocked++
		case v == "":
			c.Unjudged++
		default:
			c.Unknown++
		}
	}
	return c
}

// ExitCode is the program's for a fleet, as preflight.ExitCode has it for a report:
// 2 where a host is blocked, else 4 where one is undecided or a file could not be
// read, else 3 where failOn asks for it.
func (f *Fleet) ExitCode(failOn string) int {
	c := f.Count(-1)
	switch {
	case failOn == "never":
		return 0
	case c.Blocked > 0:
		return 2
	case c.Unknown+c.Lost+c.Unjudged > 0:
		return 4
	case failOn == "warn" && c.Warnings > 0:
		return 3
	}
	if floor := checks.Severity(failOn).Rank(); floor >= 0 && floor < checks.Blocker.Rank() {
		for i := range f.Hosts {
			if f.Hosts[i].severity.Rank() >= floor {
				return 3
			}
		}
	}
	return 0
}

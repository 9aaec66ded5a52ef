package checks

import (
	"fmt"
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

var diskSizeLimit = Check{
	ID: "disk.size-limit", Code: "MIG1104", Title: "Disk and image are within the target's limits", Category: "disk", Severity: Blocker,
	Impact: "The import is refused.",
	Run: ofEach(func(f *facts.Facts, t *targets.Target) Result {
		d := f.Disk
		r := pass("%s, of which %s are carried", size(d.Size), size(d.Carried)).with(value("virtual size", fmt.Sprint(d.Size), ""), value("carried", fmt.Sprint(d.Carried), ""))
		for _, one := range []Result{largest(d, t), smallest(d, t), multiple(d, t), imageSize(d, t), compressed(d, t), larger(d, t), formats(d, t)} {
			if one.Status == Pass && one.Summary != "" { // passes, with a note
				r = r.also(one)
			}
			r = worst(r, one)
		}
		return r
	}),
}

var within = Result{Status: Pass}

// above judges a size against an upper limit; what is a phrase with the size.
func above(t *targets.Target, m *targets.Figure, n int64, key, what string) Result {
	if m == nil {
		return within
	}
	ev := sourced(t, m.Fact, key, fmt.Sprint(n), "at most "+fmt.Sprint(m.Value))
	certain := m.Value
	if m.CertainTo > 0 {
		certain = m.CertainTo
	}
	switch {
	case n > m.Value:
		return outside(m.Otherwise, "%s, the limit is %s", what, size(m.Value)).with(ev).advise(m.Advice, m.Error)
	case n > certain:
		return warn(Medium, "%s is at the limit, which the documents do not give to the byte: %d, or %d", what, certain, m.Value).with(ev)
	}
	return within
}

func largest(d facts.Disk, t *targets.Target) Result {
	r := above(t, t.MaxVirtual, d.Size, "virtual size", fmt.Sprintf("a disk of %s", size(d.Size)))
	if r.Status == Pass {
		return r
	}
	return r.hint("Move data to a second disk and shrink the partitions (--shrink then makes the image's disk smaller), or export only the partitions that are needed (--partitions).")
}

// imageSize judges the image's size after the importer's own conversion to
// qcow2: what migimg's qcow2 takes is the best estimate of it.
func imageSize(d facts.Disk, t *targets.Target) Result {
	est := d.Carried
	for _, o := range d.Outputs {
		if o.Format == "qcow2" && o.Err == "" && o.Size > 0 {
			est = o.Size
		}
	}
	r := above(t, t.MaxImage, est, "image size", fmt.Sprintf("an image of %s as qcow2", size(est)))
	if r.Status == Pass {
		return r
	}
	return r.hint("Remove what is not needed, or move it to another disk; free space is not carried.")
}

// compressed judges a limit on what gzip makes of the image. How small that is
// shows only when it is done, so more data than the limit is no proof.
func compressed(d facts.Disk, t *targets.Target) Result {
	m := t.MaxCompressed
	if m == nil || d.Carried <= m.Value {
		return within
	}
	return warn(Medium, "%s are carried, and compressed they may take at most %s: gzip decides", size(d.Carried), size(m.Value)).
		with(sourced(t, m.Fact, "carried", fmt.Sprint(d.Carried), "at most "+fmt.Sprint(m.Value)+" after gzip")).advise(m.Advice, m.Error)
}

// offending says whether files in the target's formats are there and all of
// their disks are bad; none is no proof, since migimg rounds the disk up when it
// is told to.
func offending(d facts.Disk, t *targets.Target, bad func(size int64) bool) bool {
	seen := false
	for _, o := range d.Outputs {
		if o.Err != "" || o.VirtualSize == 0 || !slices.Contains(t.Formats.Values, o.Format) {
			continue
		}
		if !bad(o.VirtualSize) {
			return false
		}
		seen = true
	}
	return seen
}

func smallest(d facts.Disk, t *targets.Target) Result {
	m := t.MinVirtual
	if m == nil || d.Size >= m.Value {
		return within
	}
	ev := sourced(t, m.Fact, "virtual size", fmt.Sprint(d.Size), "at least "+fmt.Sprint(m.Value))
	if offending(d, t, func(n int64) bool { return n < m.Value }) {
		return outside(m.Otherwise, "a disk of %s, the target's are at least %s", size(d.Size), size(m.Value)).with(ev).advise(m.Advice, m.Error).
			hint("Make the image's disk larger: --round %s.", roundArgument(m.Value))
	}
	return pass("migimg rounds the disk up to the target's least, %s, with --round %s", size(m.Value), roundArgument(m.Value)).with(ev)
}

func multiple(d facts.Disk, t *targets.Target) Result {
	m := t.Multiple
	if m == nil || d.Size%m.Value == 0 {
		return within
	}
	ev := sourced(t, m.Fact, "virtual size", fmt.Sprint(d.Size), "a multiple of "+fmt.Sprint(m.Value))
	if offending(d, t, func(n int64) bool { return n%m.Value != 0 }) {
		return outside(m.Otherwise, "a disk of %d bytes is no multiple of %s", d.Size, size(m.Value)).with(ev).advise(m.Advice, m.Error).
			hint("Mount with --target %s: the disk in its file is rounded up. Or round all of them up: --round %s.", t.ID, roundArgument(m.Value))
	}
	return pass("%d bytes are no multiple of %s: mount --target %s rounds the disk of its file up", d.Size, size(m.Value), t.ID).with(ev)
}

// roundArgument writes a size as --round takes it.
func roundArgument(n int64) string {
	for _, u := range []struct {
		unit int64
		name string
	}{{1 << 30, "G"}, {1 << 20, "M"}, {1 << 10, "K"}} {
		if n%u.unit == 0 {
			return fmt.Sprint(n/u.unit) + u.name
		}
	}
	return fmt.Sprint(n)
}

// larger says what is different for a disk of this size.
func larger(d facts.Disk, t *targets.Target) Result {
	r := within
	for _, s := range t.Larger {
		if d.Size <= s.Above {
			continue
		}
		why := s.Why
		if len(s.Formats) > 0 {
			why += " (" + words(s.Formats) + ")"
		}
		r = worst(r, warn(Medium, "above %s: %s", size(s.Above), why).
			with(sourced(t, s.Fact, "virtual size", fmt.Sprint(d.Size), "at most "+fmt.Sprint(s.Above))).advise(s.Advice, ""))
	}
	return r
}

// formats says whether any of the files that the target takes is there.
func formats(d facts.Disk, t *targets.Target) Result {
	if len(d.Outputs) == 0 || len(t.Formats.Values) == 0 {
		return within
	}
	var gone []string
	for _, name := range t.Formats.Values {
		i := slices.IndexFunc(d.Outputs, func(o facts.Output) bool { return o.Format == name })
		switch {
		case i < 0:
		case d.Outputs[i].Err == "":
			return within.with(value("format", name, strings.Join(t.Formats.Values, "|")))
		default:
			gone = append(gone, name+": "+d.Outputs[i].Err)
		}
	}
	if len(gone) > 0 {
		return fail("", "no format that the target takes can be made (%s)", strings.Join(gone, "; "))
	}
	return pass("the file that the target takes (%s) is in targets of a mount with --target %s", words(t.Formats.Values), t.ID).
		with(sourced(t, t.Formats.Fact, "format", outputs(d), strings.Join(t.Formats.Values, "|")))
}

func outputs(d facts.Disk) string {
	var names []string
	for _, o := range d.Outputs {
		if o.Err == "" {
			names = append(names, o.Format)
		}
	}
	return strings.Join(names, " ")
}

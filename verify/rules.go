package verify

import (
	"fmt"
	"slices"
	"strings"

	"migimg/verify/decoder"
	"migimg/verify/ptable"
)

// Rules are what an importer takes.
type Rules struct {
	// Name of the target.
	Name string
	// Formats by their names as in [Report.Kind]; none: any.
	Formats []string
	// MinDisk and MaxDisk bound the virtual disk, in bytes; Multiple is what it must be a
	// multiple of.
	MinDisk, MaxDisk, Multiple Limit
	// MaxFile bounds the file, by its kind.
	MaxFile map[string]Limit
	// Tables are the kinds of partition tables, as package ptable names them; none: any.
	Tables Words
}

// Limit is a number of bytes; 0 is none.
type Limit struct {
	Bytes int64
	// Refused says that the importer refuses what is beyond it; else that is only odd.
	Refused bool
	// Error is the importer's own word for it; may be empty.
	Error string
}

// Words are some that are taken; others are refused or only odd.
type Words struct {
	Taken   []string
	Refused bool
	Error   string
}

// check adds what a target has to say to the report.
func (r Rules) check(report *Report, t *ptable.Table) Aspect {
	ps := &decoder.Problems{}
	say := func(refused bool, word, format string, a ...any) {
		add := ps.Warnf
		if refused {
			add = ps.Failf
		}
		if word != "" {
			format += " (%s)"
			a = append(a, word)
		}
		add(-1, format, a...)
	}
	if kind := report.Kind; len(r.Formats) > 0 && !slices.Contains(r.Formats, kind) {
		ps.Failf(-1, "it does not take %s; it takes %s", kind, strings.Join(r.Formats, ", "))
	}
	if size := report.VirtualSize; size < 0 {
		ps.Unknownf(-1, "the disk cannot be read, so its size is not known")
	} else {
		if l := r.MinDisk; size < l.Bytes {
			say(l.Refused, l.Error, "a disk of %d bytes: the least is %d", size, l.Bytes)
		}
		if l := r.MaxDisk; l.Bytes > 0 && size > l.Bytes {
			say(l.Refused, l.Error, "a disk of %d bytes: the most is %d", size, l.Bytes)
		}
		if l := r.Multiple; l.Bytes > 0 && size%l.Bytes != 0 {
			say(l.Refused, l.Error, "a disk of %d bytes is no multiple of %d", size, l.Bytes)
		}
	}
	if l := r.MaxFile[report.Kind]; l.Bytes > 0 && report.FileSize > l.Bytes {
		say(l.Refused, l.Error, "a file of %d bytes: the most is %d", report.FileSize, l.Bytes)
	}
	if w := r.Tables; len(w.Taken) > 0 && t != nil && !slices.Contains(w.Taken, t.Kind) {
		say(w.Refused, w.Error, "the partition table is %s; it takes %s", t.Kind, strings.Join(w.Taken, ", "))
	}
	summary := "takes it"
	if ps.Count(decoder.Fail) > 0 {
		summary = "refuses it"
	}
	return NewAspect("target "+r.Name, fmt.Sprintf("%s: %s, a disk of %d bytes", summary, report.Kind, report.VirtualSize), ps)
}

// kinds are names of formats that have several kinds, by the first word of what their
// decoders say of an image.
var kinds = map[string]map[string]string{
	VHD:     {"fixed": "vhd-fixed"},
	VMDK:    {"monolithicSparse": "vmdk-sparse", "monolithicFlat": "vmdk-flat-hosted", "vmfs": "vmdk-flat"},
	Tar:     {"": "tar"},
	TarGzip: {"": "tar.gz"},
}

// kindOf is the kind of an image: what targets distinguish.
func kindOf(format, summary string) string {
	word := strings.FieldsFunc(summary, func(c rune) bool { return c == ' ' || c == ',' })
	if len(word) > 0 && kinds[format][word[0]] != "" {
		return kinds[format][word[0]]
	}
	if k := kinds[format][""]; k != "" {
		return k
	}
	return format
}

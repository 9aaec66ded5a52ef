package decoder

import (
	"errors"
	"fmt"
	"strings"
)

// Severity says what a problem means for the image.
type Severity string

const (
	Fail    Severity = "fail"    // the image is not what it must be
	Warn    Severity = "warn"    // odd, or a dialect that some readers refuse
	Unknown Severity = "unknown" // it could not be found out
)

// Problem is one thing found in an image.
type Problem struct {
	Severity Severity `json:"severity"`
	// Offset is in bytes of the virtual disk; -1 where it has none.
	Offset int64 `json:"offset"`
	// Length in bytes of the virtual disk; 0 where it is of no range.
	Length int64 `json:"length,omitempty"`
	// FileOffset is in bytes of the image file; -1 where it has none.
	FileOffset int64 `json:"file_offset"`
	// What is for people, in one line.
	What string `json:"what"`
	// Where names what lies at Offset ("partition 2 (ext4 /)"); may be empty.
	Where string `json:"where,omitempty"`
}

// Line is the problem for people, with where it is.
func (p Problem) Line() string {
	var at []string
	if p.Offset >= 0 {
		at = append(at, fmt.Sprintf("disk byte %d", p.Offset))
	}
	if p.FileOffset >= 0 {
		at = append(at, fmt.Sprintf("file byte %d", p.FileOffset))
	}
	if p.Where != "" {
		at = append(at, p.Where)
	}
	if len(at) == 0 {
		return p.What
	}
	return p.What + " [" + strings.Join(at, ", ") + "]"
}

// MaxListed is how many problems of one severity a [Problems] keeps. All are
// counted.
const MaxListed = 20

// Problems collects problems. The zero value is empty and ready. It is not safe
// for concurrent use.
type Problems struct {
	list   []Problem
	counts map[Severity]int64
}

// Add keeps p, or only counts it where there are too many.
func (ps *Problems) Add(p Problem) {
	if ps.counts == nil {
		ps.counts = map[Severity]int64{}
	}
	ps.counts[p.Severity]++
	if ps.counts[p.Severity] <= MaxListed {
		ps.list = append(ps.list, p)
	}
}

func (ps *Problems) addf(s Severity, fileOff int64, format string, a []any) {
	p := Problem{Severity: s, Offset: -1, FileOffset: fileOff}
	if ps.counts[s] < MaxListed { // a damaged table may have millions
		p.What = fmt.Sprintf(format, a...)
	}
	ps.Add(p)
}

// Failf adds a defect at a file offset (-1 for none).
func (ps *Problems) Failf(fileOff int64, format string, a ...any) {
	ps.addf(Fail, fileOff, format, a)
}

// Warnf adds an oddity at a file offset (-1 for none).
func (ps *Problems) Warnf(fileOff int64, format string, a ...any) {
	ps.addf(Warn, fileOff, format, a)
}

// Unknownf adds what could not be checked at a file offset (-1 for none).
func (ps *Problems) Unknownf(fileOff int64, format string, a ...any) {
	ps.addf(Unknown, fileOff, format, a)
}

// Err adds an error met while reading what: unknown where the file could not be
// read, a defect otherwise.
func (ps *Problems) Err(fileOff int64, what string, err error) {
	ps.Add(Problem{Severity: SeverityOf(err), Offset: -1, FileOffset: fileOff, What: what + ": " + err.Error()})
}

// SeverityOf tells an image that could not be read from one that is damaged.
func SeverityOf(err error) Severity {
	var re *ReadError
	if errors.As(err, &re) {
		return Unknown
	}
	return Fail
}

// Count is how many problems of the severity were added, the unlisted included.
func (ps *Problems) Count(s Severity) int64 { return ps.counts[s] }

// List gives what was kept, in the order in which it was added, and at the end
// of each severity that overflowed how many more there were.
func (ps *Problems) List() []Problem {
	out := append([]Problem(nil), ps.list...)
	for _, s := range []Severity{Fail, Unknown, Warn} {
		if more := ps.counts[s] - MaxListed; more > 0 {
			out = append(out, Problem{Severity: s, Offset: -1, FileOffset: -1, What: fmt.Sprintf("%d more like these", more)})
		}
	}
	return out
}

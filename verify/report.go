package verify

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"migimg/verify/boot"
	"migimg/verify/decoder"
)

// Status of an aspect or of a whole image.
type Status string

const (
	Pass    Status = "pass"
	Fail    Status = "fail"
	Unknown Status = "unknown" // not found out; never counted as pass
	Skip    Status = "skip"    // does not apply, or was not asked for
)

// Names of aspects. Those of external programs are the program's.
const (
	Structure      = "structure"
	Content        = "content"
	PartitionTable = "partition table"
)

// Problem is one thing found in an image. Its severity is "fail", "unknown" or
// "warn".
type Problem = decoder.Problem

// Aspect is one thing that was looked at.
type Aspect struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	// Summary is one line for people.
	Summary  string    `json:"summary"`
	Problems []Problem `json:"problems,omitempty"`
}

// Report is what Check found out about an image.
type Report struct {
	Image  string `json:"image"`
	Format string `json:"format"`
	// Kind tells formats apart that one name is used for, as migimg's own names of formats
	// do: "vhd" is dynamic, "vhd-fixed" is not.
	Kind string `json:"kind"`
	// FileSize and VirtualSize are in bytes; VirtualSize is -1 where the image
	// cannot be decoded.
	FileSize    int64 `json:"file_size"`
	VirtualSize int64 `json:"virtual_size"`
	// Compared is how many bytes of the disk were held against the source,
	// Zeros how many were read from the image and had to be zeros, and Holes how
	// many neither the image holds nor the source carries. Without a source,
	// Decoded is how many bytes the image holds.
	Compared int64 `json:"bytes_compared"`
	Zeros    int64 `json:"bytes_zero"`
	Holes    int64 `json:"bytes_holes"`
	Decoded  int64 `json:"bytes_decoded,omitempty"`
	// Proven is nil unless a manifest was given.
	Proven  *Proven  `json:"proven,omitempty"`
	Verdict Status   `json:"verdict"`
	Aspects []Aspect `json:"aspects"`
	// Boot is what came of starting it; nil where that was not asked for, or could
	// not be done.
	Boot *boot.Result `json:"boot,omitempty"`
}

// Proven says how much of a disk is what a manifest says.
type Proven struct {
	// Bytes are proven, holes among them, of so many that the disk has.
	Bytes int64 `json:"bytes"`
	Of    int64 `json:"of"`
	// T0 is the moment that the manifest stands for, and Consistency how exactly.
	T0          time.Time `json:"t0"`
	Consistency string    `json:"consistency"`
}

// Percent is the share, cut off rather than rounded: 100 % is all.
func (p *Proven) Percent() string {
	if p.Of == 0 || p.Bytes == p.Of {
		return "100 %"
	}
	return fmt.Sprintf("%.2f %%", math.Floor(float64(p.Bytes)/float64(p.Of)*1e4)/1e2)
}

// OK says that nothing is wrong and nothing was left undecided. What was
// skipped (the content, without a source) is not counted.
func (r *Report) OK() bool { return r.Verdict == Pass }

// Undecided says that nothing is known to be wrong, but that something could
// not be found out.
func (r *Report) Undecided() bool { return r.Verdict == Unknown }

// NewAspect makes an aspect of the problems that were found: fail or unknown where one is
// that, and else pass.
func NewAspect(name, summary string, ps *decoder.Problems) Aspect {
	a := Aspect{Name: name, Status: Pass, Summary: summary, Problems: ps.List()}
	switch {
	case ps.Count(decoder.Fail) > 0:
		a.Status = Fail
	case ps.Count(decoder.Unknown) > 0:
		a.Status = Unknown
	}
	return a
}

// Add adds what else was looked at, and draws the verdict anew.
func (r *Report) Add(as ...Aspect) {
	r.Aspects = append(r.Aspects, as...)
	r.Verdict = verdict(r.Aspects)
}

func verdict(as []Aspect) Status {
	v := Pass
	for _, a := range as {
		switch {
		case a.Status == Fail:
			return Fail
		case a.Status == Unknown:
			v = Unknown
		}
	}
	return v
}

// WriteTable writes reports for people: a line for each image, one for each
// aspect, and below it what was found.
func WriteTable(w io.Writer, reports ...*Report) error {
	var b strings.Builder
	for i, r := range reports {
		if i > 0 {
			b.WriteByte('\n')
		}
		r.write(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) write(b *strings.Builder) {
	fmt.Fprintf(b, "%s: %s  (%s, file of %d bytes", r.Image, strings.ToUpper(string(r.Verdict)), r.Format, r.FileSize)
	if r.VirtualSize >= 0 {
		fmt.Fprintf(b, ", disk of %d bytes", r.VirtualSize)
	}
	b.WriteString(")\n")
	width := 16
	for _, a := range r.Aspects {
		width = max(width, len(a.Name))
	}
	for _, a := range r.Aspects {
		fmt.Fprintf(b, "  %-*s %-8s %s\n", width, a.Name, a.Status, a.Summary)
		for _, p := range a.Problems {
			fmt.Fprintf(b, "    %-8s %s\n", p.Severity, p.Line())
		}
	}
}

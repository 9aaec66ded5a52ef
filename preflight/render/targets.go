package render

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"migimg/preflight/targets"
)

// Targets writes what is known of the targets as a Markdown table, with links to the
// page of each (Target): the index in docs/targets.md.
func Targets(w io.Writer, ts []*targets.Target) error {
	b := bufio.NewWriter(w)
	line := func(format string, a ...any) { fmt.Fprintf(b, format+"\n", a...) } // bufio keeps the first error for Flush
	line("| id | what | formats, best first | limits | starts by | as of |")
	line("|---|---|---|---|---|---|")
	for _, t := range ts {
		line("| [`%s`](targets/%[1]s.md) | %s | %s | %s | %s | %s |", t.ID, cell(t.Title), cell(names(t.Formats)), cell(limits(t)), cell(starts(t)), t.AsOf)
	}
	return b.Flush()
}

// mark shows how sure a figure is.
func mark(f targets.Fact) string {
	switch f.Sure {
	case targets.Doubtful:
		return " (?)"
	case targets.Old:
		return " (old)"
	}
	return ""
}

func names(n targets.Names) string {
	if len(n.Values) == 0 {
		return "not known"
	}
	return strings.Join(n.Values, ", ") + mark(n.Fact)
}

func limits(t *targets.Target) string {
	var out []string
	add := func(format string, m *targets.Figure) {
		if m != nil {
			out = append(out, fmt.Sprintf(format, amount(m))+mark(m.Fact))
		}
	}
	add("disk at least %s", t.MinVirtual)
	add("disk at most %s", t.MaxVirtual)
	add("image at most %s as qcow2", t.MaxImage)
	add("at most %s compressed", t.MaxCompressed)
	add("whole multiples of %s", t.Multiple)
	for _, s := range t.Larger {
		text := "above " + amount(&targets.Figure{Value: s.Above}) + ": "
		if len(s.Formats) > 0 {
			text += strings.Join(s.Formats, ", ") + " alone"
		} else {
			text += s.Why
		}
		out = append(out, text+mark(s.Fact))
	}
	if r := t.Filesystems; r != nil {
		out = append(out, "root on "+strings.Join(r.Values, ", ")+mark(r.Fact))
	}
	for _, r := range t.Refused {
		out = append(out, "no "+strings.TrimSuffix(strings.Join(r.Types, ", ")+" with "+r.Feature, " with ")+mark(r.Fact))
	}
	if r := t.OnePartition; r != nil {
		out = append(out, "one partition"+mark(r.Fact))
	}
	for _, r := range t.Volumes {
		word := "no "
		if slices.Contains([]string{"medium", "low", "info"}, r.Severity) {
			word = "rather no "
		}
		out = append(out, word+strings.Join(r.Types, ", ")+mark(r.Fact))
	}
	if len(out) == 0 {
		return "none known"
	}
	return strings.Join(out, "; ")
}

// amount is a size in the unit that its document has.
func amount(m *targets.Figure) string {
	n, units, step := m.Value, []string{"bytes", "KiB", "MiB", "GiB", "TiB"}, int64(1024)
	if c := (m.CertainTo + 999) / 1000 * 1000; c > 0 && c%1e9 == 0 {
		n = c // the document's unit is the decimal one, or may be
	}
	if n%1e9 == 0 {
		units, step = []string{"bytes", "kB", "MB", "GB", "TB"}, 1000
	}
	i := 0
	for n%step == 0 && n > 0 && i < len(units)-1 {
		n, i = n/step, i+1
	}
	return fmt.Sprintf("%d %s", n, units[i])
}

func starts(t *targets.Target) string {
	var out []string
	for _, r := range []targets.Rule{t.Firmware, t.Tables} {
		var words []string
		for _, v := range r.Values {
			if v != "both" {
				words = append(words, strings.ToUpper(v))
			}
		}
		if len(words) > 0 {
			out = append(out, strings.Join(words, ", ")+mark(r.Fact))
		}
	}
	if len(out) == 0 {
		return "not known"
	}
	return strings.Join(out, "; ")
}

func drivers(t *targets.Target) string {
	var out []string
	for _, g := range []targets.Groups{t.Disk, t.NIC} {
		var words []string
		for _, ms := range g.AnyOf {
			words = append(words, strings.Join(ms, "+"))
		}
		if len(words) > 0 {
			out = append(out, strings.Join(words, " or ")+mark(g.Fact))
		}
	}
	if len(out) == 0 {
		return "not known"
	}
	return strings.Join(out, "; ")
}

// markdown keeps text from being taken for HTML.
func markdown(s string) string {
	return strings.NewReplacer("<", "&lt;", "*", `\*`, "_", `\_`).Replace(s)
}

func cell(s string) string { return strings.ReplaceAll(markdown(s), "|", `\|`) }

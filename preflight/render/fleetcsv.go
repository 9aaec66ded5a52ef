package render

import (
	"encoding/csv"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"migimg/preflight/merge"
)

// fleetColumns are the columns before the targets'; docs/fleet.md says what they hold.
var fleetColumns = []string{"host", "verdict", "calls_itself", "system", "firmware", "devices", "size_bytes", "carried_bytes", "generated_at",
	"blocked_by", "undecided_by", "warned_by", "not_judged", "unreadable", "files"}

// FleetCSV writes a line for each host (RFC 4180, UTF-8): first the columns of
// fleetColumns, then one for each target, with its verdict. Cells that a
// spreadsheet would calculate begin with an apostrophe.
func FleetCSV(w io.Writer, f *merge.Fleet) error {
	c := csv.NewWriter(w)
	c.UseCRLF = true
	head := slices.Clone(fleetColumns)
	for _, t := range f.Targets {
		head = append(head, "target:"+t.ID)
	}
	put := func(cells []string) error {
		for i := range cells {
			cells[i] = inert(clean(cells[i]))
		}
		return c.Write(cells)
	}
	if err := put(head); err != nil {
		return err
	}
	for i := range f.Hosts {
		if err := put(fleetLine(f, &f.Hosts[i])); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

func fleetLine(f *merge.Fleet, h *merge.Host) []string {
	var devices, files, made, gaps []string
	var total, carried int64
	for _, d := range h.Disks {
		devices, files, made = append(devices, d.Device), append(files, d.File), append(made, d.Made.Format("2006-01-02T15:04:05Z"))
		total, carried = total+d.Size, carried+d.Carried
	}
	for _, g := range h.Gaps {
		gaps = append(gaps, strings.TrimPrefix(g.Device+": "+g.Target, ": "))
	}
	by := func(s merge.State) string {
		var ids []string
		for k := range h.Findings {
			if x := &h.Findings[k]; strings.IndexByte(x.States, byte(s)) >= 0 && !slices.Contains(ids, f.Causes[x.Cause].Check) {
				ids = append(ids, f.Causes[x.Cause].Check)
			}
		}
		return strings.Join(ids, "; ")
	}
	verdict := string(h.Verdict)
	line := []string{h.Name, verdict, h.Called, h.System, h.Firmware, strings.Join(devices, "; "), strconv.FormatInt(total, 10), strconv.FormatInt(carried, 10), strings.Join(made, "; "),
		by(merge.Blocks), by(merge.Undecided), by(merge.Warns), strings.Join(gaps, "; "), strings.Join(h.Unreadable, "; "), strings.Join(files, "; ")}
	if h.Lost() {
		line[1], line[6], line[7] = "unreadable", "", ""
	}
	for _, v := range h.Verdicts {
		cell := string(v)
		switch {
		case h.Lost():
			cell = "unreadable"
		case cell == "":
			cell = "not-judged"
		}
		line = append(line, cell)
	}
	return line
}

// formula is what a spreadsheet calculates (OWASP, "CSV Injection"), also in the
// wide forms, and behind what other locales take for the end of a cell.
var formula = regexp.MustCompile(`(^|[;,|])(\s*)([=+@＝＋－＠-])`)

// inert puts an apostrophe before whatever a spreadsheet would calculate.
func inert(s string) string { return formula.ReplaceAllString(s, "$1$2'$3") }

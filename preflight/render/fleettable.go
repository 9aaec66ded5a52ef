package render

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"migimg/preflight/merge"
)

// topCauses is how many causes the table names; Verbose has all.
const topCauses = 10

// FleetTable writes the merged report for a terminal: hosts by verdict and target,
// the causes that keep most of them, and the files that could not be read.
func FleetTable(w io.Writer, f *merge.Fleet, o Options) error {
	if o.Width == 0 {
		o.Width = 100
	}
	o.Width = max(60, o.Width)
	p := &page{bufio.NewWriter(w), nil, o, o.texts()}
	p.line("%s", p.t.Format("migimg report  %d hosts, %d files", len(f.Hosts), f.Files))
	p.line("")
	p.fleetVerdicts(f)
	p.fleetTop(f)
	files := len(f.Unreadable)
	for i, x := range f.Unreadable {
		if i == topCauses && !o.Verbose {
			p.line("   %s", p.t.Format("and %d more", files-i))
			break
		}
		if i == 0 {
			p.line("")
			p.line(" %s", p.t.Format("%d files could not be read as reports. Their hosts count as undecided, or worse.", files))
		}
		for _, l := range fold(clean(x.Path+": "+x.Why), o.Width-4) {
			p.line("   %s", l)
		}
	}
	for i, x := range f.Alike {
		if i == 0 {
			p.line("")
		}
		if i == topCauses && !o.Verbose {
			p.line("   %s", p.t.Format("and %d more", len(f.Alike)-i))
			break
		}
		for _, l := range fold(p.t.Format("More than one host is called %s: %s", clean(x.Name), clean(strings.Join(x.Hosts, ", "))), o.Width-2) {
			p.line(" %s", l)
		}
	}
	if n := len(f.Older); n > 0 {
		p.line("")
		p.line(" %s", p.t.Format("%d older reports were replaced by newer ones of the same disk.", n))
	}
	return p.Flush()
}

const countWidth = 14

func (p *page) fleetVerdicts(f *merge.Fleet) {
	name := 22
	row := func(title string, cells []string) {
		s := " " + pad(title, name)
		for _, c := range cells {
			s += " " + strings.Repeat(" ", max(0, countWidth-1-columns(c))) + c
		}
		p.line("%s", strings.TrimRight(s, " "))
	}
	shown := fleetVerdicts[:4]
	if f.Count(-1).Lost > 0 {
		shown = fleetVerdicts[:5]
	}
	var heads []string
	for _, v := range shown {
		heads = append(heads, p.t.Text(v.word))
	}
	row("", heads)
	for i := -1; i < len(f.Targets); i++ {
		title := p.t.Text("all, the worst of them")
		if i >= 0 {
			title = clean(f.Targets[i].ID)
		} else if len(f.Targets) == 1 {
			continue
		}
		var cells []string
		c := f.Count(i)
		for _, v := range shown {
			cells = append(cells, fmt.Sprint(v.of(c)))
		}
		row(title, cells)
	}
}

func (p *page) fleetTop(f *merge.Fleet) {
	n := 0
	for i := range f.Causes {
		c := &f.Causes[i]
		if c.All.Blocked+c.All.Undecided == 0 {
			continue
		}
		if n++; n > topCauses && !p.o.Verbose {
			continue
		}
		if n == 1 {
			p.line("")
			p.line(" %s", p.t.Text("What keeps the hosts:"))
		}
		word, color, count := p.t.Text("BLOCK"), "31", c.All.Blocked
		if count == 0 {
			word, color, count = p.t.Text("????"), "35", c.All.Undecided
		}
		text := clean(p.t.Text(c.Title))
		if b := p.brief(f, c); b != "" {
			text += ": " + b
		}
		lines := fold(text, max(20, p.o.Width-1-6-1-6-1-idWidth-1))
		p.line(" %6d %s %s %s", count, p.paint(color, pad(word, 6)), pad(clean(c.Check), idWidth), lines[0])
		for _, l := range lines[1:] {
			p.line("%s%s", strings.Repeat(" ", 1+6+1+6+1+idWidth+1), l)
		}
	}
	if n > topCauses && !p.o.Verbose {
		p.line("   %s", p.t.Format("and %d more", n-topCauses))
	}
}

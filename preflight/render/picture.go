package render

import (
	"fmt"
	"strings"

	"migimg/preflight"
)

// htmlPart is a partition in the drawing, which is 1000 wide.
type htmlPart struct{ Class, X, W, Title string }

// htmlCell is a run of equally much carried space.
type htmlCell struct{ X, W, Opacity string }

type htmlVolume struct{ Name, Contents, Size, Carried, Note string }

const (
	drawing = 1000.0
	hues    = 6 // p0 to p5 in page.css
	// maxDrawn bounds the partitions in the drawing, maxListed the table's rows.
	maxDrawn  = 64
	maxListed = 256
)

// draw fills in the drawing of the disk and the table of what it carries.
func (v *htmlView) draw(p *page) {
	s := p.r.Source
	whole := float64(max(1, s.SizeBytes))
	first := "" // of several disks, which is drawn
	if len(s.Disks) > 0 {
		first = s.Disks[0].Name
	}
	for _, x := range s.Volumes { // what was left out may lie behind a shortened disk
		if x.Start >= 0 && x.Disk == first {
			whole = max(whole, float64(x.Start)+float64(x.SizeBytes))
		}
	}
	for _, x := range s.Volumes {
		name := p.volumeName(x)
		if len(v.Volumes) < maxListed && (within(x) != "" || !x.Container) {
			v.Volumes = append(v.Volumes, p.volume(x, name))
		}
		top := !strings.Contains(within(x), "/") && (within(x) != "" || !x.Container)
		if !top || x.Disk != first || x.Start < 0 || len(v.Parts) == maxDrawn {
			continue
		}
		class := fmt.Sprintf("p%d", len(v.Parts)%hues)
		title := strings.Join(nonempty(name, clean(x.Type), clean(x.Label), size(x.SizeBytes)), ", ")
		if x.LeftOut {
			class, title = "gone", title+" ("+p.t.Text("left out by choice")+")"
		}
		v.Parts = append(v.Parts, htmlPart{class, number(float64(x.Start) / whole * drawing), number(max(2, float64(x.SizeBytes)/whole*drawing-1)), title})
	}
	cell := drawing * float64(s.SizeBytes) / whole / float64(max(1, len(s.CarriedMap)))
	for i := 0; i < len(s.CarriedMap); {
		n := 1
		for i+n < len(s.CarriedMap) && s.CarriedMap[i+n] == s.CarriedMap[i] {
			n++
		}
		if d := strings.IndexByte("0123456789abcdef", s.CarriedMap[i]); d > 0 {
			v.Cells = append(v.Cells, htmlCell{number(float64(i) * cell), number(float64(n) * cell), number(0.3 + 0.7*float64(d)/15)})
		}
		i += n
	}
}

func number(f float64) string { return fmt.Sprintf("%.2f", f) }

func nonempty(list ...string) (out []string) {
	for _, s := range list {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

func (p *page) volumeName(x preflight.VolumeResult) string {
	switch {
	case x.Name == "":
		return p.t.Text("the whole disk")
	case within(x) == "":
		return p.t.Format("disk %s", clean(x.Name))
	case strings.Contains(within(x), "/") || len(x.Parts) > 0:
		return p.t.Format("volume %s", clean(x.Name))
	}
	return p.t.Format("partition %s", clean(x.Name))
}

// within is a volume's name in its disk; empty for the disk itself.
func within(x preflight.VolumeResult) string {
	return strings.TrimPrefix(strings.TrimPrefix(x.Name, x.Disk), "/")
}

func (p *page) volume(x preflight.VolumeResult, name string) htmlVolume {
	h := htmlVolume{Name: name, Contents: strings.Join(nonempty(clean(x.Type), clean(x.Label)), ", "), Size: size(x.SizeBytes), Carried: size(x.CarriedBytes)}
	var notes []string
	if x.LeftOut {
		notes = append(notes, p.t.Text("left out by choice"))
	}
	if len(x.Mounted) > 0 {
		at := clean(strings.Join(x.Mounted, ", "))
		if x.Writing {
			notes = append(notes, p.t.Format("mounted read-write at %s", at))
		} else {
			notes = append(notes, p.t.Format("mounted at %s", at))
		}
	}
	if x.Whole != "" && !x.LeftOut && x.Type != "" {
		notes = append(notes, clean(p.t.Format("carried whole: %s", x.Whole)))
	}
	h.Note = strings.Join(notes, "; ")
	return h
}

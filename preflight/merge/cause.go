package merge

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"migimg/preflight/checks"
)

// Cause is a check, and what is to be done about it, with the hosts it keeps.
type Cause struct {
	Check, Code, Title, Impact string
	// Open: the check could not be decided; else it found something.
	Open bool
	// Fix is what is to be done on one of the hosts, Host, and Same that it is the
	// same on all of them. Else they differ in names, versions or UUIDs.
	Fix, Host int
	Same      bool
	// All is for any target, By for each, in the order of Fleet.Targets.
	All Tally
	By  []Tally

	fine, coarse string // what the fix is, without what is a host's own
}

// Tally is how many hosts a cause matters to. A host counts once, for the worst.
type Tally struct {
	Blocked int
	// Alone are those of Blocked that nothing else blocks.
	Alone     int
	Undecided int
	Warned    int
}

// For is the tally for a target; i < 0 is for any.
func (c *Cause) For(i int) Tally {
	if i < 0 {
		return c.All
	}
	return c.By[i]
}

// Matters says that a host is kept or warned by it.
func (t Tally) Matters() bool { return t.Blocked+t.Undecided+t.Warned > 0 }

func (t Tally) compare(o Tally) int {
	return cmp.Or(cmp.Compare(o.Blocked, t.Blocked), cmp.Compare(o.Undecided, t.Undecided), cmp.Compare(o.Warned, t.Warned))
}

// manyFixes is from how many different fixes on those of a check are told apart by
// their programs alone: then they hold more of the hosts than it seemed.
const manyFixes = 8

type causes struct {
	all []Cause
	at  map[string]int
}

// of is the cause that a finding belongs to.
func (cs *causes) of(x *found, fix int) int {
	c := Cause{Check: x.check.ID, Code: x.check.Code, Title: x.check.Title, Impact: x.check.Impact, Fix: fix, Same: true, Open: x.check.Status == checks.Unknown}
	c.fine, c.coarse = kinds(x.check.Remedies)
	return intern(cs.at, &cs.all, c.key(c.fine), c)
}

func (c *Cause) key(fix string) string {
	if c.Open {
		return c.Check + "\x00?\x00" + fix
	}
	return c.Check + "\x00!\x00" + fix
}

// join makes one cause of those whose fixes are too many to be told apart. It
// returns the place of each former cause.
func (cs *causes) join() []int {
	per := map[string]int{}
	for i := range cs.all {
		per[cs.all[i].key("")]++
	}
	var joined []Cause
	at, places := map[string]int{}, make([]int, len(cs.all))
	for i, c := range cs.all {
		fix := c.fine
		if per[c.key("")] > manyFixes {
			fix = c.coarse
		}
		places[i] = intern(at, &joined, c.key(fix), c)
	}
	cs.all = joined
	return places
}

// count makes the fleet's causes: with their hosts, most first, without those of
// reports that were replaced.
func (cs *causes) count(f *Fleet) {
	places := cs.join()
	used := make([]bool, len(cs.all))
	for i := range cs.all {
		cs.all[i].By = make([]Tally, len(f.Targets))
	}
	for i := range f.Hosts {
		h := &f.Hosts[i]
		for k := range h.Findings {
			x := &h.Findings[k]
			x.Cause = places[x.Cause]
			c := &cs.all[x.Cause]
			if !used[x.Cause] {
				used[x.Cause], c.Fix, c.Host = true, x.Fix, i
			}
			c.Same = c.Same && c.Fix == x.Fix
		}
		for t := -1; t < len(f.Targets); t++ {
			tally(cs.all, h, t)
		}
	}
	order := []int{}
	for i := range cs.all {
		if used[i] {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int {
		x, y := &cs.all[a], &cs.all[b]
		return cmp.Or(x.All.compare(y.All), cmp.Compare(x.Check, y.Check), cmp.Compare(x.key(x.fine), y.key(y.fine)))
	})
	back := make([]int, len(cs.all))
	for to, from := range order {
		f.Causes = append(f.Causes, cs.all[from])
		back[from] = to
	}
	for i := range f.Hosts {
		for k := range f.Hosts[i].Findings {
			x := &f.Hosts[i].Findings[k]
			x.Cause = back[x.Cause]
		}
	}
}

// tally counts a host for the causes of its findings.
func tally(all []Cause, h *Host, target int) {
	worst := map[int]State{}
	for k := range h.Findings {
		x := &h.Findings[k]
		s := x.For(target)
		if w, ok := worst[x.Cause]; !ok || s.rank() < w.rank() {
			worst[x.Cause] = s
		}
	}
	blocks := 0
	for _, s := range worst {
		if s == Blocks {
			blocks++
		}
	}
	for i, s := range worst {
		t := &all[i].All
		if target >= 0 {
			t = &all[i].By[target]
		}
		switch s {
		case Blocks:
			t.Blocked++
			if blocks == 1 {
				t.Alone++
			}
		case Undecided:
			t.Undecided++
		case Warns:
			t.Warned++
		}
	}
}

// own are words of a command that are a host's own: with digits in them (versions,
// UUIDs, addresses, lines), and devices.
var own = regexp.MustCompile(`[0-9]|^/dev/`)

// kinds say what a fix is without what is a host's own: fine with the words that
// many hosts have in common, coarse with the programs alone.
func kinds(list []checks.Remediation) (fine, coarse string) {
	var a, b strings.Builder
	for _, m := range list {
		a.WriteString(m.Type + "\x01")
		b.WriteString(m.Type + "\x01")
		switch m.Type {
		case "command":
			for _, argv := range m.Argv {
				for i, word := range argv {
					if i == 0 {
						b.WriteString(word)
					}
					if own.MatchString(word) {
						word = "*"
					}
					a.WriteString(word + " ")
				}
				a.WriteByte('\x01')
				b.WriteByte('\x01')
			}
		case "link":
			a.WriteString(m.URL)
			b.WriteString(m.URL)
		default:
			id := m.Message.ID
			if id == "" {
				id = own.ReplaceAllString(m.Text, "*")
			}
			a.WriteString(id)
			b.WriteString(id)
		}
	}
	return a.String(), b.String()
}

// Common is the fix with an ellipsis for what is a host's own.
func (x Fix) Common() Fix {
	out := slices.Clone(x)
	mask := func(word string) string {
		if own.MatchString(word) {
			return "…"
		}
		return word
	}
	for i := range out {
		m := &out[i]
		m.Argv = slices.Clone(m.Argv)
		for k, argv := range m.Argv {
			m.Argv[k] = slices.Clone(argv)
			for n := range argv {
				m.Argv[k][n] = mask(argv[n])
			}
		}
		if m.Message.ID != "" {
			m.Message.Args = slices.Clone(m.Message.Args)
			for n, a := range m.Message.Args {
				m.Message.Args[n] = mask(a)
			}
			m.Text = m.Message.String()
		}
	}
	return out
}

// fixKey tells fixes apart.
func fixKey(list []checks.Remediation) string {
	var b strings.Builder
	for _, m := range list {
		b.WriteString(m.Type + "\x01" + m.Text + "\x01" + m.URL + "\x01")
		for _, argv := range m.Argv {
			b.WriteString(strings.Join(argv, "\x02") + "\x01")
		}
	}
	return b.String()
}

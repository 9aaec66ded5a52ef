package bootcfg

import "fmt"

// The bounds on a script: distributions' take a few hundred steps.
const (
	maxSteps  = 500_000
	maxVars   = 1000
	maxValue  = 16 << 10 // bytes; a kernel takes 4 KiB at most
	maxText   = 64 << 20 // bytes of all words that are expanded
	maxCalls  = 32
	maxLoops  = 1000
	maxFields = 10_000
)

// grub runs a script of GRUB 2 as far as it builds the menu and the entries.
type grub struct {
	t *tree
	// shared by all contexts of one configuration
	run *grubRun

	vars     map[string]string
	exported map[string]bool
	params   []string
	menu     *grubMenu
	entry    *Entry // set while an entry's block runs, with item
	item     *grubItem
	file     string // what is being run
	calls    int
}

type grubRun struct {
	funcs    map[string][]*node
	devices  map[string]string // device -> where it is mounted; "" = not known
	top      *grubMenu         // the menu that is shown first
	steps    int
	text     int
	files    int
	items    int
	problems []string
	unsure   string // why the menu or its default may be another one
	menuFile string
	used     []string
}

// grubMenu is a menu or submenu. Behind its first from items one may be missing,
// or be there that is not, depending on the machine.
type grubMenu struct {
	items []*grubItem
	from  int
}

func newMenu() *grubMenu { return &grubMenu{from: maxEntries + 1} }

// grubItem is an entry or submenu that the script added.
type grubItem struct {
	entry    Entry
	params   []string
	block    []*node
	submenu  bool
	done     bool // an entry of blscfg: nothing to run
	children *grubMenu
	def      string // a submenu's own default
	file     string
	unsure   string // why it may boot something else
}

type flow uint8

const (
	flowNext flow = iota
	flowBreak
	flowContinue
	flowReturn
	flowStop // another configuration took over, or a bound was reached
)

func (g *grub) problem(line int, format string, args ...any) {
	s := fmt.Sprintf("%s:%d: ", g.file, line) + fmt.Sprintf(format, args...)
	if len(g.run.problems) < maxProblems {
		g.run.problems = append(g.run.problems, s)
	}
}

// doubt is problem, and says that the menu or its default may differ; while an
// entry's block runs, that this entry may.
func (g *grub) doubt(line int, format string, args ...any) {
	g.problem(line, format, args...)
	where := &g.run.unsure
	if g.item != nil && g.run.steps <= maxSteps {
		where = &g.item.unsure
	}
	if *where == "" {
		*where = fmt.Sprintf("%s:%d: ", g.file, line) + fmt.Sprintf(format, args...)
	}
}

func (g *grub) list(list []*node) (status tri, fl flow) {
	status = yes
	for _, n := range list {
		if g.run.steps++; g.run.steps > maxSteps {
			if g.run.steps == maxSteps+1 {
				g.doubt(n.line, "the script takes more than %d steps or too much text", maxSteps)
			}
			return unknown, flowStop
		}
		if status, fl = g.statement(n); fl != flowNext {
			return status, fl
		}
	}
	return status, flowNext
}

func (g *grub) statement(n *node) (tri, flow) {
	switch n.kind {
	case nodeIf:
		for i, cond := range n.conds {
			st, fl := g.list(cond)
			if fl != flowNext {
				return st, fl
			}
			if st == unknown {
				g.branch(n, max(matters(n.thens[i]), matters(n.els)))
			}
			if st != no {
				return g.list(n.thens[i])
			}
		}
		return g.list(n.els)
	case nodeWhile:
		return g.while(n)
	case nodeFor:
		for _, v := range g.expand(n.words) {
			g.set(n.name, v)
			if st, fl := g.list(n.block); fl == flowBreak {
				break
			} else if fl == flowReturn || fl == flowStop {
				return st, fl
			}
		}
		return yes, flowNext
	case nodeFunction:
		if len(g.run.funcs) < maxVars {
			g.run.funcs[n.name] = n.block
		}
		return yes, flowNext
	}
	return g.command(n)
}

func (g *grub) while(n *node) (tri, flow) {
	for range maxLoops {
		st, fl := g.list(n.conds[0])
		if fl != flowNext {
			return st, fl
		}
		if n.not {
			st = st.not()
		}
		if st == unknown && matters(n.block) != nothing {
			g.doubt(n.line, "how often this loop runs depends on the machine")
		}
		if st != yes {
			return yes, flowNext
		}
		if st, fl = g.list(n.block); fl == flowBreak {
			return yes, flowNext
		} else if fl == flowReturn || fl == flowStop {
			return st, fl
		}
	}
	g.doubt(n.line, "a loop runs more than %d times", maxLoops)
	return unknown, flowNext
}

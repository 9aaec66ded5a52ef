package bootcfg

import "strings"

// effect is what a statement can do to the menu.
type effect uint8

const (
	nothing effect = iota
	adds           // entries, at the menu's end
	decides        // the default, or what an entry boots
)

// branch notes that whether a branch is taken depends on the machine.
func (g *grub) branch(n *node, e effect) {
	switch {
	case e == nothing:
	case e == adds:
		// The entries before it stay where they are.
		g.problem(n.line, "whether an entry is in the menu depends on the machine")
		g.menu.from = min(g.menu.from, len(g.menu.items))
	default:
		g.doubt(n.line, "which branch is taken depends on the machine")
	}
}

// matters says what statements can do to the menu, its default or what an entry
// boots.
func matters(list []*node) (e effect) {
	for _, n := range list {
		e = max(e, n.effect())
		for _, then := range n.thens {
			e = max(e, matters(then))
		}
		e = max(e, matters(n.els))
		entry := n.kind == nodeCommand && len(n.words) > 0 &&
			(n.words[0].keyword() == "menuentry" || n.words[0].keyword() == "submenu")
		if !entry { // an entry's block runs only when it is chosen
			e = max(e, matters(n.block))
		}
	}
	return e
}

func (n *node) effect() effect {
	if n.kind != nodeCommand || len(n.words) == 0 {
		return nothing
	}
	switch cmd := n.words[0].keyword(); {
	case cmd == "menuentry", cmd == "submenu", cmd == "uki":
		return adds
	case cmd == "source", cmd == ".", cmd == "configfile", cmd == "normal", cmd == "blscfg", cmd == "load_env",
		cmd == "search", strings.HasPrefix(cmd, "search."), strings.HasPrefix(cmd, "linux"),
		strings.HasPrefix(cmd, "initrd"), strings.HasPrefix(cmd, "multiboot"), strings.HasPrefix(cmd, "module"),
		cmd == "chainloader", strings.HasPrefix(cmd, "default="):
		return decides
	case cmd == "set" && len(n.words) > 1 && len(n.words[1]) > 0 && !n.words[1][0].isVar:
		name, _, _ := strings.Cut(n.words[1][0].text, "=")
		if name == "default" || name == "root" || name == "prefix" {
			return decides
		}
	}
	return nothing
}

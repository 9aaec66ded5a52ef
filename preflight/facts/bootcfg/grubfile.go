package bootcfg

import (
	"maps"
	"path"
)

// child is a context of its own: it sees the exported variables, as a submenu
// and configfile do (grub-core/kern/env.c), or all of them.
func (g *grub) child(all bool) *grub {
	c := *g
	c.vars, c.exported = map[string]string{}, maps.Clone(g.exported)
	for k, v := range g.vars {
		if all || g.exported[k] {
			c.vars[k] = v
		}
	}
	return &c
}

// source runs a file in this context.
func (g *grub) source(line int, name string) (tri, flow) {
	guest, found := g.locate(name)
	if found == no {
		return no, flowNext
	}
	if g.run.files++; g.run.files > maxFiles || g.calls >= maxCalls {
		g.doubt(line, "more than %d files are taken in", maxFiles)
		return unknown, flowStop
	}
	b, err := g.t.read(guest)
	if err != nil {
		g.doubt(line, "%s: %v", guest, err)
		return unknown, flowNext
	}
	list, errs := parseGRUB(string(b))
	old := g.file
	g.file = guest
	for _, err := range errs {
		g.doubt(0, "%v", err)
	}
	g.calls++
	st, fl := g.list(list)
	g.calls--
	g.file = old
	if fl != flowStop {
		fl = flowNext
	}
	return st, fl
}

// configfile hands over to another configuration: its menu takes the place of
// this one.
func (g *grub) configfile(line int, name string) (tri, flow) {
	guest, found := g.locate(name)
	if found == no {
		return no, flowNext
	}
	c := g.child(false)
	c.menu = newMenu()
	top, before := g.run.top, g.run.menuFile
	if g.menu == top {
		g.run.top = c.menu
	}
	c.set("config_file", name)
	c.set("config_directory", path.Dir(name))
	g.run.menuFile = guest
	st, fl := c.source(line, name)
	if len(c.menu.items) == 0 && fl != flowStop {
		g.run.menuFile, g.run.top = before, top
		return st, flowNext
	}
	*g = *c
	return yes, flowStop
}

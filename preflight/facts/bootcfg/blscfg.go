package bootcfg

import (
	"cmp"
	"slices"
	"strings"
)

// blscfg adds the entries of loader/entries to the menu, newest first. GRUB takes
// the first line of options, expands variables when it builds the menu, and gives
// each entry the file's name without .conf as ID (grub-core/commands/blsuki.c; in
// Fedora and RHEL blscfg.c, which also knows blsdir and default_kernelopts).
func (g *grub) blscfg(line int) tri {
	dir := g.entriesDir()
	if dir == "" {
		g.doubt(line, "blscfg: no folder loader/entries is found")
		return no
	}
	entries := g.t.blsFolder(dir, func(s string) { g.problem(line, "blscfg: %s", s) })
	if len(entries) == 0 {
		g.problem(line, "blscfg: %s holds no entries", dir)
	}
	slices.SortStableFunc(entries, func(a, b *blsEntry) int { return compareRPM(b.id, a.id) })
	for _, b := range entries {
		if b.first("linux") == "" {
			continue // blscfg passes over what has no kernel
		}
		if g.run.items++; g.run.items > maxEntries {
			g.doubt(line, "the menu has more than %d entries", maxEntries)
			return no
		}
		it := &grubItem{done: true, file: b.path}
		it.entry = Entry{Title: b.title(), ID: b.id, Source: b.path, Line: b.line, Kernel: g.path(line, b.first("linux"))}
		options, ok := b.keys["options"]
		if !ok {
			options = []string{g.vars["default_kernelopts"]}
		}
		it.entry.Cmdline = g.expandBLS(options[0])
		g.bootTime(line, it.entry.Cmdline)
		for _, key := range []string{"early_initrd", "initrd"} {
			for _, v := range b.keys[key] {
				for f := range strings.FieldsSeq(g.expandBLS(v)) {
					it.entry.Initrds = append(it.entry.Initrds, g.path(line, f))
				}
			}
		}
		g.menu.items = append(g.menu.items, it)
	}
	g.run.used = append(g.run.used, dir)
	return yes
}

// entriesDir is the folder of the entries: $blsdir, or loader/entries on $boot
// or $root, or in /boot of that filesystem.
func (g *grub) entriesDir() string {
	root := "(" + cmp.Or(g.vars["boot"], g.vars["root"]) + ")"
	tries := []string{root + "/loader/entries", root + "/boot/loader/entries"}
	if d := g.vars["blsdir"]; d != "" {
		tries = slices.Insert(tries, 0, d, root+d)
	}
	for _, d := range tries {
		if guest, found := g.locate(d); found == yes && g.t.isDir(guest) {
			return guest
		}
	}
	return ""
}

// expandBLS replaces $name; what is not set is left out.
func (g *grub) expandBLS(s string) string {
	var b strings.Builder
	for i := 0; i < len(s) && b.Len() < 4*maxValue; {
		if s[i] != '$' {
			b.WriteByte(s[i])
			i++
			continue
		}
		name := strings.TrimPrefix(s[i+1:], "{")
		n := varName(name)
		b.WriteString(g.vars[name[:n]])
		i += len(s[i:]) - len(name) + n
		if i < len(s) && s[i] == '}' && i > n && s[i-n-1] == '{' {
			i++
		}
	}
	return strings.TrimSpace(b.String())
}

package facts

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"migimg/preflight/facts/kmod"
)

// wanted reads which modules the guest loads by name.
func (g *gatherer) wanted(tree *kmod.Tree) {
	files := []string{"etc/modules"}
	for _, d := range []string{"etc/modules-load.d", "usr/lib/modules-load.d", "lib/modules-load.d"} {
		names, err := g.dropIns(d, ".conf")
		if err != nil {
			g.f.Kernels.Problems = append(g.f.Kernels.Problems, err.Error())
		}
		files = append(files, names...)
	}
	seen := map[string]bool{}
	for _, name := range files {
		if seen[path.Base(name)] {
			continue
		}
		seen[path.Base(name)] = true
		lines, err := g.lines(name)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) && !g.masked(name) {
				g.f.Kernels.Problems = append(g.f.Kernels.Problems, err.Error())
			}
			continue
		}
		for i, l := range lines {
			words := strings.Fields(l)
			if len(words) == 0 || words[0][0] == '#' || words[0][0] == ';' || len(g.f.Kernels.Wanted) >= maxForeign {
				continue
			}
			if slices.ContainsFunc(g.f.Kernels.Wanted, func(w WantedModule) bool { return w.Module == moduleName(words[0]) }) {
				continue // Debian's modules-load.d has a link to /etc/modules
			}
			w := WantedModule{Line: Line{"/" + name, i + 1, strings.TrimSpace(l)}, Module: moduleName(words[0]), Known: tree.Builtin(words[0])}
			if _, ok := tree.Path(words[0]); ok {
				w.Known = kmod.Yes
			}
			g.f.Kernels.Wanted = append(g.f.Kernels.Wanted, w)
		}
	}
}

// kdump reads where the guest writes memory dumps.
func (g *gatherer) kdump() {
	lines, err := g.lines("etc/kdump.conf")
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			g.f.Kernels.Problems = append(g.f.Kernels.Problems, err.Error())
		}
		return
	}
	for i, l := range lines {
		l = strings.TrimSpace(l)
		if l != "" && l[0] != '#' && len(g.f.Kernels.Kdump) < maxEmbedded {
			g.f.Kernels.Kdump = append(g.f.Kernels.Kdump, Line{"/etc/kdump.conf", i + 1, l})
		}
	}
}

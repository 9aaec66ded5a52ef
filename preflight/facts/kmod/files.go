package kmod

import (
	"bytes"
	"strings"

	"migimg/preflight/facts/initramfs"
)

// parseDep reads modules.dep: "FILE: FILE FILE ...", paths below the folder of
// the kernel, or absolute as old versions of depmod wrote them.
func (t *Tree) parseDep(b []byte) {
	bad := 0
	for line := range bytes.Lines(b) {
		text := strings.TrimSpace(string(line))
		if text == "" || text[0] == '#' {
			continue
		}
		file, list, ok := strings.Cut(text, ":")
		name, isModule := initramfs.ModuleName(file)
		if !ok || !isModule || len(t.paths) >= maxNames {
			bad++
			continue
		}
		t.paths[name] = below(file, t.Release)
		deps := make([]string, 0, strings.Count(list, " "))
		for f := range strings.FieldsSeq(list) {
			d, ok := initramfs.ModuleName(f)
			if !ok {
				bad++
				continue
			}
			deps = append(deps, d)
		}
		t.deps[name] = deps
	}
	if bad > 0 {
		// What a broken line said is not known, and neither is the closure of the
		// modules around it.
		t.depsOK = false
		t.problem("kmod: %s/modules.dep: %d lines or names are not understood: run depmod %s in the guest", t.Dir, bad, t.Release)
	}
}

// below is a path relative to the kernel's folder.
func below(file, release string) string {
	for _, d := range []string{"/lib/modules/", "/usr/lib/modules/"} {
		if p, ok := strings.CutPrefix(file, d+release+"/"); ok {
			return p
		}
	}
	return file
}

// parseBuiltin reads modules.builtin: one path a line, as if the driver were a
// module.
func (t *Tree) parseBuiltin(b []byte) {
	t.builtin = map[string]bool{}
	for line := range bytes.Lines(b) {
		if name, ok := initramfs.ModuleName(strings.TrimSpace(string(line))); ok && len(t.builtin) < maxNames {
			t.builtin[name] = true
		}
	}
}

// parseSoftdep reads modules.softdep: "softdep NAME pre: A B post: C".
func (t *Tree) parseSoftdep(b []byte) {
	for line := range bytes.Lines(b) {
		words := strings.Fields(string(line))
		if len(words) < 3 || words[0] != "softdep" {
			continue
		}
		name, pre := normal(words[1]), false
		for _, w := range words[2:] {
			if strings.HasSuffix(w, ":") {
				pre = w == "pre:"
			} else if pre && len(t.softdeps[name]) < 64 {
				t.softdeps[name] = append(t.softdeps[name], normal(w))
			}
		}
	}
}

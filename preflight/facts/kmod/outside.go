package kmod

import (
	"slices"
	"strings"

	"migimg/preflight/facts/initramfs"
)

// Outside are the modules that did not come with the kernel, as paths of the
// guest: those outside the folder kernel of its modules (Documentation/kbuild/
// modules.rst: INSTALL_MOD_DIR is "updates" unless it is set; DKMS, KMP and kABI
// packages use extra, updates/dkms and weak-updates). At most limit are returned,
// sorted.
func (t *Tree) Outside(limit int) (files []string) {
	for name, p := range t.paths {
		first, _, nested := strings.Cut(p, "/")
		if !nested || first == "kernel" || first == "ubuntu" {
			continue
		}
		if _, ok := initramfs.ModuleName(p); ok {
			if full, ok := t.Path(name); ok {
				files = append(files, full)
			}
		}
	}
	slices.Sort(files)
	return files[:min(len(files), limit)]
}

// SomeModule is the guest's path of one of the kernel's modules, the first by
// name; "" where there is none.
func (t *Tree) SomeModule() string {
	first := ""
	for name := range t.paths {
		if first == "" || name < first {
			first = name
		}
	}
	p, _ := t.Path(first)
	return p
}

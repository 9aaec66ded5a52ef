package initramfs

import (
	"path"
	"strings"
)

// ModuleName is the name of the module in a file, as the kernel and modprobe
// know it: without .ko and a compression's suffix, with "_" for "-" (kmod,
// libkmod-util.c, treats the two as one). ok is false for other files.
func ModuleName(file string) (name string, ok bool) {
	base := path.Base(file)
	for _, z := range []string{".gz", ".xz", ".zst", ".bz2", ".lzma"} {
		if b, found := strings.CutSuffix(base, z); found {
			base = b
			break
		}
	}
	base, ok = strings.CutSuffix(base, ".ko")
	if !ok || base == "" {
		return "", false
	}
	return normalName(base), true
}

func normalName(s string) string { return strings.ReplaceAll(s, "-", "_") }

// moduleFolder says whether a path lies below lib/modules/KERNEL or usr/lib/modules/KERNEL,
// or in lib itself, as in RHEL 5.
func moduleFolder(p string) (kernel string, ok bool) {
	p = strings.TrimPrefix(p, "usr/")
	rest, ok := strings.CutPrefix(p, "lib/")
	if !ok {
		return "", false
	}
	below, ok := strings.CutPrefix(rest, "modules/")
	if !ok {
		return "", !strings.Contains(rest, "/")
	}
	kernel, _, ok = strings.Cut(below, "/")
	return kernel, ok
}

// findModules lists the modules. A link to a module (weak-updates) counts if
// what it points to is in the archive.
func (a *Archive) findModules() {
	for _, f := range a.Files {
		if !f.IsRegular() && !f.IsLink() {
			continue
		}
		name, ok := ModuleName(f.Path)
		if !ok {
			continue
		}
		kernel, ok := moduleFolder(f.Path)
		if !ok {
			continue
		}
		if f.IsLink() {
			if to, ok := a.Find(f.Path); !ok || !to.IsRegular() {
				a.problem("initramfs: %s: the link leads nowhere", f.Path)
				continue
			}
		}
		a.Modules = append(a.Modules, Module{Name: name, Kernel: kernel, Path: f.Path})
	}
}

// findNested looks for images that dracut puts the real root into
// (modules.d/99squash; lsinitrd.sh looks for the same names).
func (a *Archive) findNested() {
	for _, f := range a.Files {
		switch path.Base(f.Path) {
		case "squash-root.img", "squashfs-root.img":
			a.opaque("initramfs: %s: a squashfs image holds the files, and it is not read", f.Path)
		case "erofs-root.img":
			a.opaque("initramfs: %s: an EROFS image holds the files, and it is not read", f.Path)
		}
	}
}

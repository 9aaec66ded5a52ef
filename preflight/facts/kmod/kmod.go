// Package kmod says where a kernel finds a driver: built in, in the initramfs,
// only below /lib/modules, or nowhere. It reads the files that depmod and the
// kernel's build leave in lib/modules/KERNEL (modules.dep(5), modules.builtin in
// Documentation/kbuild/kbuild.rst) and, where they are missing, the kernel's
// configuration. Nothing of the guest is executed.
package kmod

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"migimg/preflight/facts/initramfs"
)

// Tri is an answer that may be missing.
type Tri uint8

// The answers; the zero value is Unknown.
const (
	Unknown Tri = iota
	No
	Yes
)

func (t Tri) String() string {
	switch t {
	case Yes:
		return "yes"
	case No:
		return "no"
	}
	return "unknown"
}

// Tree is what is known of one kernel's modules. It is immutable. Names of
// modules may be written with "-" or "_", as for modprobe.
type Tree struct {
	// Release is the kernel's release, as uname -r prints it.
	Release string
	// Dir is where its modules lie, without a leading slash; empty where there
	// are none.
	Dir string
	// ConfigFile is where the kernel's configuration was read, or empty.
	ConfigFile string
	// Problems are what is odd, in words for the owner of the guest.
	Problems []string

	paths    map[string]string   // module -> path below Dir
	deps     map[string][]string // module -> modules, as modules.dep lists them
	depsOK   bool
	builtin  map[string]bool // nil without modules.builtin
	softdeps map[string][]string
	config   map[string]string // nil without a configuration
}

// maxFile bounds each file that is read; modules.dep of a distribution's kernel
// has about 1 MiB.
const maxFile = 16 << 20

// maxNames bounds the modules of a kernel; distributions have about 7000.
const maxNames = 200_000

// Load reads what the guest has about the kernel release kver. An error that is
// fs.ErrNotExist says that the guest has neither modules nor a configuration of
// that kernel; any other says that they could not be read.
func Load(fsys fs.FS, kver string) (*Tree, error) {
	if kver == "" || kver == "." || kver == ".." || strings.Contains(kver, "/") || !fs.ValidPath("lib/modules/"+kver) {
		return nil, fmt.Errorf("kmod: %q is not a kernel release", kver)
	}
	t := &Tree{Release: kver, paths: map[string]string{}, deps: map[string][]string{}, softdeps: map[string][]string{}}
	if err := t.findDir(fsys); err != nil {
		return nil, err
	}
	if err := t.loadConfig(fsys); err != nil {
		return nil, err
	}
	if t.Dir == "" && t.config == nil {
		return nil, fmt.Errorf("kmod: lib/modules/%s: neither modules nor a configuration of this kernel: %w", kver, fs.ErrNotExist)
	}
	if t.Dir == "" {
		return t, nil
	}
	return t, t.loadDir(fsys)
}

// findDir finds the folder: before the usr-merge lib is a folder of its own.
func (t *Tree) findDir(fsys fs.FS) error {
	for _, d := range []string{"lib/modules/", "usr/lib/modules/"} {
		fi, err := fs.Stat(fsys, d+t.Release)
		switch {
		case err == nil && fi.IsDir():
			t.Dir = d + t.Release
			return nil
		case err == nil:
			return fmt.Errorf("kmod: %s%s: it is not a folder", d, t.Release)
		case !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("kmod: %w", err)
		}
	}
	return nil
}

func (t *Tree) loadDir(fsys fs.FS) error {
	b, err := readFile(fsys, t.Dir+"/modules.dep")
	switch {
	case err == nil && len(bytes.TrimSpace(b)) > 0:
		t.depsOK = true
		t.parseDep(b)
	case err == nil || errors.Is(err, fs.ErrNotExist):
		t.problem("kmod: %s/modules.dep is missing or empty: run depmod %s in the guest", t.Dir, t.Release)
		if err := t.walk(fsys); err != nil {
			return err
		}
	default:
		return err
	}
	b, err = readFile(fsys, t.Dir+"/modules.builtin")
	switch {
	case err == nil:
		t.parseBuiltin(b)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	b, err = readFile(fsys, t.Dir+"/modules.softdep")
	switch {
	case err == nil:
		t.parseSoftdep(b)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

// walk lists the modules where no modules.dep does; their dependencies stay
// unknown.
func (t *Tree) walk(fsys fs.FS) error {
	n := 0
	err := fs.WalkDir(fsys, t.Dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if n++; n > maxNames {
			return errors.New("too many files")
		}
		if e.IsDir() && (e.Name() == "build" || e.Name() == "source") {
			return fs.SkipDir
		}
		if name, ok := initramfs.ModuleName(p); ok && !e.IsDir() {
			t.paths[name] = strings.TrimPrefix(p, t.Dir+"/")
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("kmod: %s: %w", t.Dir, err)
	}
	return nil
}

// readFile reads a file of the guest, up to maxFile bytes.
func readFile(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("kmod: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("kmod: %s: %w", name, err)
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("kmod: %s: it is larger than %d MiB", name, maxFile>>20)
	}
	return b, nil
}

func (t *Tree) problem(format string, args ...any) {
	if len(t.Problems) < 100 {
		t.Problems = append(t.Problems, fmt.Sprintf(format, args...))
	}
}

// Path is a module's file as a path of the guest, with a leading slash.
func (t *Tree) Path(name string) (string, bool) {
	p, ok := t.paths[normal(name)]
	if !ok {
		return "", false
	}
	return "/" + path.Join(t.Dir, p), true
}

// Builtin says whether a driver is part of the kernel image. modules.builtin
// decides; the configuration adds the drivers it names and is what remains for
// kernels that have no such file (RHEL 5).
func (t *Tree) Builtin(name string) Tri {
	name = normal(name)
	if t.builtin[name] {
		return Yes
	}
	c := t.configured(name)
	switch {
	case c == "y":
		return Yes
	case t.builtin != nil || c == "m" || c == "n":
		return No
	}
	if _, ok := t.paths[name]; ok {
		return No // a driver is either a module or built in
	}
	return Unknown
}

// Deps is every module that has to be loaded for name, deepest first, so that
// loading them in order works; without name itself. ok is false where the
// module or the dependencies are not known.
func (t *Tree) Deps(name string) (deps []string, ok bool) {
	name = normal(name)
	if _, found := t.paths[name]; !found || !t.depsOK {
		return nil, false
	}
	// An explicit stack: the file may be hostile and a chain as long as the file.
	type frame struct {
		name string
		next int
	}
	seen := map[string]bool{name: true}
	stack := []frame{{name, 0}}
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		list := t.deps[top.name]
		if top.next == len(list) {
			if top.name != name {
				deps = append(deps, top.name)
			}
			stack = stack[:len(stack)-1]
			continue
		}
		// depmod lists the deepest dependency last.
		d := list[len(list)-1-top.next]
		top.next++
		if !seen[d] {
			seen[d] = true
			stack = append(stack, frame{d, 0})
		}
	}
	return deps, true
}

// Softdeps are the modules that modules.softdep wants loaded before name
// (modprobe.d(5), "softdep NAME pre: ..."). The kernel loads name without them.
func (t *Tree) Softdeps(name string) []string { return t.softdeps[normal(name)] }

func normal(s string) string { return strings.ReplaceAll(s, "-", "_") }

package bootcfg

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
)

// The bounds on what is read; a configuration of a distribution has a few
// hundred lines and one or two files.
const (
	maxConfig   = 4 << 20 // bytes of one file
	maxFiles    = 32      // files that one configuration takes in
	maxEntries  = 2000
	maxProblems = 100
)

// tree is the guest and what is known of it.
type tree struct {
	fsys fs.FS
	env  Env
	err  error // the first error that is not "does not exist"
}

// rel is a guest path as io/fs wants it.
func rel(p string) string {
	if p = path.Clean("/" + p)[1:]; p == "" {
		return "."
	}
	return p
}

// stat answers whether a path exists; an error other than that is kept, and
// the answer then is unknown.
func (t *tree) stat(p string) (fi fs.FileInfo, exists tri) {
	if strings.ContainsRune(p, 0) {
		return nil, no
	}
	fi, err := fs.Stat(t.fsys, rel(p))
	switch {
	case err == nil:
		return fi, yes
	case notThere(err):
		return nil, no
	}
	t.keep(err)
	return nil, unknown
}

func (t *tree) isFile(p string) bool {
	fi, ok := t.stat(p)
	return ok == yes && fi.Mode().IsRegular()
}

func (t *tree) isDir(p string) bool {
	fi, ok := t.stat(p)
	return ok == yes && fi.IsDir()
}

// notThere says that a path does not exist, or leads through what is no folder.
func notThere(err error) bool {
	for _, e := range []error{fs.ErrNotExist, fs.ErrInvalid, syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (t *tree) keep(err error) {
	if t.err == nil {
		t.err = fmt.Errorf("boot configuration: %w", err)
	}
}

// read reads a file of the guest.
func (t *tree) read(p string) ([]byte, error) {
	f, err := t.fsys.Open(rel(p))
	if err != nil {
		if !notThere(err) {
			t.keep(err)
		}
		return nil, err
	}
	defer f.Close()
	if fi, err := f.Stat(); err == nil && !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file: %w", p, fs.ErrInvalid)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err == nil && len(b) > maxConfig {
		err = fmt.Errorf("%s: it is larger than %d MiB", p, maxConfig>>20)
	}
	if err != nil {
		t.keep(err)
		return nil, err
	}
	return b, nil
}

// list names what is in a folder, sorted; nothing where it does not exist.
func (t *tree) list(p string) []string {
	es, err := fs.ReadDir(t.fsys, rel(p))
	if err != nil {
		if !notThere(err) && t.isDir(p) {
			t.keep(err)
		}
		return nil
	}
	names := make([]string, 0, len(es))
	for _, e := range es {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names
}

// fold finds a path below dir without regard to case, as a FAT filesystem does.
func (t *tree) fold(dir string, elems ...string) (string, bool) {
	for _, e := range elems {
		exact := path.Join(dir, e)
		if _, ok := t.stat(exact); ok != no {
			dir = exact
			continue
		}
		names := t.list(dir)
		i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, e) })
		if i < 0 {
			return "", false
		}
		dir = path.Join(dir, names[i])
	}
	return dir, true
}

// esps are the folders where an EFI system partition is mounted: those that
// have a folder EFI.
func (t *tree) esps() (out []string) {
	for _, d := range []string{"/boot/efi", "/efi", "/boot", "/boot/EFI", "/"} {
		if efi, ok := t.fold(d, "EFI"); ok && t.isDir(efi) {
			out = append(out, d)
		}
	}
	return out
}

// mount asks Env; known is false where there is nobody to ask.
func (t *tree) mount(kind, value string) (m string, ok, known bool) {
	if t.env.Mount == nil {
		return "", false, false
	}
	m, ok = t.env.Mount(kind, value)
	return m, ok, true
}

// locate makes a guest path of a loader's path p. mount is where the loader's
// filesystem is mounted, or "" for unknown. found says that the file exists.
func (t *tree) locate(mount, p string) (guest string, found tri) {
	p = path.Clean("/" + p)
	var tries []string
	switch {
	case mount != "":
		tries = []string{path.Join(mount, p)}
	case strings.HasPrefix(p, "/boot/"):
		tries = []string{p}
	default:
		tries = []string{"/boot" + p, p}
	}
	first := tries[0]
	if mount == "" && first != p && !t.isDir("/boot") {
		first = p
	}
	// On btrfs a path may begin with the subvolume that is mounted: /@/boot/...
	for rest, n := p, 0; n < 2; n++ {
		_, tail, ok := strings.Cut(rest[1:], "/")
		if !ok {
			break
		}
		rest = "/" + tail
		if mount == "" || mount == "/" {
			tries = append(tries, rest)
		} else {
			tries = append(tries, path.Join(mount, rest))
		}
	}
	found = no
	for _, c := range tries {
		switch _, ok := t.stat(c); ok {
		case yes:
			return c, yes
		case unknown:
			found = unknown
		}
	}
	return first, found
}

// tri is an answer that may be missing.
type tri uint8

const (
	no tri = iota
	yes
	unknown
)

func truth(b bool) tri {
	if b {
		return yes
	}
	return no
}

func (a tri) not() tri {
	switch a {
	case yes:
		return no
	case no:
		return yes
	}
	return unknown
}

func (a tri) and(b tri) tri {
	switch {
	case a == no || b == no:
		return no
	case a == yes && b == yes:
		return yes
	}
	return unknown
}

func (a tri) or(b tri) tri { return a.not().and(b.not()).not() }

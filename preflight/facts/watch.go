package facts

import (
	"io/fs"
	"strings"
	"sync"

	"migimg/preflight/guestfs"
)

// maxWatched bounds how many files are remembered; the first ones are the
// configuration, modules come last.
const maxWatched = 10_000

// Watch remembers which files of a mounted system the facts were read from, and
// tells whether they have changed since. The zero value is ready; one Watch
// serves one Gather. What is read from a device that nobody has mounted is not
// watched.
type Watch struct {
	mu    sync.Mutex
	root  string // where the system is mounted; empty where it is not
	seen  map[string]stamp
	other []string // guest paths that were read from somewhere else
}

// stamp is what tells a file from a changed one.
type stamp struct {
	missing          bool
	size             int64
	mode             fs.FileMode
	written, changed int64 // nanoseconds
}

// over makes a tree whose look-ups are remembered.
func (w *Watch) over(tree guestfs.FS, root string, placed []Placed) guestfs.FS {
	if w == nil || root == "" {
		return tree
	}
	w.root, w.seen = root, map[string]stamp{}
	for _, p := range placed {
		w.other = append(w.other, strings.Trim(p.At, "/"))
	}
	return watched{tree, w}
}

// Changed says whether a file that was read, or looked for, is another one now.
// It looks at names and times only. A system that is no longer there has
// changed.
func (w *Watch) Changed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.seen) == 0 {
		return false
	}
	live, err := guestfs.Live(w.root)
	if err != nil {
		return true
	}
	tree := guestfs.Compose(live)
	defer func() { _ = tree.Close() }() // read only
	for name, then := range w.seen {
		if stampOf(tree, name) != then {
			return true
		}
	}
	return false
}

func stampOf(tree fs.FS, name string) stamp {
	fi, err := fs.Stat(tree, name)
	if err != nil {
		return stamp{missing: true}
	}
	s := stamp{size: fi.Size(), mode: fi.Mode(), written: fi.ModTime().UnixNano()}
	if a, ok := guestfs.AttrOf(fi); ok {
		s.changed = a.Changed.UnixNano()
	}
	return s
}

// saw remembers a file as it is before it is read.
func (w *Watch) saw(tree fs.FS, name string) {
	for _, o := range w.other {
		if name == o || strings.HasPrefix(name, o+"/") {
			return
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.seen[name]; !ok && len(w.seen) < maxWatched {
		w.seen[name] = stampOf(tree, name)
	}
}

type watched struct {
	guestfs.FS
	w *Watch
}

func (t watched) Open(name string) (fs.File, error) {
	t.w.saw(t.FS, name)
	return t.FS.Open(name)
}

func (t watched) Stat(name string) (fs.FileInfo, error) {
	t.w.saw(t.FS, name)
	return t.FS.Stat(name)
}

func (t watched) Lstat(name string) (fs.FileInfo, error) {
	t.w.saw(t.FS, name)
	return t.FS.Lstat(name)
}

func (t watched) ReadLink(name string) (string, error) {
	t.w.saw(t.FS, name)
	return t.FS.ReadLink(name)
}

func (t watched) ReadDir(name string) ([]fs.DirEntry, error) {
	t.w.saw(t.FS, name)
	return t.FS.ReadDir(name)
}

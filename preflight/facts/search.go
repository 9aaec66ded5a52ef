package facts

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"migimg/preflight/guestfs"
)

// Bounds of the search: files of one pattern, folders looked at for it, bytes
// of a file that is searched for lines, and lines kept of it.
const (
	maxFound    = 200
	maxGlobDirs = 2000
	maxSearched = 1 << 20
	maxLines    = 3
)

// find returns the names in the guest that fit a pattern, in order, at most
// maxFound. Unlike fs.Glob it says what could not be read.
func (g *gatherer) find(pattern string) ([]string, error) {
	dirs, looked := []string{"."}, 0
	parts := strings.Split(pattern, "/")
	var bad error
	for i, part := range parts {
		var next []string
		last := i == len(parts)-1
		for _, d := range dirs {
			if !strings.ContainsAny(part, "*?[") {
				n := path.Join(d, part)
				if !last {
					next = append(next, n)
					continue
				}
				ok, err := g.exist(n)
				if bad == nil {
					bad = err
				}
				if ok {
					next = append(next, n)
				}
				continue
			}
			if looked++; looked > maxGlobDirs {
				return next, fmt.Errorf("/%s: more than %d folders to look at", pattern, maxGlobDirs)
			}
			entries, err := g.fs.ReadDir(d)
			if err != nil && !errors.Is(err, fs.ErrNotExist) && bad == nil && !g.isFile(d) {
				bad = err
			}
			for _, e := range entries {
				// As in a shell, a * does not fit a hidden file.
				if strings.HasPrefix(e.Name(), ".") && !strings.HasPrefix(part, ".") {
					continue
				}
				if ok, err := path.Match(part, e.Name()); err == nil && ok {
					next = append(next, path.Join(d, e.Name()))
				}
				if len(next) == maxFound && last {
					return next, bad
				}
			}
		}
		dirs = next
	}
	return dirs, bad
}

// isFile says that a name is no folder, which a pattern goes past.
func (g *gatherer) isFile(name string) bool {
	fi, err := g.fs.Stat(name)
	return err == nil && !fi.IsDir()
}

// grep returns the first lines of a file that fit. Comments (#, ;) do not.
func (g *gatherer) grep(name string, text *regexp.Regexp, secret bool) (found []TraceFile, err error) {
	if fi, err := g.fs.Stat(name); err != nil || !fi.Mode().IsRegular() {
		return nil, notThere(err)
	}
	b, err := guestfs.ReadFile(g.fs, name, maxSearched)
	if err != nil {
		return nil, notThere(err)
	}
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		t := strings.TrimSpace(line)
		if t == "" || t[0] == '#' || t[0] == ';' || !text.MatchString(t) {
			continue
		}
		f := TraceFile{Path: "/" + name, Line: n}
		if !secret {
			f.Text = t[:min(len(t), 200)]
		}
		if found = append(found, f); len(found) == maxLines {
			break
		}
	}
	return found, nil
}

// notThere makes no error of a file that is missing.
func notThere(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// appendNew adds the words that are not in the list.
func appendNew(list []string, words ...string) []string {
	for _, w := range words {
		if !slices.Contains(list, w) {
			list = append(list, w)
		}
	}
	return list
}

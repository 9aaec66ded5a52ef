package merge

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// file is a file that should be a report.
type file struct {
	path string
	host string // by its name, or its folder's
	// folder is the host's, for files that are named after a disk or not at all:
	// what lies in it is of one host. Empty for HOST.json.
	folder string
	// nameless: the folder was not named after a host, as far as it is known.
	nameless bool
	broken   error // it is not even to be opened
}

// ofDisk are names of files that say which disk a report is of, or nothing, but not
// of which host.
var ofDisk = regexp.MustCompile(`^(preflight|sd[a-z]{1,2}|hd[a-z]|x?vd[a-z]{1,2}|nvme\d+n\d+|mmcblk\d+|md\d+|dasd[a-z]{1,2}|disk\d*)$`)

// find lists the files in folders and those that are named, in order, each once;
// passed is how many others there are.
func find(ctx context.Context, paths []string) (files []file, passed int, err error) {
	seen := map[string]bool{}
	add := func(f file) {
		if abs, err := filepath.Abs(f.path); err == nil {
			if seen[abs] {
				return
			}
			seen[abs] = true
		}
		files = append(files, f)
	}
	var roots []string
	for _, p := range paths {
		if real, err := filepath.EvalSymlinks(p); err == nil {
			roots = append(roots, real)
		}
	}
	for _, p := range paths {
		st, err := os.Stat(p)
		if err != nil {
			return nil, 0, err
		}
		if !st.IsDir() {
			add(named(filepath.Dir(p), p))
			continue
		}
		// With the slash WalkDir goes into a link, too.
		root := filepath.Clean(p) + string(filepath.Separator)
		err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			path = filepath.Clean(path)
			here := path == filepath.Clean(p)
			switch {
			case err != nil && here:
				return err
			case err != nil: // of a folder: what is in it is missing
				f := named(p, filepath.Join(path, "preflight.json"))
				f.path, f.broken = path, err
				add(f)
				return nil
			case here:
				return nil
			case strings.HasPrefix(d.Name(), "."):
				passed++
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			case d.IsDir():
				return nil
			case d.Type()&fs.ModeSymlink != 0 && isFolder(path):
				if inside(path, roots) {
					passed++
					return nil
				}
				f := named(p, filepath.Join(path, "preflight.json"))
				f.path, f.broken = path, errors.New("a link to a folder, and those are not followed: name the folder itself")
				add(f)
				return nil
			case !strings.EqualFold(filepath.Ext(path), ".json"):
				passed++
				return nil
			}
			add(named(p, path))
			return nil
		})
		if err != nil {
			return nil, 0, err
		}
	}
	if len(files) == 0 {
		return nil, 0, fmt.Errorf("%s: no reports: no file there ends in .json", strings.Join(paths, ", "))
	}
	return files, passed, nil
}

// named works out of which host a file is, from its place below dir:
//
//	HOST.json
//	HOST/preflight.json, HOST/sda.json, HOST/sda/preflight.json,
//	HOST/mnt/migimg/preflight.json (as Ansible's fetch names them)
func named(dir, path string) file {
	f := file{path: path}
	stem := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	if !ofDisk.MatchString(stem) {
		f.host = stem
		return f
	}
	rel, err := filepath.Rel(dir, path)
	if err != nil {
		rel = filepath.Base(path)
	}
	first, _, below := strings.Cut(rel, string(filepath.Separator))
	if below && !ofDisk.MatchString(first) {
		f.host, f.folder = first, filepath.Join(dir, first)
		return f
	}
	f.folder, f.nameless = dir, true
	if abs, err := filepath.Abs(dir); err == nil {
		f.host = filepath.Base(abs)
	}
	return f
}

func isFolder(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}

// inside says that a link leads to what is read anyway.
func inside(path string, roots []string) bool {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return false
	}
	for _, r := range roots {
		if rel, err := filepath.Rel(r, real); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
			return true
		}
	}
	return false
}

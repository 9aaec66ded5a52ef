package scantest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// namesOf lists a tree as manifestOf does, with all that there is of a file but its
// contents. With exact, that is what only the filesystem itself tells, too.
func namesOf(t testing.TB, dir string, exact bool) manifest {
	t.Helper()
	m := manifest{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		line := info.Mode().String()
		if info.Mode().IsRegular() {
			line += fmt.Sprintf(" %d", info.Size())
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line += " " + to
		}
		if exact {
			st := info.Sys().(*syscall.Stat_t)
			line += fmt.Sprintf(" %d %d %d %d:%d %d %s", st.Ino, st.Nlink, st.Blocks, st.Uid, st.Gid, info.ModTime().UnixNano(), xattrsOf(path))
		}
		m[name] = line
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// xattrsOf lists a file's extended attributes.
func xattrsOf(path string) string {
	var list [64 << 10]byte
	n, err := unix.Llistxattr(path, list[:])
	if err != nil {
		return err.Error()
	}
	names := strings.FieldsFunc(string(list[:n]), func(r rune) bool { return r == 0 })
	slices.Sort(names)
	var out strings.Builder
	for _, name := range names {
		var value [64 << 10]byte
		n, err := unix.Lgetxattr(path, name, value[:])
		if err != nil {
			fmt.Fprintf(&out, "%s=%v ", name, err)
			continue
		}
		fmt.Fprintf(&out, "%s=%q ", name, value[:n])
	}
	return out.String()
}

package scantest

import (
	"fmt"
	"io/fs"
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
	return listing(t, dir, func(path, _ string, info fs.FileInfo) (string, error) {
		if !exact {
			return "", nil
		}
		st := info.Sys().(*syscall.Stat_t)
		return fmt.Sprintf(" %d %d %d %d:%d %d %s", st.Ino, st.Nlink, st.Blocks, st.Uid, st.Gid, info.ModTime().UnixNano(), xattrsOf(path)), nil
	})
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

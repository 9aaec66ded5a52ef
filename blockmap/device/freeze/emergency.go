package freeze

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Outcome is what came of thawing a filesystem.
type Outcome struct {
	Point, FSType string
	// Thawed says that it was frozen, and is not any more.
	Thawed bool
	// Err is why it could not be thawed; a filesystem that is not frozen is no error.
	Err error
}

func (o Outcome) String() string {
	switch {
	case o.Err != nil:
		return fmt.Sprintf("%s: cannot be thawed: %v", o.Point, o.Err)
	case o.Thawed:
		return o.Point + ": thawed"
	}
	return o.Point + ": was not frozen"
}

// Emergency thaws filesystems, whoever froze them: those mounted at the given places or from
// the given block devices, or with none given every mounted one that can be frozen.
// It writes nowhere, and opens nothing but mount points. A name that is no filesystem's is an error.
func Emergency(names []string) ([]Outcome, error) {
	table, err := readMounts()
	if err != nil {
		return nil, err
	}
	var rows []mount
	var unknown error
	if len(names) > 0 {
		rows, unknown = named(table, names)
	} else {
		rows = slices.DeleteFunc(slices.Clone(table), func(m mount) bool { return !freezable(m) })
	}
	var out []Outcome
	done := map[uint64]int{} // superblock: its place in out
	for _, m := range rows {
		if i, ok := done[m.Dev]; ok && out[i].Err == nil {
			continue
		}
		o := thawOne(table, m)
		if i, ok := done[m.Dev]; ok { // another of its mounts, as the first could not be opened
			out[i] = o
			continue
		}
		done[m.Dev] = len(out)
		out = append(out, o)
	}
	return out, unknown
}

// thawOne thaws a mounted filesystem. Reads of a frozen one do not wait, opening
// its mount point is safe.
func thawOne(table []mount, m mount) Outcome {
	o := Outcome{Point: m.Point, FSType: m.FSType}
	t, err := openOne(table, Filesystem{Point: m.Point, FSType: m.FSType, Dev: m.Dev})
	if err != nil {
		o.Err = err
		return o
	}
	defer unix.Close(t.fd)
	switch errno := control(t.fd, fithaw); errno {
	case 0:
		o.Thawed = true
	case unix.EINVAL:
	case unix.EPERM:
		o.Err = errors.New("thawing needs root (CAP_SYS_ADMIN)")
	default:
		o.Err = errno
	}
	return o
}

// named finds the mounts at, or of, each name. The last mount at a place is the one that is
// seen there.
func named(table []mount, names []string) ([]mount, error) {
	var out []mount
	var unknown error
	for _, n := range names {
		p := n
		if abs, err := filepath.Abs(n); err == nil {
			p = abs
		}
		if real, err := filepath.EvalSymlinks(p); err == nil {
			p = real
		}
		var st unix.Stat_t
		var hit []mount
		if unix.Stat(p, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFBLK {
			for _, m := range table {
				if m.is(st.Rdev) {
					hit = append(hit, m)
				}
			}
		} else {
			for _, m := range table {
				if m.Point == p {
					hit = []mount{m}
				}
			}
		}
		if len(hit) == 0 {
			unknown = errors.Join(unknown, fmt.Errorf("%s is neither a mount point nor a mounted block device; see findmnt", n))
		}
		out = append(out, hit...)
	}
	return out, unknown
}

// freezable says whether a mount may be frozen and can be opened without fear: what is
// on a block device, and kinds known to freeze. Opening a FUSE or network filesystem whose
// server has gone would hang.
func freezable(m mount) bool {
	return !strings.HasPrefix(m.FSType, "fuse") && (freezes(m.FSType) || len(m.blocks()) > 0)
}

// Announcement is what to tell people before filesystems are frozen.
func Announcement(points []string) string {
	return fmt.Sprintf("freezing %s; writers wait until it is thawed, which happens by itself; if ever it does not: migimg thaw %s",
		strings.Join(points, ", "), strings.Join(points, " "))
}

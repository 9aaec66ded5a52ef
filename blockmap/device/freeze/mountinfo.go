package freeze

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"migimg/blockmap/device/mounttable"
)

// mount is a row of the mount table.
type mount struct{ mounttable.Row }

// blocks are the block devices that the mount names as its source; bcachefs names
// several. Only names in /dev are looked at: what lies elsewhere may hang.
func (m mount) blocks() (out []uint64) {
	for name := range strings.SplitSeq(m.Source, ":") {
		var st unix.Stat_t
		if strings.HasPrefix(name, "/dev/") && unix.Stat(name, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFBLK {
			out = append(out, st.Rdev)
		}
	}
	return out
}

// is says whether dev is the filesystem's superblock or a device it is on.
func (m mount) is(dev uint64) bool { return m.Dev == dev || slices.Contains(m.blocks(), dev) }

// upper is the folder that an overlay filesystem writes to, empty for others.
func (m mount) upper() string {
	if m.FSType != "overlay" {
		return ""
	}
	for opt := range strings.SplitSeq(m.Super, ",") {
		if v, ok := strings.CutPrefix(opt, "upperdir="); ok {
			return mounttable.Unescape(v)
		}
	}
	return ""
}

// readMounts reads the mount tables of all namespaces. Mount ids are unique
// on the machine.
func readMounts() ([]mount, error) {
	spaces, err := mounttable.All("/proc")
	if err != nil {
		return nil, err
	}
	var out []mount
	seen := map[int]bool{}
	for _, space := range spaces {
		for _, r := range space.Rows {
			if !seen[r.ID] {
				seen[r.ID] = true
				out = append(out, mount{r})
			}
		}
	}
	return out, nil
}

// mountOf finds the mount that an open descriptor is in.
func mountOf(table []mount, fd int) (mount, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
	if err != nil {
		return mount{}, err
	}
	for line := range strings.Lines(string(b)) {
		v, ok := strings.CutPrefix(line, "mnt_id:")
		if !ok {
			continue
		}
		id, err := strconv.Atoi(strings.TrimSpace(v))
		if err != nil {
			return mount{}, err
		}
		for _, m := range table {
			if m.ID == id {
				return m, nil
			}
		}
	}
	return mount{}, errNoMount
}

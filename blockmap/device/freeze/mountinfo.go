package freeze

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mount is a row of the mount table (proc_pid_mountinfo(5)). dev is the
// superblock's number (sb->s_dev, show_mountinfo in fs/proc_namespace.c): one
// number for all mounts and subvolumes of a filesystem, other than st_dev, of which
// each btrfs subvolume has its own.
type mount struct {
	id     int
	dev    uint64
	point  string
	fstype string
	source string
	super  string // options of the superblock
}

// blocks are the block devices that the mount names as its source; bcachefs names
// several. Only names in /dev are looked at: what lies elsewhere may hang.
func (m mount) blocks() (out []uint64) {
	for name := range strings.SplitSeq(m.source, ":") {
		var st unix.Stat_t
		if strings.HasPrefix(name, "/dev/") && unix.Stat(name, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFBLK {
			out = append(out, st.Rdev)
		}
	}
	return out
}

// is says whether dev is the filesystem's superblock or a device it is on.
func (m mount) is(dev uint64) bool { return m.dev == dev || slices.Contains(m.blocks(), dev) }

// upper is the folder that an overlay filesystem writes to, empty for others.
func (m mount) upper() string {
	if m.fstype != "overlay" {
		return ""
	}
	for opt := range strings.SplitSeq(m.super, ",") {
		if v, ok := strings.CutPrefix(opt, "upperdir="); ok {
			return unescape(v)
		}
	}
	return ""
}

// readMounts reads our own mount table and, where it can be seen, that of PID 1.
// Mount ids are unique on the machine.
func readMounts() ([]mount, error) {
	var out []mount
	seen := map[int]bool{}
	for i, name := range []string{"/proc/self/mountinfo", "/proc/1/mountinfo"} {
		rows, err := readMountinfo(name)
		if err != nil && i == 0 {
			return nil, fmt.Errorf("reading the mount table: %w", err)
		}
		for _, m := range rows {
			if !seen[m.id] {
				seen[m.id] = true
				out = append(out, m)
			}
		}
	}
	return out, nil
}

func readMountinfo(name string) ([]mount, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []mount
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		if m, ok := parseMount(sc.Text()); ok {
			out = append(out, m)
		}
	}
	return out, sc.Err()
}

func parseMount(line string) (mount, bool) {
	pre, post, ok := strings.Cut(line, " - ")
	a, b := strings.Fields(pre), strings.Fields(post)
	if !ok || len(a) < 6 || len(b) < 3 {
		return mount{}, false
	}
	id, err := strconv.Atoi(a[0])
	if err != nil {
		return mount{}, false
	}
	dev, err := parseDev(a[2])
	if err != nil {
		return mount{}, false
	}
	return mount{id: id, dev: dev, point: unescape(a[4]), fstype: b[0], source: unescape(b[1]), super: b[2]}, true
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
			if m.id == id {
				return m, nil
			}
		}
	}
	return mount{}, errNoMount
}

// unescape undoes the octal escapes of the kernel's tables (\040).
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func parseDev(s string) (uint64, error) {
	major, minor, ok := strings.Cut(strings.TrimSpace(s), ":")
	a, err := strconv.ParseUint(major, 10, 32)
	if err != nil {
		return 0, err
	}
	b, err := strconv.ParseUint(minor, 10, 32)
	if err != nil || !ok {
		return 0, fmt.Errorf("%q is no device number", s)
	}
	return unix.Mkdev(uint32(a), uint32(b)), nil
}

func devString(dev uint64) string { return fmt.Sprintf("%d:%d", unix.Major(dev), unix.Minor(dev)) }

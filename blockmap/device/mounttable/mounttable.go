// Package mounttable reads the kernel's table of mounts (proc_pid_mountinfo(5)).
package mounttable

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Row is a mount.
type Row struct {
	// ID is unique on the machine.
	ID int
	// Dev is the superblock's number (sb->s_dev, show_mountinfo in
	// fs/proc_namespace.c), a dev_t: one number for all mounts and subvolumes of a
	// filesystem, other than st_dev, of which each btrfs subvolume has its own.
	Dev uint64
	// Point is where it is mounted, Root what of the filesystem ("/" is all of it), Source
	// from where; FSType is the filesystem's type.
	Point, Root, FSType, Source string
	// Super are the superblock's options, as they are in the table.
	Super string
}

// Read reads the table at path, as /proc/1/mountinfo. Rows that are not in its form
// are left out.
func Read(path string) ([]Row, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []Row
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		if r, ok := Parse(sc.Text()); ok {
			out = append(out, r)
		}
	}
	return out, sc.Err()
}

// Parse reads one row, and says whether it is one. Of white space, the kernel escapes
// what it separates fields and rows by (mangle in fs/proc_namespace.c), and no other: it
// can be in names. A source may be empty.
func Parse(line string) (Row, bool) {
	pre, post, ok := strings.Cut(line, " - ")
	a, b := strings.Split(pre, " "), strings.SplitN(post, " ", 3)
	if !ok || len(a) < 6 || len(b) < 3 {
		return Row{}, false
	}
	id, err := strconv.Atoi(a[0])
	if err != nil {
		return Row{}, false
	}
	dev, err := ParseDev(a[2])
	if err != nil {
		return Row{}, false
	}
	return Row{ID: id, Dev: dev, Point: Unescape(a[4]), Root: Unescape(a[3]), FSType: b[0], Source: Unescape(b[1]), Super: b[2]}, true
}

// Unescape undoes the octal escapes of the kernel's tables (\040).
func Unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
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

// ParseDev reads a dev_t in the form that the kernel writes, MAJOR:MINOR.
func ParseDev(s string) (uint64, error) {
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

// FormatDev is the reverse of ParseDev.
func FormatDev(dev uint64) string { return fmt.Sprintf("%d:%d", unix.Major(dev), unix.Minor(dev)) }

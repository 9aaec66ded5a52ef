package ext4_test

import (
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"migimg/blockmap"
)

// dumpe2fs is what e2fsprogs says of a filesystem.
type dumpe2fs struct {
	head map[string]string // "Filesystem UUID" ...
	free []blockmap.Range  // bytes
}

var (
	inodeTable   = regexp.MustCompile(`^  Inode table at (\d+)-(\d+)`)
	unusedInodes = regexp.MustCompile(`, (\d+) unused inodes`)
)

// runDumpe2fs reads the free blocks of all groups, and the ends of inode tables
// that it calls unused, and where debugfs says that the journal lies, which must be
// clean, but for its first block. With bigalloc, dumpe2fs
// prints the first block of the last cluster as a range's end.
func runDumpe2fs(t testing.TB, img string) dumpe2fs {
	t.Helper()
	cmd := exec.Command("dumpe2fs", img)
	cmd.Env = append(cmd.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("dumpe2fs %s: %v", img, err)
	}
	d := dumpe2fs{head: map[string]string{}}
	unit, ratio := int64(0), int64(1)
	var table blockmap.Range // of the group, in blocks
	for line := range strings.Lines(string(out)) {
		if m := inodeTable.FindStringSubmatch(line); m != nil {
			table.Off = number(t, m[1])
			table.Len = number(t, m[2]) + 1 - table.Off
		}
		if m := unusedInodes.FindStringSubmatch(line); m != nil && ratio == 1 {
			// Without checksums of the descriptors dumpe2fs prints no such count.
			per := unit / number(t, d.head["Inode size"])
			used := (number(t, d.head["Inodes per group"]) - number(t, m[1]) + per - 1) / per
			d.free = append(d.free, blockmap.Range{Off: (table.Off + used) * unit, Len: (table.Len - used) * unit})
		}
		key, value, ok := strings.Cut(strings.TrimRight(line, "\n"), ":")
		if !ok {
			continue
		}
		if _, known := d.head[key]; !known && !strings.HasPrefix(key, " ") {
			d.head[key] = strings.TrimSpace(value)
		}
		switch key {
		case "Block size":
			unit = number(t, value)
		case "Cluster size":
			ratio = number(t, value) / unit
		case "  Free blocks":
			for part := range strings.SplitSeq(value, ",") {
				if part = strings.TrimSpace(part); part == "" {
					continue
				}
				a, b, ok := strings.Cut(part, "-")
				if !ok {
					b = a
				}
				from, to := number(t, a), number(t, b)+ratio
				d.free = append(d.free, blockmap.Range{Off: from * unit, Len: (to - from) * unit})
			}
		}
	}
	if features := d.head["Filesystem features"]; ratio == 1 && strings.Contains(features, "has_journal") && !strings.Contains(features, "fast_commit") {
		d.free = append(d.free, emptyJournal(t, img, unit)...)
	}
	end := number(t, d.head["Block count"]) * unit
	slices.SortFunc(d.free, func(a, b blockmap.Range) int { return int(a.Off - b.Off) })
	d.free = slices.DeleteFunc(d.free, func(r blockmap.Range) bool { return r.Len == 0 })
	out2 := d.free[:0]
	for _, r := range d.free {
		r.Len = min(r.Len, end-r.Off) // the last cluster may be short
		if n := len(out2); n > 0 && out2[n-1].End() == r.Off {
			out2[n-1].Len += r.Len
			continue
		}
		out2 = append(out2, r)
	}
	d.free = out2
	return d
}

var journalRun = regexp.MustCompile(`\((\d+)(?:-\d+)?\):(\d+)(?:-(\d+))?`)

func emptyJournal(t testing.TB, img string, unit int64) (free []blockmap.Range) {
	t.Helper()
	out, err := exec.Command("debugfs", "-R", "stat <8>", img).Output()
	if err != nil {
		t.Fatalf("debugfs %s: %v", img, err)
	}
	for _, m := range journalRun.FindAllStringSubmatch(string(out), -1) {
		from, to := number(t, m[2]), number(t, m[2])+1
		if m[3] != "" {
			to = number(t, m[3]) + 1
		}
		if m[1] == "0" {
			from++ // the journal's superblock
		}
		free = append(free, blockmap.Range{Off: from * unit, Len: (to - from) * unit})
	}
	if len(free) == 0 {
		t.Fatalf("debugfs does not say where the journal of %s lies:\n%s", img, out)
	}
	return free
}

func number(t testing.TB, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

package ext4_test

import (
	"os/exec"
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

// runDumpe2fs reads the free blocks of all groups. With bigalloc, dumpe2fs
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
	for line := range strings.Lines(string(out)) {
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
	end := number(t, d.head["Block count"]) * unit
	slices.SortFunc(d.free, func(a, b blockmap.Range) int { return int(a.Off - b.Off) })
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

func number(t testing.TB, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

package xfs_test

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"migimg/blockmap"
)

var record = regexp.MustCompile(`:\[(\d+),(\d+)\]`)

// xfsDB is what xfs_db prints, reading only.
func xfsDB(t testing.TB, img string, commands ...string) string {
	t.Helper()
	args := []string{"-r"}
	for _, c := range commands {
		args = append(args, "-c", c)
	}
	cmd := exec.Command("xfs_db", append(args, img)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("xfs_db %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// fields are lines of "name = value".
func fields(out string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(out) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), " = "); ok {
			m[k] = v
		}
	}
	return m
}

func number(t testing.TB, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(strings.TrimSpace(s), 0, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// freeOf are the records in the leaves of all groups' trees.
func freeOf(t testing.TB, img string) (free []blockmap.Range) {
	t.Helper()
	sb := fields(xfsDB(t, img, "sb 0", "print blocksize agblocks agcount"))
	size, perGroup := number(t, sb["blocksize"]), number(t, sb["agblocks"])
	leaf := false
	for g := range number(t, sb["agcount"]) {
		for line := range strings.Lines(xfsDB(t, img, fmt.Sprint("agf ", g), "addr bnoroot", "btdump")) {
			if !strings.Contains(line, ":[") {
				leaf = strings.HasPrefix(line, "recs[") // else keys[ or ptrs[
			}
			if !leaf {
				continue
			}
			// What is printed has lists of "1:[6,6]" behind a line of what they are.
			for _, m := range record.FindAllStringSubmatch(line, -1) {
				free = append(free, blockmap.Range{Off: (g*perGroup + number(t, m[1])) * size, Len: number(t, m[2]) * size})
			}
		}
	}
	return free
}

//go:build integration

package f2fs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"migimg/blockmap"
)

var (
	mainBlock = regexp.MustCompile(`(?m)^main_blkaddr\s+\[0x\s*[0-9a-f]+ : (\d+)\]`)
	segment   = regexp.MustCompile(`^segno:\s*(\d+)\s+vblocks:\s*(\d+)`)
)

// dump is what dump.f2fs says of the valid blocks of all segments, made the
// free ranges of bytes.
func dump(t testing.TB, img string) []blockmap.Range {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("dump.f2fs", "-d", "1", "-s", "0~-1", img)
	cmd.Dir = dir // it writes a file there
	out, err := cmd.CombinedOutput()
	m := mainBlock.FindSubmatch(out)
	if err != nil || m == nil {
		t.Fatalf("dump.f2fs %s: %v\n%s", img, err, out)
	}
	start, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "dump_sit"))
	if err != nil {
		t.Fatal(err)
	}
	var free []blockmap.Range
	add := func(block int64) {
		off := block * 4096
		if n := len(free); n > 0 && free[n-1].End() == off {
			free[n-1].Len += 4096
			return
		}
		free = append(free, blockmap.Range{Off: off, Len: 4096})
	}
	at, n := start, 0 // block, segments
	for line := range strings.Lines(string(b)) {
		if m := segment.FindStringSubmatch(line); m != nil {
			if m[1] != strconv.Itoa(n) {
				t.Fatalf("segment %s, must be %d", m[1], n)
			}
			at = start + int64(n)*512
			n++
			for i := int64(0); m[2] == "0" && i < 512; i++ {
				add(at + i)
			}
			continue
		}
		for word := range strings.FieldsSeq(line) {
			v, err := strconv.ParseUint(word, 16, 8)
			if err != nil || len(word) != 2 {
				break
			}
			for i := range 8 {
				if v<<i&0x80 == 0 {
					add(at)
				}
				at++
			}
		}
	}
	return free
}

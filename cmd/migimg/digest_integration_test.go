//go:build integration

package main

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"migimg/internal/need"
)

// TestDigests: the sums of a file appear once it has been read, by one reader or by
// several at a time, and are what sha256sum, xz and the command say.
func TestDigests(t *testing.T) {
	need.Root(t)
	need.Tool(t, "sha256sum", "rclone", "xz")
	d := fragmentedDisk()
	path, _ := d.make(t)
	point := mountMigimg(t, path, "--digest", "--target", "linode")
	for _, f := range statusOf(t, point).Files {
		file := filepath.Join(point, f.Path)
		if sum := attribute(file, "user.migimg.sha256"); sum != "" {
			t.Errorf("%s has a SHA-256 before it was read: %s", f.Path, sum)
		}
		copied := copyOf(t, file)
		want, _, _ := strings.Cut(run(t, "sha256sum", copied), " ")
		var fields []string
		if f.Path == "disk.qcow2" { // xz takes its time
			run(t, "xz", "-0", "-k", "--check=crc64", copied)
			fields = strings.Fields(lastBlock(t, run(t, "xz", "--robot", "--list", "-vv", copied+".xz")))
		}
		var got []digested
		if err := json.Unmarshal([]byte(run(t, program, "digest", "--format", "json", file, copied)), &got); err != nil {
			t.Fatal(err)
		}
		for _, g := range got {
			if g.SHA256 != want || fields != nil && !slices.Contains(fields, g.CRC64) {
				t.Errorf("%s: %+v, should be %s and one of %v", f.Path, g, want, fields)
			}
		}
		if sum := attribute(file, "user.migimg.sha256"); sum != want {
			t.Errorf("%s, once it was copied: %q, should be %s", f.Path, sum, want)
		}
	}

	again := mountMigimg(t, path, "--digest")
	run(t, "rclone", "copy", "--config", "/dev/null", "--include", "disk.qcow2", "--multi-thread-streams", "4", "--multi-thread-cutoff", "1M", again, tempDir(t))
	if got, want := attribute(filepath.Join(again, "disk.qcow2"), "user.migimg.crc64"), attribute(filepath.Join(point, "disk.qcow2"), "user.migimg.crc64"); got != want || got == "" {
		t.Errorf("read in parts at a time: %q, should be %s", got, want)
	}
}

// lastBlock is the line of a file's only block in xz's list.
func lastBlock(t *testing.T, list string) (line string) {
	t.Helper()
	for l := range strings.Lines(list) {
		if strings.HasPrefix(l, "block\t") {
			line = l
		}
	}
	return line
}

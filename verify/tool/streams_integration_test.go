//go:build integration

package tool

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"migimg/internal/need"
)

// Tests find a good file good, whatever its name is, a damaged one bad, and a missing
// one is neither.
func TestTesters(t *testing.T) {
	need.Tool(t, "gzip", "zstd", "tar")
	dir := t.TempDir()
	disk := filepath.Join(dir, "disk.raw")
	if err := os.WriteFile(disk, make([]byte, 100000), 0o600); err != nil {
		t.Fatal(err)
	}
	for format, cmd := range map[string]string{
		"raw.gz": "gzip <disk.raw", "raw.zst": "zstd -q <disk.raw", "raw.tar": "tar -c disk.raw", "raw.tar.gz": "tar -cz disk.raw", "ova": "tar -c disk.raw",
	} {
		path := filepath.Join(dir, "host:"+format)
		if out, err := exec.Command("sh", "-c", "cd "+dir+" && "+cmd+" >"+path).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		x, ok := TesterOf(format)
		if !ok {
			t.Fatal(format)
		}
		link := filepath.Join(dir, "link")
		for _, p := range []string{path, link} {
			_ = os.Remove(link) // of the round before
			if err := os.Symlink(path, link); err != nil {
				t.Fatal(err)
			}
			if bad, _, err := x.Test(t.Context(), p); bad != "" || err != nil {
				t.Errorf("%s of %s: %q, %v", x.Name, p, bad, err)
			}
		}
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, st.Size()/2); err != nil {
			t.Fatal(err)
		}
		for _, p := range []string{path, link} {
			if bad, _, err := x.Test(t.Context(), p); bad == "" || err != nil {
				t.Errorf("%s of a half: %q, %v", x.Name, bad, err)
			}
		}
		if bad, _, err := x.Test(t.Context(), filepath.Join(dir, "none")); bad != "" || err == nil {
			t.Errorf("%s of nothing: %q, %v", x.Name, bad, err)
		}
	}
	if _, ok := TesterOf("qcow2"); ok {
		t.Error("qcow2 is unpacked")
	}
}

//go:build integration

package md_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ulikunitz/xz"

	"migimg/internal/need"
)

// TestCorpus reads superblocks that md made, of util-linux's test images, and
// holds them against what its authors expect of blkid.
func TestCorpus(t *testing.T) {
	dir := filepath.Join(need.Corpora(t, "util-linux"), "blkid")
	for name, want := range map[string]struct{ features, whole string }{
		"mdraid":   {"[metadata=0.90 raid1 raid_devices=2]", ""},
		"mdraid-1": {"[metadata=1.2 raid0 raid_devices=1]", "raid0"},
	} {
		f, err := os.Open(filepath.Join(dir, "images-fs", name+".img.xz"))
		if err != nil {
			t.Fatal(err)
		}
		x, err := xz.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(x)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		expected, err := os.ReadFile(filepath.Join(dir, "expected", "low-probe-"+name))
		if err != nil {
			t.Fatal(err)
		}
		k, r := scan(t, b)
		if fmt.Sprint(r.Features) != want.features || !strings.Contains(r.Whole, want.whole) || (k.inner == nil) != (want.whole != "") {
			t.Errorf("%s: %+v", name, r)
		}
		for _, line := range []string{"ID_FS_UUID=" + r.UUID, "ID_FS_TYPE=" + r.Type, "ID_FS_LABEL=" + r.Label} {
			if !strings.HasSuffix(line, "=") && !strings.Contains(string(expected), line+"\n") {
				t.Errorf("%s: %s is not what blkid says", name, line)
			}
		}
	}
}

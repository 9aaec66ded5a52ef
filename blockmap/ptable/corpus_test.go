//go:build integration

package ptable

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ulikunitz/xz"

	"migimg/blockmap"
	"migimg/internal/need"
)

// TestTablesOnCorpus reads util-linux's own images of partition tables, and
// holds the MBR's and the GPT's against what its authors expect of libblkid.
func TestTablesOnCorpus(t *testing.T) {
	dir := filepath.Join(need.Corpora(t, "util-linux"), "blkid")
	images, err := filepath.Glob(filepath.Join(dir, "images-pt/*.xz"))
	if err != nil || len(images) == 0 {
		t.Fatalf("no images of partition tables: %v", err)
	}
	for _, path := range images {
		name := strings.TrimSuffix(filepath.Base(path), ".img.xz")
		t.Run(name, func(t *testing.T) {
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			x, err := xz.NewReader(f)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(x)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Read(blockmap.Bytes(bytes.NewReader(b), int64(len(b)), 0))
			if err != nil {
				t.Fatal(err)
			}
			expected, err := os.ReadFile(filepath.Join(dir, "expected/lowprobe-pt-"+name))
			if err != nil {
				t.Fatal(err)
			}
			want := string(expected)
			if !strings.Contains(want, "PT: gpt") && !strings.Contains(want, "PT: dos") {
				if got.Kind != KindNone && len(got.Partitions) > 0 && got.Broken == "" {
					t.Errorf("taken for %+v", got)
				}
				return
			}
			sound(t, got)
			if !strings.Contains(want, "id="+got.ID+"\n") {
				t.Errorf("ID %s", got.ID)
			}
			// libblkid numbers the partitions of a BSD label inside, too.
			if n := strings.Count(want, "\n#") - strings.Count(want, "(freebsd)"); n != len(got.Partitions) {
				t.Errorf("%d partitions, want %d", len(got.Partitions), n)
			}
			for _, p := range got.Partitions {
				line := fmt.Sprintf("#%d: %10d %10d  0x0 ", p.Number, p.Start/512, p.Size/512)
				if p.Name != "" {
					line += fmt.Sprintf("name='%s' uuid='%s' type='%s'\n", p.Name, p.UUID, p.Type)
				} else {
					line = fmt.Sprintf("#%d: %10d %10d  %s uuid='%s'\n", p.Number, p.Start/512, p.Size/512, p.Type, p.UUID)
				}
				if !strings.Contains(want, line) {
					t.Errorf("%q is not in\n%s", line, want)
				}
			}
		})
	}
}

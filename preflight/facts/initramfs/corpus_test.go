package initramfs

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"migimg/internal/need"
)

func read(t testing.TB, data []byte) *Archive {
	t.Helper()
	a, err := Read(t.Context(), bytes.NewReader(data), int64(len(data)), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestThreeCPIO compares with the answers that the authors of 3cpio gave for
// their archives: segments to the byte, members with mode, size and link.
func TestThreeCPIO(t *testing.T) {
	dir := need.Corpora(t, "cpio-3cpio")
	raw, err := os.ReadFile(filepath.Join(dir, "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	type entry struct {
		Path, Mode, Link string
		Size             int64
	}
	var doc struct {
		Cases []struct {
			File     string
			Segments []struct {
				Start, End  int64
				Compression string
				Entries     []entry
			}
		}
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Cases) == 0 {
		t.Fatal("no cases")
	}
	for _, c := range doc.Cases {
		t.Run(c.File, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(dir, c.File))
			if err != nil {
				t.Fatal(err)
			}
			a := read(t, data)
			type seg struct {
				Start, End  int64
				Compression string
			}
			var got, want []seg
			for _, s := range a.Segments {
				got = append(got, seg{s.Offset, s.Offset + s.Size, s.Compression})
			}
			members := map[string]entry{}
			opaque := false
			for _, s := range c.Segments {
				want = append(want, seg{s.Start, s.End, s.Compression})
				if s.Compression == "lzop" {
					opaque = true // not read: the list must say that it is not complete
					continue
				}
				for _, e := range s.Entries {
					members[e.Path] = e
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("segments (-want +got):\n%s", d)
			}
			if (a.Opaque != "") != opaque {
				t.Errorf("Opaque = %q", a.Opaque)
			}
			have := map[string]entry{}
			for _, f := range a.Files {
				e := entry{Path: f.Path, Mode: modeString(f.Mode), Link: f.Link}
				if !f.IsDir() {
					e.Size = f.Size
				}
				if m, ok := members[f.Path]; ok && m.Mode == "" { // not recorded
					e.Mode, e.Size = "", min(e.Size, m.Size)
				}
				have[f.Path] = e
			}
			if d := cmp.Diff(members, have); d != "" {
				t.Errorf("members (-want +got):\n%s", d)
			}
		})
	}
}

// modeString prints a mode as ls does.
func modeString(m uint32) string {
	b := []byte("?rwxrwxrwx")
	switch m & modeType {
	case modeDir:
		b[0] = 'd'
	case modeRegular:
		b[0] = '-'
	case modeLink:
		b[0] = 'l'
	case 0o020000:
		b[0] = 'c'
	}
	for i := range 9 {
		if m>>(8-i)&1 == 0 {
			b[i+1] = '-'
		}
	}
	return string(b)
}

// TestSeeds reads u-root's archives, which have no recorded answer: they must
// be readable to the end.
func TestSeeds(t *testing.T) {
	dir := need.Corpora(t, "u-root")
	files, err := filepath.Glob(filepath.Join(dir, "cpio", "*.cpio"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			a := read(t, data)
			t.Logf("%d members, opaque %q, problems %q", len(a.Files), a.Opaque, a.Problems)
		})
	}
}

//go:build integration

package blockmap_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ulikunitz/xz"

	"migimg/blockmap"
	"migimg/blockmap/ptable"
	"migimg/internal/need"
)

// sparse is an image in memory without its zeros.
type sparse struct {
	size   int64
	chunks map[int64][]byte
}

const sparseChunk = 64 << 10

// unpack reads an .xz file.
func unpack(t *testing.T, path string) *sparse {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	x, err := xz.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	s := &sparse{chunks: map[int64][]byte{}}
	zeros := make([]byte, sparseChunk)
	for {
		b := make([]byte, sparseChunk)
		n, err := io.ReadFull(x, b)
		if n > 0 && !bytes.Equal(b, zeros) {
			s.chunks[s.size/sparseChunk] = b
		}
		s.size += int64(n)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return s
		case err != nil:
			t.Fatal(err)
		}
	}
}

func (s *sparse) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) && off < s.size {
		n := min(int64(len(p)-done), sparseChunk-off%sparseChunk, s.size-off)
		if c := s.chunks[off/sparseChunk]; c != nil {
			copy(p[done:], c[off%sparseChunk:][:n])
		} else {
			clear(p[done : done+int(n)])
		}
		done += int(n)
		off += n
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

// TestSignaturesOnCorpus names the formats of util-linux's own test
// images, and holds it against what its authors expect of blkid. None of them
// is a partitioned disk.
func TestSignaturesOnCorpus(t *testing.T) {
	dir := need.Corpora(t, "util-linux")
	raw, err := os.ReadFile(filepath.Join(dir, "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Cases []struct {
			Area     string `json:"area"`
			Image    string `json:"image"`
			Expected string `json:"expected_file"`
			Offset   any    `json:"session_offset"`
		} `json:"cases"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	// blkid's name where ours is coarser.
	same := map[string]string{"ext2": "ext4", "ext3": "ext4", "jbd": "ext4", "VMFS_volume_member": "VMFS"}
	// Where blkid knows two names for one mark; none of these is ever read by a
	// scanner.
	or := map[string]string{"bcachefs": "bcache", "squashfs3": "squashfs", "udf": "iso9660"}
	tried, named := map[string]bool{}, 0
	for _, c := range doc.Cases {
		if c.Area != "blkid" || c.Offset != nil || tried[c.Image] {
			continue
		}
		tried[c.Image] = true
		t.Run(strings.TrimSuffix(filepath.Base(c.Image), ".img.xz"), func(t *testing.T) {
			expected, err := os.ReadFile(filepath.Join(dir, c.Expected))
			if err != nil {
				t.Fatal(err)
			}
			_, want, _ := strings.Cut(string(expected), "ID_FS_TYPE=")
			want, _, _ = strings.Cut(want, "\n")
			if s := same[want]; s != "" {
				want = s
			}
			img := unpack(t, filepath.Join(dir, c.Image))
			v := blockmap.Bytes(img, img.size, 0)
			got, err := blockmap.Signatures(v)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case len(got) == 0:
				t.Logf("%s is not known", want)
			case !slices.Contains(got, want) && !slices.Contains(got, or[want]):
				t.Errorf("%v, want %s", got, want)
			default:
				named++
				if len(got) > 1 {
					t.Logf("%v, blkid says %s", got, want)
				}
			}
			if err := (ptable.Scanner{}).Probe(v); !errors.Is(err, blockmap.ErrNotMine) {
				t.Errorf("taken for a partition table: %v", err)
			}
		})
	}
	t.Logf("%d of %d images named", named, len(tried))
}

//go:build integration

package ntfs_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"migimg/blockmap"
)

// ntfsclone lists the clusters that ntfsclone does not put into its image: it
// walks all files for what they use, compares that with $Bitmap and refuses a
// volume where they differ. The image (ntfsprogs/ntfsclone.c, struct image_hdr)
// is a header, and then bytes 0 with a number of clusters left out behind them,
// or 1 with a cluster.
func ntfsclone(t testing.TB, img string) []blockmap.Range {
	t.Helper()
	out := filepath.Join(t.TempDir(), "clone")
	cmd := exec.Command("ntfsclone", "--save-image", "--output", out, img)
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ntfsclone %s: %v\n%s", img, err, b)
	}
	defer os.Remove(out)
	f, err := os.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	head := make([]byte, 50)
	if _, err := io.ReadFull(f, head); err != nil || string(head[:16]) != "\x00ntfsclone-image" {
		t.Fatalf("%q %v", head, err)
	}
	le := binary.LittleEndian
	cluster, clusters := int64(le.Uint32(head[18:])), int64(le.Uint64(head[30:]))
	if _, err := f.Seek(int64(le.Uint32(head[46:])), io.SeekStart); err != nil {
		t.Fatal(err)
	}
	var free []blockmap.Range
	r, at := bufio.NewReaderSize(f, 1<<20), int64(0)
	for {
		c, err := r.ReadByte()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if c == 1 {
			// That with the copy of the boot sector may be short.
			if _, err := r.Discard(int(cluster)); err != nil && at < clusters {
				t.Fatal(err)
			}
			at++
			continue
		}
		var b [8]byte
		if _, err := io.ReadFull(r, b[:]); err != nil || c != 0 {
			t.Fatalf("command %d: %v", c, err)
		}
		n := int64(le.Uint64(b[:]))
		// Behind the last whole cluster is the copy of the boot sector.
		if k := min(n, clusters-at); k > 0 {
			free = append(free, blockmap.Range{Off: at * cluster, Len: k * cluster})
		}
		at += n
	}
	if at < clusters {
		t.Fatalf("%d of %d clusters are listed", at, clusters)
	}
	return free
}

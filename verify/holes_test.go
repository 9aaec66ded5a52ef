package verify

import (
	"context"
	"io"
	"testing"

	"migimg/verify/manifest"
)

// sparse is a disk of holes, a data chunk at each end of one, and counts what it is asked.
type sparse struct {
	size, hole int64
	asked      int
}

func (d *sparse) Size() int64 { return d.size }

func (d *sparse) Allocated(off int64) (int64, bool) {
	d.asked++
	if rest := d.hole - off%d.hole; rest > manifest.ChunkSize {
		return rest - manifest.ChunkSize, false
	}
	return 1, true
}

func (d *sparse) ReadAt(p []byte, off int64) (int, error) {
	if off >= d.size {
		return 0, io.EOF
	}
	clear(p)
	return len(p), nil
}

func (d *sparse) Locate(int64) int64 { return -1 }

// TestHolesAskedOnce: a decoder looks at each cluster of a hole to find its end, so it is
// asked once a hole, and not for each chunk in it.
func TestHolesAskedOnce(t *testing.T) {
	d := &sparse{size: 64 << 30, hole: 1 << 30}
	m := &manifest.Manifest{Disks: []manifest.Disk{{Size: d.size}}} // all zeros
	r := &Report{Format: Raw}
	a, err := r.prove(context.Background(), d, Options{Proof: &Proof{Manifest: m}, Parallel: 2, MaxDiffs: 1}, func(int64) string { return "" })
	if err != nil || a.Status != Pass || r.Compared != 64*manifest.ChunkSize || r.Holes != d.size-r.Compared {
		t.Fatalf("%v, %+v, %d bytes read, %d in holes", err, a, r.Compared, r.Holes)
	}
	// Two workers may both come to a hole first.
	if holes := 64; d.asked > 4*holes {
		t.Errorf("asked %d times about %d holes", d.asked, holes)
	}
}

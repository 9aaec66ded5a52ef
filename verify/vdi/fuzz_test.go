package vdi

import (
	"bytes"
	"context"
	"testing"

	"migimg/verify/decoder"
	"migimg/verify/internal/build"
)

// FuzzOpen checks that no image crashes, hangs or balloons the check and the
// reading of the first MiB, and that the disk keeps its promises.
func FuzzOpen(f *testing.F) {
	disk, used := build.Disk(1, 40<<10, 4096)
	f.Add(build.VDI(disk, used, 4096, false).Bytes)
	f.Add(build.VDI(disk, used, 4096, true).Bytes)
	f.Add(build.VDI(disk[:40<<10-512], []int{1, 4}, 8192, false).Bytes)
	f.Fuzz(func(t *testing.T, b []byte) {
		f, ps := decoder.File{R: bytes.NewReader(b), Size: int64(len(b))}, &decoder.Problems{}
		d, _, err := Open(context.Background(), f, ps)
		if err != nil {
			t.Fatal(err)
		}
		if d == nil {
			if ps.Count(decoder.Fail)+ps.Count(decoder.Unknown) == 0 {
				t.Fatal("no disk, and nothing is said to be wrong")
			}
			return
		}
		buf := make([]byte, 5000)
		for off, steps := int64(0), 0; off < min(d.Size(), 1<<20) && steps < 300; steps++ {
			n, data := d.Allocated(off)
			if n <= 0 || n > d.Size()-off {
				t.Fatalf("%d bytes alike at %d of %d", n, off, d.Size())
			}
			p := buf[:min(n, int64(len(buf)))]
			if k, err := d.ReadAt(p, off); k < len(p) && err == nil {
				t.Fatal("short read without an error")
			} else if k == len(p) && !data && !bytes.Equal(p, make([]byte, k)) {
				t.Fatalf("bytes in a hole at %d", off)
			}
			d.Locate(off)
			off += int64(len(p))
		}
	})
}

// Package decodertest is what the fuzz targets of all decoders ask of a disk.
package decodertest

import (
	"bytes"
	"testing"

	"migimg/verify/decoder"
)

// Promises checks that an image that was opened gave a disk or a reason why not, and
// reads the disk's first MiB: it must keep what decoder.Disk promises.
func Promises(t *testing.T, d decoder.Disk, ps *decoder.Problems) {
	t.Helper()
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
}

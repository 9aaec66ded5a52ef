package vhdx

import (
	"bytes"
	"context"
	"testing"

	"migimg/verify/decoder"
	"migimg/verify/internal/build"
	"migimg/verify/internal/decodertest"
)

// sparse is a file of zeros with some bytes in it: a VHDX takes MiBs, which a
// fuzzer would change in vain.
type sparse map[int64][]byte

func (s sparse) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	for at, b := range s {
		if from, to := max(at, off), min(at+int64(len(b)), off+int64(len(p))); from < to {
			copy(p[from-off:to-off], b[from-at:to-at])
		}
	}
	return len(p), nil
}

// image puts the parts of an image where the builder has them, with the right
// checksums, which a fuzzer cannot guess. The second header and region table are
// the first ones again.
func image(head, regions, items, values, bat []byte) sparse {
	whole := func(b []byte, n int) []byte { return append(bytes.Clone(b), make([]byte, n)...)[:n] }
	head, regions = whole(head, headerSize), whole(regions, tableSize)
	second := bytes.Clone(head)
	second[8]++
	for _, b := range [][]byte{head, second, regions} {
		le.PutUint32(b[4:], checksum(b))
	}
	return sparse{
		0: []byte(Magic), headersAt[0]: head, headersAt[1]: second, tablesAt[0]: regions, tablesAt[1]: regions,
		build.VHDXMetadata: whole(items, tableSize), build.VHDXMetadata + tableSize: whole(values, 64*kib),
		build.VHDXTable: whole(bat, mib),
	}
}

// FuzzOpen checks that no image crashes, hangs or balloons the check and the
// reading of the first MiB, and that the disk keeps its promises.
func FuzzOpen(f *testing.F) {
	disk, used := build.Disk(1, 5*mib, mib)
	for _, o := range []build.VHDXOptions{{}, {Fixed: true}, {Block: 2 * mib, Sector: 4096}, {Size: 9 << 30}} {
		b := build.VHDX(disk, used, o).Bytes
		cut := func(at, n int64) []byte { return b[at:][:n] }
		f.Add(cut(headersAt[0], 100), cut(tablesAt[0], 100), cut(build.VHDXMetadata, 200), cut(build.VHDXMetadata+tableSize, 40),
			cut(build.VHDXTable, 100), int64(len(b)))
	}
	f.Fuzz(func(t *testing.T, head, regions, items, values, bat []byte, size int64) {
		if size < 0 {
			return
		}
		f, ps := decoder.File{R: image(head, regions, items, values, bat), Size: size}, &decoder.Problems{}
		d, _, err := Open(context.Background(), f, ps)
		if err != nil {
			t.Fatal(err)
		}
		decodertest.Promises(t, d, ps)
	})
}

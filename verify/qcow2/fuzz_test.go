package qcow2

import (
	"bytes"
	"context"
	"testing"

	"migimg/verify/decoder"
	"migimg/verify/internal/build"
	"migimg/verify/internal/decodertest"
)

// FuzzOpen checks that no image crashes, hangs or balloons the check and the
// reading of the first MiB, and that the disk keeps its promises.
func FuzzOpen(f *testing.F) {
	for _, bits := range []int{9, 12} {
		disk, used := build.Disk(1, 40<<10, 1<<bits)
		f.Add(build.QCOW2(disk, used, bits).Bytes)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		f, ps := decoder.File{R: bytes.NewReader(b), Size: int64(len(b))}, &decoder.Problems{}
		d, _, err := Open(context.Background(), f, ps)
		if err != nil {
			t.Fatal(err)
		}
		decodertest.Promises(t, d, ps)
	})
}

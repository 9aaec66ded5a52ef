package vmdk

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
	disk, used := build.Disk(1, 40<<10, 4096)
	f.Add(build.VMDKStream(disk, used, 4096, "disk.vmdk").Bytes)
	f.Add(build.VMDKSparse(disk, used, 4096, "disk.vmdk").Bytes)
	f.Fuzz(func(t *testing.T, b []byte) {
		f, ps := decoder.File{R: bytes.NewReader(b), Size: int64(len(b))}, &decoder.Problems{}
		d, _, err := Open(context.Background(), f, "disk.vmdk", ps)
		if err != nil {
			t.Fatal(err)
		}
		decodertest.Promises(t, d, ps)
	})
}

package vhd

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"

	"migimg/verify/decoder"
	"migimg/verify/internal/build"
	"migimg/verify/internal/decodertest"
)

// FuzzOpen checks that no image crashes, hangs or balloons the check and the
// reading of the first MiB, and that the disk keeps its promises.
func FuzzOpen(f *testing.F) {
	disk, used := build.Disk(1, 40<<10, 4096)
	f.Add(build.VHD(disk, used, 4096).Bytes)
	f.Add(build.VHDFixed(disk).Bytes)
	f.Fuzz(func(t *testing.T, b []byte) {
		b = signed(b)
		f, ps := decoder.File{R: bytes.NewReader(b), Size: int64(len(b))}, &decoder.Problems{}
		d, _, err := Open(context.Background(), f, ps)
		if err != nil {
			t.Fatal(err)
		}
		decodertest.Promises(t, d, ps)
	})
}

// signed puts the right checksums in, which a fuzzer cannot guess.
func signed(b []byte) []byte {
	b = bytes.Clone(b)
	if len(b) < 2048 {
		return b
	}
	for _, at := range []int{0, len(b) - footerSize} {
		foot := b[at : at+footerSize]
		binary.BigEndian.PutUint32(foot[64:], checksum(foot, 64))
	}
	head := b[512 : 512+headerSize]
	binary.BigEndian.PutUint32(head[36:], checksum(head, 36))
	return b
}

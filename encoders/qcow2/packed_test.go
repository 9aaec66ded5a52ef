package qcow2_test

import (
	"context"
	"testing"

	"migimg/encoders/compress"
	"migimg/encoders/encodertest"
	"migimg/encoders/qcow2"
	"migimg/verify/decoder"
	decode "migimg/verify/qcow2"
)

func TestPacked(t *testing.T) {
	// What zstd packed is read by QEMU, in the integration tests.
	encodertest.RunPacked(t, qcow2.Encoder{}, map[string]encodertest.Opener{
		compress.Zlib: encodertest.Decoded("disk.qcow2", func(ctx context.Context, f decoder.File, ps *decoder.Problems) (decoder.Disk, string, error) {
			return decode.Open(ctx, f, ps)
		}),
		compress.Zstd: nil,
	})
}

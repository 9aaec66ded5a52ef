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
	open := encodertest.Decoded("disk.qcow2", func(ctx context.Context, f decoder.File, ps *decoder.Problems) (decoder.Disk, string, error) {
		return decode.Open(ctx, f, ps)
	})
	encodertest.RunPacked(t, qcow2.Encoder{}, map[string]encodertest.Opener{compress.Zlib: open, compress.Zstd: open})
}

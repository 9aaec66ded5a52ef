package vmdk_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"testing"

	"migimg/blockmap"
	"migimg/encoders"
	"migimg/encoders/compress"
	"migimg/encoders/encodertest"
	"migimg/encoders/vmdk"
	"migimg/verify/decoder"
	decode "migimg/verify/vmdk"
)

func TestSparse(t *testing.T) { encodertest.Run(t, vmdk.Sparse{}) }
func TestSparseReadBack(t *testing.T) {
	encodertest.ReadBack(t, vmdk.Sparse{}, decoded)
}

var decoded = encodertest.Decoded("disk.vmdk", func(ctx context.Context, f decoder.File, ps *decoder.Problems) (decoder.Disk, string, error) {
	return decode.Open(ctx, f, "disk.vmdk", ps)
})

func TestPacked(t *testing.T) {
	encodertest.RunPacked(t, vmdk.Encoder{}, map[string]encodertest.Opener{compress.Zlib: decoded})
}

func TestFlat(t *testing.T) {
	for _, enc := range []vmdk.Flat{{}, {ESXi: true}} {
		t.Run(enc.Name(), func(t *testing.T) {
			if enc == (vmdk.Flat{}) { // the other one has another text alone
				encodertest.Run(t, enc)
			}
			encodertest.ReadBack(t, enc, openFlat)
		})
	}
}

// extentLine is the only extent of a flat disk: FLAT with an offset, or VMFS
// without (spec, "Extent Description").
var extentLine = regexp.MustCompile(`(?m)^RW ([0-9]+) (?:FLAT "([^"/]+)" 0|VMFS "([^"/]+)")$`)

func openFlat(files map[string]*io.SectionReader) (*io.SectionReader, error) {
	text, err := io.ReadAll(files["disk.vmdk"])
	if err != nil {
		return nil, err
	}
	m := extentLine.FindAllSubmatch(text, -1)
	if len(m) != 1 {
		return nil, fmt.Errorf("%d extents in\n%s", len(m), text)
	}
	flat := files[string(m[0][2])+string(m[0][3])]
	if n, err := strconv.ParseInt(string(m[0][1]), 10, 64); err != nil || flat == nil || n*512 != flat.Size() {
		return nil, fmt.Errorf("the extent's file is not as it says: %q, %v", m[0][0], err)
	}
	return flat, nil
}

// TestSparseLimits: what counts is the file's length, up to VMware's largest disk.
func TestSparseLimits(t *testing.T) {
	for _, c := range []struct {
		size, carried  int64
		sparse, flatOK bool
	}{
		{1, 1, true, true},
		{0, 0, false, false},
		{1980 << 30, 1980 << 30, true, true},
		{2 << 40, 2 << 40, false, true},
		{62 << 40, 1 << 30, true, true},
		{62<<40 + 512, 1 << 30, false, false},
	} {
		m, err := blockmap.FromRanges(c.size, 64<<10, func(yield func(blockmap.Range) bool) {
			yield(blockmap.Range{Off: 0, Len: c.carried})
		})
		if err != nil {
			t.Fatal(err)
		}
		for enc, ok := range map[encoders.Encoder]bool{vmdk.Sparse{}: c.sparse, vmdk.Flat{}: c.flatOK} {
			_, err = enc.Plan(encoders.Disk{Map: m}, encoders.Options{})
			if (err == nil) != ok || err != nil && !errors.Is(err, encoders.ErrLimit) {
				t.Errorf("%s of %d bytes, %d carried: %v", enc.Name(), c.size, c.carried, err)
			}
		}
	}
}

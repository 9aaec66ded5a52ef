package all_test

import (
	"bytes"
	"context"
	"io"
	"testing"

	"migimg/blockmap"
	"migimg/encoders"
	"migimg/encoders/all"
	"migimg/encoders/layout"
	"migimg/verify"
)

// TestDecoded: verify recognises what each format writes, and decodes it to the disk. To
// verify, a format that it does not know is a raw disk, of which little can be wrong.
func TestDecoded(t *testing.T) {
	content := make([]byte, 3<<20)
	for i := range content[:2<<20] {
		content[i] = byte(i>>9) | 1
	}
	m, err := blockmap.FromRanges(int64(len(content)), blockmap.DefaultClusterSize, func(yield func(blockmap.Range) bool) {
		yield(blockmap.Range{Len: 2 << 20})
	})
	if err != nil {
		t.Fatal(err)
	}
	view := blockmap.NewView(bytes.NewReader(content), m)
	for _, enc := range all.Formats() {
		t.Run(enc.Name(), func(t *testing.T) {
			outs, err := enc.Plan(encoders.Disk{Map: m}, encoders.Options{})
			if err != nil {
				t.Fatal(err)
			}
			files := map[string]*layout.Reader{}
			for _, o := range outs {
				files[o.Path] = layout.NewReader(o.Layout, view)
			}
			im := verify.Image{Name: outs[0].Path, R: files[outs[0].Path], Size: outs[0].Layout.Size(), Beside: func(name string) (io.ReaderAt, int64, error) {
				for _, o := range outs {
					if o.Path == name {
						return files[name], o.Layout.Size(), nil
					}
				}
				return nil, 0, io.ErrUnexpectedEOF
			}}
			format, err := verify.Detect(im)
			if err != nil {
				t.Fatal(err)
			}
			if format == verify.Raw && enc.Name() != "raw" {
				t.Fatalf("verify takes %s for a raw disk: it needs a decoder, see verify/formats.go", outs[0].Path)
			}
			verified(t, im, content)
		})
	}
}

// verified: the image is sound, and holds the disk's first 2 MiB, and else nothing.
func verified(t *testing.T, im verify.Image, content []byte) {
	t.Helper()
	source := &verify.Source{R: bytes.NewReader(content), Size: int64(len(content)), Carried: func(yield func(verify.Range) bool) { yield(verify.Range{Len: 2 << 20}) }}
	r, err := verify.Check(context.Background(), im, verify.Options{Source: source})
	if err != nil {
		t.Fatal(err)
	}
	if r.Verdict != verify.Pass || r.Compared != 2<<20 {
		t.Errorf("%s, %d bytes compared: %+v", r.Verdict, r.Compared, r.Aspects)
	}
}

package stream_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/klauspost/compress/zstd"

	"migimg/blockmap"
	"migimg/encoders"
	"migimg/encoders/compress"
	"migimg/encoders/encodertest"
	"migimg/encoders/layout"
	"migimg/encoders/stream"
	"migimg/verify/decoder"
	checkgzip "migimg/verify/gzip"
	checktar "migimg/verify/tar"
	checkzstd "migimg/verify/zstd"
)

// formats are unpacked by readers that people use, and by verify's, which find nothing
// wrong nor odd.
var formats = []struct {
	enc    encoders.Compressor
	unpack func(io.Reader) (io.Reader, error)
	open   encodertest.Opener
}{
	{stream.Raw{}, gunzip, encodertest.Decoded("disk.raw.gz", checkgzip.Open)},
	{stream.Raw{Zstd: true}, func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) }, encodertest.Decoded("disk.raw.zst", checkzstd.Open)},
	{stream.Tar{}, untar, encodertest.Decoded("disk.tar", func(ctx context.Context, f decoder.File, ps *decoder.Problems) (decoder.Disk, string, error) {
		return checktar.Open(ctx, decoder.Raw(f), ps)
	})},
	{stream.Tar{Gzip: true}, func(r io.Reader) (io.Reader, error) {
		z, err := gunzip(r)
		if err != nil {
			return nil, err
		}
		return untar(z)
	}, encodertest.Decoded("disk.raw.tar.gz", func(ctx context.Context, f decoder.File, ps *decoder.Problems) (decoder.Disk, string, error) {
		d, s, err := checkgzip.Open(ctx, f, ps)
		if d == nil || err != nil {
			return d, s, err
		}
		return checktar.Open(ctx, d, ps)
	})},
}

// gunzip reads one member: some readers stop after it.
func gunzip(r io.Reader) (io.Reader, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	return z, nil
}

// untar is the archive's only member; what lies behind it is read and checked when it
// ends.
func untar(r io.Reader) (io.Reader, error) {
	a := tar.NewReader(r)
	h, err := a.Next()
	if err != nil {
		return nil, err
	}
	if h.Name != "disk.raw" || h.Format != tar.FormatGNU || h.Typeflag != tar.TypeGNUSparse {
		return nil, fmt.Errorf("the member is %+v", h)
	}
	return io.MultiReader(a, &end{a, r}), nil
}

type end struct {
	a *tar.Reader
	r io.Reader
}

func (e *end) Read([]byte) (int, error) {
	if _, err := e.a.Next(); err != io.EOF {
		return 0, fmt.Errorf("after the member: %v", err)
	}
	if _, err := io.Copy(io.Discard, e.r); err != nil { // the checksum
		return 0, err
	}
	return 0, io.EOF
}

func TestConformance(t *testing.T) {
	for _, f := range formats {
		t.Run(f.enc.Name(), func(t *testing.T) { encodertest.Run(t, f.enc) })
	}
}

func TestPacked(t *testing.T) {
	for _, f := range formats {
		m := compress.Zlib
		if f.enc == (stream.Raw{Zstd: true}) {
			m = compress.Zstd
		}
		t.Run(f.enc.Name(), func(t *testing.T) { encodertest.RunPacked(t, f.enc, map[string]encodertest.Opener{m: f.open}) })
	}
}

// TestReadBack unpacks what is stored and what is packed.
func TestReadBack(t *testing.T) {
	for _, f := range formats {
		for _, c := range encodertest.PackedCases(f.enc) {
			t.Run(f.enc.Name()+"/"+c.Name, func(t *testing.T) {
				outs, err := f.enc.Plan(c.Disk(t), c.Options)
				if err != nil {
					t.Fatal(err)
				}
				outs = append(outs, encodertest.Packed(t, f.enc, c, encodertest.Methods()[1])...)
				for _, o := range outs {
					readBack(t, c, o, f.unpack, f.open)
				}
			})
		}
	}
}

func readBack(t *testing.T, c encodertest.Case, o encoders.Output, unpack func(io.Reader) (io.Reader, error), open encodertest.Opener) {
	t.Helper()
	view := blockmap.NewView(c.Device(), c.Disk(t).Map)
	file := bytes.Buffer{}
	// In pieces of an odd size, as a copy through a pipe may ask for them.
	if _, err := io.CopyBuffer(struct{ io.Writer }{&file}, struct{ io.Reader }{io.NewSectionReader(layout.NewReader(o.Layout, view), 0, o.Layout.Size())}, make([]byte, 77777)); err != nil {
		t.Fatal(err)
	}
	r := bytes.NewReader(file.Bytes())
	in, err := unpack(struct {
		io.Reader
		io.ByteReader
	}{r, r})
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(in)
	if err != nil {
		t.Fatalf("%s: after %d bytes: %v", o.Path, len(got), err)
	}
	if r.Len() != 0 {
		t.Errorf("%s: %d bytes follow", o.Path, r.Len())
	}
	want := make([]byte, c.Size)
	c.Want(want, 0)
	if !bytes.Equal(got, want) {
		t.Errorf("%s: the disk differs (%d bytes of %d)", o.Path, len(got), len(want))
	}
	if c.Size == 0 {
		return
	}
	disk, err := open(map[string]*io.SectionReader{o.Path: io.NewSectionReader(bytes.NewReader(file.Bytes()), 0, int64(file.Len()))})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(disk); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: verify's disk differs (%d bytes of %d): %v", o.Path, len(got), len(want), err)
	}
}

// TestSumReads: who has read a file from front to back gets the checksum without
// reading the disk again; who asks for it first gets the same.
func TestSumReads(t *testing.T) {
	c := encodertest.Small()[8]
	for _, enc := range []encoders.Encoder{stream.Raw{}, stream.Tar{Gzip: true}} {
		outs, err := enc.Plan(c.Disk(t), c.Options)
		if err != nil {
			t.Fatal(err)
		}
		view := &counting{ReaderAt: blockmap.NewView(c.Device(), c.Disk(t).Map)}
		l := outs[0].Layout
		r := layout.NewReader(l, view)
		body := io.NewSectionReader(r, 0, l.Size()-8)
		if _, err := io.Copy(io.Discard, body); err != nil {
			t.Fatal(err)
		}
		before := view.n
		after := make([]byte, 8)
		if _, err := r.ReadAt(after, l.Size()-8); err != nil {
			t.Fatal(err)
		}
		if view.n != before {
			t.Errorf("%s: the checksum takes another %d bytes of %d", enc.Name(), view.n-before, before)
		}
		first := make([]byte, 8)
		if _, err := layout.NewReader(l, view).ReadAt(first, l.Size()-8); err != nil || !bytes.Equal(first, after) {
			t.Errorf("%s: asked for first it is %x, not %x, %v", enc.Name(), first, after, err)
		}
	}
}

type counting struct {
	io.ReaderAt
	n int
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	c.n += len(p)
	return c.ReaderAt.ReadAt(p, off)
}

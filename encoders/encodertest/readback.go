package encodertest

import (
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"migimg/blockmap"
	"migimg/encoders"
	"migimg/encoders/layout"
)

// Opener opens a format's files, by their paths, as the disk that they hold. It
// must not be made of what it checks: it is another project's decoder, or one
// written from the specification that checks all that it reads.
type Opener func(files map[string]*io.SectionReader) (*io.SectionReader, error)

// ReadBack decodes the images of all disks and compares them with the disk.
func ReadBack(t *testing.T, enc encoders.Encoder, open Opener) {
	for _, c := range slices.Concat(Small(), Random(), Large()) {
		t.Run(c.Name, func(t *testing.T) {
			d := c.Disk(t)
			view := blockmap.NewView(c.Device(), d.Map)
			outs := plan(t, enc, c, d)
			if outs == nil {
				return
			}
			files := map[string]*io.SectionReader{}
			for _, o := range outs {
				files[o.Path] = io.NewSectionReader(layout.NewReader(o.Layout, view), 0, o.Layout.Size())
			}
			disk, err := open(files)
			if err != nil {
				t.Fatal(err)
			}
			if disk.Size() != outs[0].VirtualSize {
				t.Fatalf("a reader sees a disk of %d bytes, planned are %d", disk.Size(), outs[0].VirtualSize)
			}
			for _, off := range c.Places(disk.Size()) {
				compare(t, c, disk, off, min(mib, disk.Size()-off))
			}
		})
	}
}

// Places are where a disk of size bytes is looked at, in pieces of a MiB:
// everywhere where it is small, else at both ends of what is carried and at
// random. They ascend in small disks only.
func (c Case) Places(size int64) (at []int64) {
	if size <= 256*mib {
		for off := int64(0); off < size; off += mib {
			at = append(at, off)
		}
		return at
	}
	add := func(off int64) { at = append(at, max(0, min(off, size-mib))) }
	add(0)
	add(size)
	rnd := rand.New(rand.NewPCG(11, 7))
	for i, r := range c.Carried {
		if i%(1+len(c.Carried)/20) == 0 {
			add(r.Off - mib/2)
			add(r.End() - mib/2)
			add(r.Off + rnd.Int64N(r.Len))
		}
	}
	for range 10 {
		add(rnd.Int64N(size))
	}
	return at
}

func compare(t *testing.T, c Case, disk io.ReaderAt, off, n int64) {
	t.Helper()
	got, want := make([]byte, n), make([]byte, n)
	if m, err := disk.ReadAt(got, off); m < len(got) {
		t.Fatalf("the disk's bytes [%d, +%d): %d bytes and %v", off, n, m, err)
	}
	c.Want(want, off)
	if !bytes.Equal(got, want) {
		t.Fatalf("the disk differs from byte %d on", off+int64(firstDifference(got, want)))
	}
}

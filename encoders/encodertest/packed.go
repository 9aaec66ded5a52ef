package encodertest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"

	"migimg/blockmap"
	"migimg/encoders"
	"migimg/encoders/compress"
	"migimg/encoders/layout"
)

// Methods are the ways to compress that formats are tested with.
func Methods() []compress.Method {
	return []compress.Method{{Name: compress.Zlib}, {Name: compress.Zstd}}
}

// memory is a store.
type memory struct {
	mu sync.Mutex
	b  []byte
}

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if end := int(off) + len(p); end > len(m.b) {
		m.b = append(m.b, make([]byte, end-len(m.b))...)
	}
	return copy(m.b[off:], p), nil
}

func (m *memory) ReadAt(p []byte, off int64) (int, error) { return bytes.NewReader(m.b).ReadAt(p, off) }

// Packed plans the compressed image of a disk; nil where the format cannot hold it.
func Packed(t testing.TB, enc encoders.Compressor, c Case, m compress.Method) []encoders.Output {
	t.Helper()
	return packed(t, enc, c, m, nil)
}

func packed(t testing.TB, enc encoders.Compressor, c Case, m compress.Method, keep compress.Store) []encoders.Output {
	t.Helper()
	d := c.Disk(t)
	u, p, err := enc.Units(d, c.Options, m)
	if errors.Is(err, encoders.ErrLimit) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	l, err := compress.Measure(context.Background(), blockmap.NewView(c.Device(), d.Map), u, p, 2, keep, func(_, _ int64) {})
	if err != nil {
		t.Fatal(err)
	}
	if m.Name == compress.Zstd && c.Options.QCOW2Version == 2 {
		c.Options.QCOW2Version = 0 // it knows no zstd
	}
	outs, err := enc.PlanPacked(d, c.Options, m, l)
	if err != nil {
		if errors.Is(err, encoders.ErrLimit) {
			return nil
		}
		t.Fatal(err)
	}
	return outs
}

// PackedCases are the disks whose compressed images are looked at: those of the small
// and random ones that take no more than a moment. Options other than the
// defaults are for formats that have a choice.
func PackedCases(enc encoders.Encoder) []Case {
	return slices.DeleteFunc(slices.Concat(Small(), Random()[:2]), func(c Case) bool {
		if c.Options != (encoders.Options{}) {
			return enc.Name() != "qcow2"
		}
		return c.Size > 16*mib
	})
}

// RunPacked is Run and ReadBack for compressed images, by the names of methods; an
// opener may be nil.
func RunPacked(t *testing.T, enc encoders.Compressor, openers map[string]Opener) {
	for _, m := range Methods() {
		open, ok := openers[m.Name]
		if !ok {
			continue
		}
		for _, c := range PackedCases(enc) {
			t.Run(m.Name+"/"+c.Name, func(t *testing.T) {
				view := blockmap.NewView(c.Device(), c.Disk(t).Map)
				outs, kept := Packed(t, enc, c, m), packed(t, enc, c, m, &memory{})
				files := map[string]*io.SectionReader{}
				for i, out := range outs {
					checkSpans(t, c, out.Layout, 0, out.Layout.Size())
					checkExtents(t, out.Layout)
					checkReads(t, out.Layout, kept[i].Layout, view, 16)
					b, err := io.ReadAll(io.NewSectionReader(layout.NewReader(out.Layout, view), 0, out.Layout.Size()))
					if err != nil {
						t.Fatal(err)
					}
					files[out.Path] = io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b)))
				}
				if len(outs) == 0 || open == nil || c.Size == 0 {
					return
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
}

// Package encodertest is what every image format must pass, and what its tests
// need: disks with known content, a plain reader of layouts, golden texts.
//
//	func TestConformance(t *testing.T) { encodertest.Run(t, qcow2.Encoder{}) }
//	func TestReadBack(t *testing.T)    { encodertest.ReadBack(t, qcow2.Encoder{}, open) }
//
// Run asks whether a plan is one: its size is known, its spans cover the file,
// reading it in any order gives the same bytes. ReadBack asks whether the file
// is the disk, and so needs a decoder that is not ours.
package encodertest

import (
	"errors"
	"testing"

	"migimg/blockmap"
	"migimg/encoders"
)

// whole is up to which size a file is read from end to end, in bytes.
const whole = 256 << 20

// places is how many random ranges are read: ten thousand of one disk, fewer of
// the others.
func places(c Case) int {
	if c.Name == "sparse" {
		return 10000
	}
	return 500
}

// Run is the conformance test of a format. The format's golden texts are in
// testdata/golden of the package that calls it; with MIGIMG_UPDATE_GOLDEN=1
// they are written.
func Run(t *testing.T, enc encoders.Encoder) {
	if enc.Name() == "" {
		t.Error("the format has no name")
	}
	for _, c := range Small() {
		t.Run(c.Name, func(t *testing.T) {
			d := c.Disk(t)
			view := blockmap.NewView(c.Device(), d.Map)
			for i, out := range plan(t, enc, c, d) {
				again := plan(t, enc, c, d)[i]
				checkSpans(t, c, out.Layout, 0, out.Layout.Size())
				checkExtents(t, out.Layout)
				if out.Layout.Size() <= whole {
					checkReads(t, out.Layout, again.Layout, view, places(c))
				} else {
					checkWindows(t, c, out.Layout, view)
				}
				checkGolden(t, enc.Name(), c, out)
			}
		})
	}
	for _, c := range Random() {
		t.Run(c.Name, func(t *testing.T) {
			d := c.Disk(t)
			view := blockmap.NewView(c.Device(), d.Map)
			for i, out := range plan(t, enc, c, d) {
				checkSpans(t, c, out.Layout, 0, out.Layout.Size())
				checkExtents(t, out.Layout)
				checkReads(t, out.Layout, plan(t, enc, c, d)[i].Layout, view, 200)
			}
		})
	}
	for _, c := range Large() {
		t.Run(c.Name, func(t *testing.T) {
			d := c.Disk(t)
			view := blockmap.NewView(c.Device(), d.Map)
			for _, out := range plan(t, enc, c, d) {
				checkExtents(t, out.Layout)
				checkWindows(t, c, out.Layout, view)
			}
		})
	}
}

// plan is Plan, and nil where the format says that it cannot hold the disk.
func plan(t *testing.T, enc encoders.Encoder, c Case, d encoders.Disk) []encoders.Output {
	t.Helper()
	outs, err := enc.Plan(d, c.Options)
	if errors.Is(err, encoders.ErrLimit) {
		t.Logf("refused: %v", err)
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	paths := map[string]bool{}
	for _, o := range outs {
		if o.Path == "" || o.Format == "" || paths[o.Path] {
			t.Errorf("output %q has no format, or a name that another one has", o.Path)
		}
		paths[o.Path] = true
		if o.VirtualSize < c.Size {
			t.Errorf("%s: the virtual size is %d, the disk's %d", o.Path, o.VirtualSize, c.Size)
		}
	}
	return outs
}

// Package raw plans the plainest image: the disk's own bytes, in order.
//
// What the map does not carry is a hole. The file is exactly as long as the
// disk; nothing is added and nothing is rounded.
package raw

import (
	"migimg/encoders"
	"migimg/encoders/layout"
)

// Encoder plans disk.raw. The zero value is ready.
type Encoder struct{}

var _ encoders.Encoder = Encoder{}

// Name is "raw".
func (Encoder) Name() string { return "raw" }

// Plan never fails: a raw image has no limits of its own.
func (Encoder) Plan(d encoders.Disk, _ encoders.Options) ([]encoders.Output, error) {
	var b layout.Builder
	b.Append(encoders.Flat(d.Map))
	return []encoders.Output{{Path: "disk.raw", Layout: b.Layout(), Format: "raw", VirtualSize: d.Map.Size()}}, nil
}

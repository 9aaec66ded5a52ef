package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"migimg/blockmap"
	"migimg/encoders"
)

// planMachine lays out a file with all disks, in the order in which a machine has them. It
// is read from a space of its own, since images' disks may be larger than the devices.
func (s *source) planMachine(ctx context.Context, e encoders.Container, planned func(*disk) (planner, error)) (im image, err error) {
	var planners []planner
	var places []blockmap.Place
	var layers []blockmap.Layer
	for _, d := range s.bootOrder(ctx) {
		p, err := planned(d)
		if err != nil {
			return im, err
		}
		planners = append(planners, p)
		places = append(places, blockmap.Place{Name: d.name, Range: blockmap.Range{Len: (p.blocks.Size() + roundedTo - 1) / roundedTo * roundedTo}})
		layers = append(layers, readable{p.view})
	}
	blockmap.Arrange(places)
	im = image{encoder: e.Name(), view: blockmap.Join(places, layers)}
	h := sha256.New()
	fmt.Fprintf(h, "migimg plan of %d disks 1\n%s\n", len(planners), e.Name())
	var disks []encoders.Contained
	for i, p := range planners {
		inner, err := p.plan(ctx, e.Inner(i))
		if err != nil {
			return im, fmt.Errorf("%s: %w", p.of.name, err)
		}
		fmt.Fprintf(h, "%s\n", inner[0].digest)
		disks = append(disks, encoders.Contained{Disk: p.disk, File: inner[0].Output, At: places[i].Off})
		im.disks = append(im.disks, p.imageDisk)
	}
	outputs, err := e.Contain(disks, planners[0].options())
	if err != nil {
		return im, err
	}
	im.Output, im.digest = outputs[0], hex.EncodeToString(h.Sum(nil))
	return im, nil
}

// roundedTo is what formats round a disk up to at most, in bytes: what lies there is read
// as zeros.
const roundedTo = 2 << 20

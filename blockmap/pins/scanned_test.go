package pins

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"migimg/blockmap"
)

// twins is an Assembler of two members of a mirror, whose data lies behind 4 KiB of
// their own.
type twins struct{}

func (twins) Name() string                  { return "twins" }
func (twins) Probe(v blockmap.Volume) error { return first(v, 't') }

func first(v blockmap.Volume, want byte) error {
	if b := make([]byte, 1); blockmap.ReadFull(v, b, 0) != nil || b[0] != want {
		return blockmap.ErrNotMine
	}
	return nil
}

func (twins) PartOf(blockmap.Volume) (string, int) { return "both", 2 }

func (twins) Scan(context.Context, blockmap.Volume, blockmap.Sink) (blockmap.Report, error) {
	return blockmap.Report{Whole: "alone"}, nil
}

func (twins) Assemble(_ context.Context, parts []blockmap.Part, nested func(string, blockmap.Volume) error) ([]blockmap.Report, error) {
	run := func(p blockmap.Part) []blockmap.Run {
		n := p.Size() - 4096
		return []blockmap.Run{{Size: n, Stripe: n, Areas: []blockmap.Area{{In: p.Volume, Off: 4096}}}}
	}
	return make([]blockmap.Report, 2), nested("array", blockmap.Compose(run(parts[0]), blockmap.Compose(run(parts[1]))))
}

// half is a filesystem of whose blocks every other one is free.
type half struct{}

func (half) Name() string                  { return "half" }
func (half) Probe(v blockmap.Volume) error { return first(v, 'h') }

func (half) Scan(_ context.Context, v blockmap.Volume, k blockmap.Sink) (blockmap.Report, error) {
	for off := int64(4096); off < v.Size(); off += 8192 {
		if err := k.Free(off, 4096); err != nil {
			return blockmap.Report{}, err
		}
	}
	return blockmap.Report{}, nil
}

// TestPinnedCopies pins a filesystem on a mirror in both copies, and what the members
// have around it in each.
func TestPinnedCopies(t *testing.T) {
	disk := bytes.Repeat([]byte{1}, 5*4096)
	disk[0], disk[4096] = 't', 'h'
	at := []blockmap.Place{{Name: "a", Range: blockmap.Range{Len: 5 * 4096}}, {Name: "b", Range: blockmap.Range{Len: 5 * 4096}}}
	size := blockmap.Arrange(at)
	space := make([]byte, size)
	for _, d := range at {
		copy(space[d.Off:], disk)
	}
	m, root, err := blockmap.Scan(context.Background(), blockmap.Bytes(bytes.NewReader(space), size, 512), []blockmap.Scanner{twins{}, half{}}, blockmap.ScanOptions{ClusterSize: 4096, Disks: at})
	if err != nil {
		t.Fatal(err)
	}
	s := Scanned{Map: m, Volumes: root, Files: &blockmap.Files{}}
	for v := range root.All() {
		switch {
		case v.Name == "array":
			s.Pin = append(s.Pin, v)
		case v != root && v.Container():
			s.Around = append(s.Around, v)
		}
	}
	if len(s.Pin) != 1 || len(s.Around) != 2 {
		t.Fatalf("%d to pin, %d around", len(s.Pin), len(s.Around))
	}
	var got []int64
	for r := range s.pinned() {
		for off := r.Off; off < r.End(); off += 4096 {
			got = append(got, off)
		}
	}
	slices.Sort(got)
	var want []int64
	for _, d := range at {
		want = append(want, d.Off, d.Off+4096, d.Off+3*4096)
	}
	if !slices.Equal(slices.Compact(got), want) {
		t.Errorf("pinned %v, must be %v", got, want)
	}
}

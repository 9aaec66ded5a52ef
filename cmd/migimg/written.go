package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"migimg/blockmap"
	"migimg/blockmap/ptable"
)

// writtenPath is the document of what was written since T0 below a mount point.
const writtenPath = ".migimg/written.json"

// written is that document: what a copy of the mount's images has to be told of, for
// migimg sync.
type written struct {
	// Unknown is why it is not known; empty where it is.
	Unknown string `json:"unknown,omitempty"`
	// Ranges are pairs of offset and length, in bytes of the device, ascending.
	Ranges [][2]int64 `json:"ranges"`
	// Scope is what of the device the images carry.
	Scope ptable.Scope `json:"scope"`
}

func (d *disk) written() written {
	s := d.src
	w := written{Ranges: [][2]int64{}, Scope: d.scoped}
	if s.moment == nil || s.moment.tracker == nil {
		w.Unknown = or(s.consistency.Untracked, "writes are tracked where the mount is pinned, and this one is "+s.consistency.Level)
		return w
	}
	moved, err := s.moment.tracker.since()
	if err != nil {
		w.Unknown = err.Error()
	}
	for _, r := range moved.within(spans{d.at.Range}) {
		w.Ranges = append(w.Ranges, [2]int64{r.Off - d.at.Off, r.Len})
	}
	return w
}

// readJSON reads a document of a mount.
func readJSON(point, path string, into any) error {
	b, err := os.ReadFile(filepath.Join(point, path))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(point, path), err)
	}
	return nil
}

func spansFrom(pairs [][2]int64) (s spans) {
	for _, p := range pairs {
		s.add(blockmap.Range{Off: p[0], Len: p[1]})
	}
	return s
}

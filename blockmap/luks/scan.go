// Package luks names encrypted volumes.
//
// Nothing in a LUKS volume can be freed: without the key, free space looks as
// random as data, and the empty room between key slots is small. So the volume is
// carried whole, and what its header says is reported: UUID, label, cipher.
//
// Headers that are kept elsewhere (cryptsetup --header) leave no mark on the
// volume, which then has unknown contents.
package luks

import (
	"context"
	"fmt"

	"migimg/blockmap"
)

// Scanner reads the headers of LUKS1 and LUKS2. Its zero value is ready; it has
// no state.
type Scanner struct{}

var _ blockmap.Scanner = Scanner{}

// Name is "crypto_LUKS".
func (Scanner) Name() string { return "crypto_LUKS" }

const advice = "encrypted: free space cannot be told from data, so all of it is carried. To copy less, export the opened volume (/dev/mapper/...) instead; that image is not encrypted"

// Probe looks for the magic of the first or the second header.
func (Scanner) Probe(v blockmap.Volume) error {
	_, err := find(v)
	return err
}

// Scan reports what the header says. It frees nothing.
func (Scanner) Scan(ctx context.Context, v blockmap.Volume, _ blockmap.Sink) (blockmap.Report, error) {
	h, err := find(v)
	if err != nil {
		return blockmap.Report{}, err
	}
	r := blockmap.Report{Type: "crypto_LUKS", Whole: advice}
	switch {
	case h.second:
		r.Warnings = append(r.Warnings, "the first LUKS header is gone, the second one is there: cryptsetup repair restores it")
		err = h.read2(v, &r)
	case h.version() == 1:
		h.read1(&r)
	case h.version() == 2:
		err = h.read2(v, &r)
	default:
		r.Warnings = append(r.Warnings, fmt.Sprintf("version %d of LUKS is not known", h.version()))
	}
	if err != nil {
		return r, err
	}
	return r, ctx.Err()
}

// readFull fills p from off; the volume's end before that is an error.
func readFull(v blockmap.Volume, p []byte, off int64) error {
	err := blockmap.ReadFull(v, p, off)
	if err == nil {
		return nil
	}
	return fmt.Errorf("luks: header at byte %d: %w", off, err)
}

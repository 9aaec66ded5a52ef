// Package erofs frees the space behind EROFS filesystems.
//
// An EROFS is written once and has no free space inside. Its superblock says how
// many blocks it has; what follows in the volume is free if it is empty (see
// package tail). The number is believed if the superblock's checksum, where it
// has one, is right, and all its incompatible features are known: none of them
// puts anything behind the last block. Fragments and inlined tails are packed
// inside. A filesystem whose data lies on other devices is carried whole.
package erofs

import (
	"context"
	"fmt"

	"migimg/blockmap"
	"migimg/blockmap/tail"
)

// Scanner reads EROFS. Its zero value is ready; it has no state.
type Scanner struct{}

var _ blockmap.Scanner = Scanner{}

// Name is "erofs".
func (Scanner) Name() string { return "erofs" }

// Probe looks for the magic number at byte 1024.
func (Scanner) Probe(v blockmap.Volume) error {
	_, err := read(v)
	return err
}

// Scan frees what lies behind the filesystem.
func (Scanner) Scan(ctx context.Context, v blockmap.Volume, s blockmap.Sink) (blockmap.Report, error) {
	sb, err := read(v)
	if err != nil {
		return blockmap.Report{}, err
	}
	r := blockmap.Report{Type: "erofs", Features: sb.features()}
	r.UUID, r.Label = sb.identity()
	if r.Whole = sb.check(v.Size()); r.Whole != "" {
		return r, nil
	}
	r.BlockSize = 1 << sb.blockBits
	if sb.compat&compatChecksum != 0 {
		b := make([]byte, sb.checkedLen())
		if err := blockmap.ReadFull(v, b, superOffset); err != nil {
			return r, fmt.Errorf("erofs: first block: %w", err)
		}
		if !sb.sound(b) {
			r.Whole = "the checksum of the erofs's superblock is wrong: run fsck.erofs"
			return r, nil
		}
	}
	if r.Whole, err = tail.Free(ctx, v, s, sb.size()); err != nil {
		return r, fmt.Errorf("erofs: %w", err)
	}
	return r, nil
}

// read reads the superblock, or answers blockmap.ErrNotMine.
func read(v blockmap.Volume) (*superblock, error) {
	if v.Size() < superOffset+superSize {
		return nil, blockmap.ErrNotMine
	}
	b := make([]byte, superSize)
	if err := blockmap.ReadFull(v, b, superOffset); err != nil {
		return nil, fmt.Errorf("erofs: superblock at byte %d: %w", superOffset, err)
	}
	if string(b[:len(magic)]) != magic {
		return nil, blockmap.ErrNotMine
	}
	return parseSuper(b), nil
}

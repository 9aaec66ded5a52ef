// Package squashfs frees the space behind squashfs filesystems.
//
// A squashfs is written once and has no free space inside. Its superblock, in
// the first 96 bytes, says how many bytes it has; mksquashfs pads them to 4 KiB.
// What follows in the volume is free if it is empty (see package tail). The
// length is believed if version, block size and compressor are known, all tables
// lie inside it, in their order, and the last one ends exactly there.
//
// Read are images of version 4.0, which are little-endian. Versions 1 to 3, of
// kernels before 2.6.29, are carried whole.
package squashfs

import (
	"context"
	"fmt"

	"migimg/blockmap"
	"migimg/blockmap/tail"
)

// Scanner reads squashfs 4.0. Its zero value is ready; it has no state.
type Scanner struct{}

var _ blockmap.Scanner = Scanner{}

// Name is "squashfs".
func (Scanner) Name() string { return "squashfs" }

// The magic number of both byte orders.
const (
	magic    = "hsqs"
	magicBig = "sqsh"
)

// Probe looks for the magic number at byte 0.
func (Scanner) Probe(v blockmap.Volume) error {
	_, err := read(v)
	return err
}

// Scan frees what lies behind the filesystem.
func (Scanner) Scan(ctx context.Context, v blockmap.Volume, s blockmap.Sink) (blockmap.Report, error) {
	b, err := read(v)
	if err != nil {
		return blockmap.Report{}, err
	}
	r := blockmap.Report{Type: "squashfs"}
	sb := parseSuper(b)
	switch {
	case string(b[:len(magicBig)]) == magicBig:
		r.Type, r.Whole = "squashfs3", "big-endian squashfs, of version 3 or older: how long it is is not read"
		return r, nil
	case sb.major < 4:
		r.Type, r.Whole = "squashfs3", fmt.Sprintf("squashfs of version %d, which no kernel since 2.6.29 reads: how long it is is not read", sb.major)
		return r, nil
	case sb.major > 4:
		r.Whole = fmt.Sprintf("squashfs of version %d, which is not known", sb.major)
		return r, nil
	}
	if r.Whole = sb.check(v.Size()); r.Whole != "" {
		return r, nil
	}
	r.BlockSize, r.Features = int64(sb.blockSize), []string{compressors[sb.compression]}
	if sb.xattrTable != absent {
		head := make([]byte, xattrHead)
		if err := blockmap.ReadFull(v, head, int64(sb.xattrTable)); err != nil {
			return r, fmt.Errorf("squashfs: xattr table at byte %d: %w", sb.xattrTable, err)
		}
		if r.Whole = sb.checkXattr(head); r.Whole != "" {
			return r, nil
		}
	}
	if r.Whole, err = tail.Free(ctx, v, s, int64(sb.used)); err != nil {
		return r, fmt.Errorf("squashfs: %w", err)
	}
	return r, nil
}

// read reads the superblock, or answers blockmap.ErrNotMine.
func read(v blockmap.Volume) ([]byte, error) {
	if v.Size() < superSize {
		return nil, blockmap.ErrNotMine
	}
	b := make([]byte, superSize)
	if err := blockmap.ReadFull(v, b, 0); err != nil {
		return nil, fmt.Errorf("squashfs: superblock at byte 0: %w", err)
	}
	if m := string(b[:4]); m != magic && m != magicBig {
		return nil, blockmap.ErrNotMine
	}
	return b, nil
}

// Package iso9660 frees the space behind ISO 9660 filesystems.
//
// An ISO 9660 volume is written once and has no free space inside. Its volume
// descriptors, from sector 16 of 2048 bytes on, say how many sectors it has; the
// longest of the primary and the supplementary ones (Joliet) counts. What follows
// in the volume is free if it is empty (see package tail), for later sessions,
// boot images and partitions are put there, too.
//
// Carried whole is what is more than ISO 9660: images with a partition table in
// their first sectors (isohybrid), UDF bridges, Apple hybrids, boot images
// outside, and volumes in blocks of another size.
package iso9660

import (
	"context"
	"fmt"

	"migimg/blockmap"
	"migimg/blockmap/tail"
)

// Scanner reads ISO 9660. Its zero value is ready; it has no state.
type Scanner struct{}

var _ blockmap.Scanner = Scanner{}

// Name is "iso9660".
func (Scanner) Name() string { return "iso9660" }

// Probe looks for the first descriptor's identifier.
func (Scanner) Probe(v blockmap.Volume) error {
	if v.Size() < (first+1)*sector {
		return blockmap.ErrNotMine
	}
	b := make([]byte, idAt+idLen)
	if err := blockmap.ReadFull(v, b, first*sector); err != nil {
		return fmt.Errorf("iso9660: descriptor in sector %d: %w", first, err)
	}
	if string(b[idAt:]) != id {
		return blockmap.ErrNotMine
	}
	return nil
}

// Scan frees what lies behind the filesystem.
func (sc Scanner) Scan(ctx context.Context, v blockmap.Volume, s blockmap.Sink) (blockmap.Report, error) {
	r := blockmap.Report{Type: "iso9660"}
	if err := sc.Probe(v); err != nil {
		return r, err
	}
	b, err := read(v)
	if err != nil {
		return r, err
	}
	area, b := b[:first*sector], b[first*sector:]
	d, why := parseDescriptors(b)
	if why != "" {
		r.Whole = why
		return r, nil
	}
	r.BlockSize, r.Features = sector, d.features
	r.UUID, r.Label = d.identity()
	if r.Whole = hybrid(area); r.Whole != "" {
		return r, nil
	}
	if r.Whole, err = d.outside(v, b); r.Whole != "" || err != nil {
		return r, err
	}
	if r.Whole, err = tail.Free(ctx, v, s, d.sectors*sector); err != nil {
		return r, fmt.Errorf("iso9660: %w", err)
	}
	return r, nil
}

// outside says why the volume may not end where the descriptors in b say.
func (d *descriptors) outside(v blockmap.Volume, b []byte) (string, error) {
	size := v.Size() / sector
	if d.sectors > size {
		return fmt.Sprintf("the ISO 9660 volume has %d sectors, the volume only %d: the image was cut short when it was written", d.sectors, size), nil
	}
	isUDF := bridge(b)
	tag := make([]byte, 16)
	for _, at := range append(anchors(size), anchors(d.sectors)...) {
		if isUDF || at < first || at >= size {
			continue
		}
		if err := blockmap.ReadFull(v, tag, at*sector); err != nil {
			return "", fmt.Errorf("iso9660: sector %d: %w", at, err)
		}
		isUDF = isAnchor(tag, at)
	}
	if isUDF {
		return "the volume is UDF as well as ISO 9660: how long that is is not read", nil
	}
	for _, at := range d.catalogs {
		if at >= d.sectors {
			return fmt.Sprintf("the ISO 9660 volume ends at sector %d, but its boot catalog is sector %d", d.sectors, at), nil
		}
		catalog := make([]byte, sector)
		if err := blockmap.ReadFull(v, catalog, at*sector); err != nil {
			return "", fmt.Errorf("iso9660: boot catalog in sector %d: %w", at, err)
		}
		if why := bootImages(catalog, d.sectors); why != "" {
			return why, nil
		}
	}
	return "", nil
}

// read reads the system area and what may be descriptors.
func read(v blockmap.Volume) ([]byte, error) {
	b := make([]byte, min((first+maxDescriptors)*sector, v.Size()))
	if err := blockmap.ReadFull(v, b, 0); err != nil {
		return nil, fmt.Errorf("iso9660: descriptors: %w", err)
	}
	return b, nil
}

package ptable

import (
	"fmt"

	"migimg/blockmap"
)

// mbrSectorSize finds the unit of an MBR and notes what is doubtful about it;
// see Read.
func (t *Table) mbrSectorSize(v blockmap.Volume, b boot) error {
	own, other := t.SectorSize, int64(4096)
	if own == 4096 {
		other = 512
	}
	if !b.fits(other, v.Size()) {
		return nil
	}
	// Both readings are possible. What lies where partitions would begin?
	there, err := b.formats(v, other)
	if err != nil || !there {
		return err
	}
	here, err := b.formats(v, own)
	if err != nil {
		return err
	}
	switch {
	case here && t.DeviceSectorSize > 0: // the kernel counts in the device's
	case here:
		t.broken("the MBR can be read in sectors of %d bytes and of %d: in both cases something lies where partitions begin", own, other)
	case t.DeviceSectorSize > 0:
		t.broken("the MBR seems to be written for sectors of %d bytes, but the device has sectors of %d, so Linux does not find the partitions' contents; the disk was copied from a device of the other kind", other, own)
	default:
		t.SectorSize = other
		t.problem("the MBR counts in sectors of %d bytes: that is where the partitions' contents are", other)
	}
	return nil
}

// fits says whether all partitions lie on a disk of size bytes if the unit is
// sectorSize.
func (b boot) fits(sectorSize, size int64) bool {
	for _, e := range b.entries {
		if (e.start+e.sectors)*sectorSize > size {
			return false
		}
	}
	return true
}

// formats says whether something known lies where the partitions begin, if the
// unit is sectorSize: a format's signature, or a boot record of logical
// partitions.
func (b boot) formats(v blockmap.Volume, sectorSize int64) (bool, error) {
	for i, e := range b.entries {
		if e.sectors == 0 || e.start == 0 {
			continue
		}
		part, err := blockmap.Section(v, e.start*sectorSize, min(e.sectors*sectorSize, max(0, v.Size()-e.start*sectorSize)))
		if err != nil {
			continue // it would begin beyond the disk
		}
		if e.extended() {
			sector := make([]byte, 512)
			if err := readFull(part, sector, 0); err != nil {
				return false, err
			}
			if parseBoot(sector).magic {
				return true, nil
			}
			continue
		}
		names, err := blockmap.Signatures(part)
		if err != nil {
			return false, fmt.Errorf("what lies in partition %d, in sectors of %d bytes: %w", i+1, sectorSize, err)
		}
		if len(names) > 0 {
			return true, nil
		}
	}
	return false, nil
}

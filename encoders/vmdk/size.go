package vmdk

import (
	"fmt"

	"migimg/encoders"
)

const (
	sector       = 512
	grain        = 64 << 10 // the spec's default
	grainSectors = grain / sector
	entryLen     = 4
	perTable     = 512 // entries of a grain table: the spec's fixed number
	tableLen     = perTable * entryLen

	descriptorAt      = 1 // sectors, as the two that follow
	descriptorSectors = 20
	directoryAt       = descriptorAt + descriptorSectors

	// maxSectors keeps the file below 2 TiB, since tables hold sector numbers of
	// 32 bits.
	maxSectors = 1<<32 - 1
	// maxDisk is VMware's largest virtual disk (vSphere configuration maximums).
	maxDisk = 62 << 40
)

// geometry is the file's arithmetic.
type geometry struct {
	virtual   int64 // bytes of the disk, a multiple of the grain
	grains    int64 // of the disk
	tables    int64 // grain tables; all exist, also those without a grain
	directory int64 // sectors of the grain directory
	data      int64 // grains in the file
}

func newGeometry(size, data int64) (geometry, error) {
	g := geometry{grains: ceil(size, grain), data: data}
	g.virtual = g.grains * grain
	g.tables = ceil(g.grains, perTable)
	g.directory = ceil(g.tables*entryLen, sector)
	return g, fileLimit(g.size())
}

// fileLimit is that of all sparse extents.
func fileLimit(size int64) error {
	if size > maxSectors*sector {
		return fmt.Errorf("vmdk: the file would be %d bytes long, and a VMDK file ends below 2 TiB; use another format: %w", size, encoders.ErrLimit)
	}
	return nil
}

// The places of the pieces in the file, in sectors.

func (g geometry) tableSector(i int64) int64 {
	return directoryAt + g.directory + i*(tableLen/sector)
}

// grainSector is where the k-th grain in the file begins; that of grain 0 is
// the header's overhead.
func (g geometry) grainSector(k int64) int64 { return g.tableSector(g.tables) + k*recordSectors }

// size is the length of the file in bytes: after the grains one sector ends
// the stream.
func (g geometry) size() int64 { return (g.grainSector(g.data) + 1) * sector }

func ceil(a, b int64) int64 { return (a + b - 1) / b }

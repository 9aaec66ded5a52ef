package vdi

const (
	sector = 512
	block  = 1 << 20 // the only size that QEMU reads
	// maxBlocks is QEMU's VDI_BLOCKS_IN_IMAGE_MAX. It keeps the place of the first
	// block within 32 bits.
	maxBlocks = 0x3fffffff

	headerLen = 512
	mapAt     = headerLen
	entryLen  = 4
)

// geometry is the file's arithmetic.
type geometry struct {
	virtual int64 // bytes of the disk, a multiple of the sector
	entries int64 // of the map: the disk's blocks
	data    int64 // blocks in the file
}

func newGeometry(size, data int64) geometry {
	return geometry{virtual: ceil(size, sector) * sector, entries: ceil(size, block), data: data}
}

// dataOffset is where the first block begins, in bytes.
func (g geometry) dataOffset() int64 { return ceil(mapAt+g.entries*entryLen, block) * block }

func ceil(a, b int64) int64 { return (a + b - 1) / b }

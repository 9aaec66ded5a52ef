package vhd

const (
	sector = 512
	block  = 2 << 20            // the format's default, and the only size that XAPI and Xen Orchestra read
	bitmap = block / sector / 8 // one bit a sector: exactly one sector
	// maxDisk is 2040 GiB: QEMU's VHD_MAX_SECTORS and what Hyper-V documents. It
	// keeps the sector numbers in the table within 32 bits.
	maxDisk = 0xff000000 * sector

	footerLen = 512
	headerLen = 1024
	tableAt   = footerLen + headerLen
	entryLen  = 4
)

// geometry is the file's arithmetic.
type geometry struct {
	virtual int64 // bytes of the disk, a multiple of the sector
	entries int64 // of the table: exactly as many as the disk has blocks
	table   int64 // its length in bytes, padded to a sector
	data    int64 // blocks in the file
}

func newGeometry(size, data int64) geometry {
	n := ceil(size, block)
	return geometry{
		virtual: ceil(size, sector) * sector,
		entries: n,
		table:   ceil(n*entryLen, sector) * sector,
		data:    data,
	}
}

// blockOffset is where the bitmap of the k-th block in the file begins.
func (g geometry) blockOffset(k int64) int64 { return tableAt + g.table + k*(bitmap+block) }

// size is the length of the file in bytes.
func (g geometry) size() int64 { return g.blockOffset(g.data) + footerLen }

func ceil(a, b int64) int64 { return (a + b - 1) / b }

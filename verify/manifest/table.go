package manifest

// pageChunks is for how many chunks memory is taken at once: 64 KiB of it for 4 GiB of
// the disk.
const pageChunks = 4096

// Table holds the sums of a disk's chunks: 16 bytes and a bit for each, and nothing for
// pages of chunks that are not known. The zero value knows nothing.
type Table struct {
	pages map[int64]*page
}

type page struct {
	known [pageChunks / 64]uint64
	sums  [pageChunks]Sum
}

// Get is the sum of chunk k, and whether it is known.
func (t *Table) Get(k int64) (Sum, bool) {
	p := t.pages[k/pageChunks]
	i := k % pageChunks
	if p == nil || p.known[i/64]&(1<<(i%64)) == 0 {
		return Sum{}, false
	}
	return p.sums[i], true
}

// Set makes the sum of chunk k known.
func (t *Table) Set(k int64, s Sum) {
	p := t.pages[k/pageChunks]
	if p == nil {
		if t.pages == nil {
			t.pages = map[int64]*page{}
		}
		p = &page{}
		t.pages[k/pageChunks] = p
	}
	i := k % pageChunks
	p.known[i/64] |= 1 << (i % 64)
	p.sums[i] = s
}

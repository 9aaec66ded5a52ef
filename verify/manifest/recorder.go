package manifest

import (
	"io"
	"iter"
	"math/bits"
	"sync"
)

const (
	// mostOpen is how many chunks of which a part has been read are remembered; a reader
	// that jumps about on a large disk makes many. One that is forgotten is known once it
	// has been read again.
	mostOpen = 4096
	// mostParts is how many blocks of which a part has been read are remembered: readers
	// whose requests do not end with a block.
	mostParts = 1024
)

// Recorder is a disk that sums up its chunks while it is read, by whomever and in any
// order. It is safe for concurrent use.
//
// It costs an XXH3 of what is read the first time, and 16 bytes of memory for each
// chunk that was.
type Recorder struct {
	disk    io.ReaderAt
	size    int64
	carried func(off, n int64) iter.Seq2[int64, int64]

	mu    sync.Mutex
	known Table
	open  map[int64]*openChunk
	parts map[int64]*part // by number of the block on the disk
}

// blockSet has a bit for each block of a chunk.
type blockSet [blocksPerChunk / 64]uint64

func (s *blockSet) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }
func (s *blockSet) set(i int)      { s[i/64] |= 1 << (i % 64) }
func (s *blockSet) clear(i int)    { s[i/64] &^= 1 << (i % 64) }
func (s *blockSet) count() (n int) {
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// openChunk is a chunk of which some has been read.
type openChunk struct {
	missing blockSet // carried, and not summed up
	sum     Sum
}

// part is a block of which some has been read.
type part struct {
	data [BlockSize]byte
	have []span // ascending, apart
}

type span struct{ from, to int }

// NewRecorder watches the reading of a disk of size bytes. carried yields what of
// [off, off+n) the disk has, as offset and length, ascending; all else is zeros, which
// need not be read to be known.
func NewRecorder(disk io.ReaderAt, size int64, carried func(off, n int64) iter.Seq2[int64, int64]) *Recorder {
	return &Recorder{disk: disk, size: size, carried: carried, open: map[int64]*openChunk{}, parts: map[int64]*part{}}
}

// ReadAt reads the disk.
func (r *Recorder) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.disk.ReadAt(p, off)
	r.note(p[:n], off)
	return n, err
}

// note sums up what was read: the bytes p at off.
func (r *Recorder) note(p []byte, off int64) {
	if off < 0 || off >= r.size {
		return
	}
	p = p[:min(int64(len(p)), r.size-off)]
	for len(p) > 0 {
		k := off / ChunkSize
		n := min(int64(len(p)), (k+1)*ChunkSize-off)
		r.noteChunk(k, p[:n], int(off-k*ChunkSize))
		p, off = p[n:], off+n
	}
}

// noteChunk sums up the bytes p, which begin at byte at of chunk k. Hashing is done
// without the lock; what somebody else was faster with is not added again.
func (r *Recorder) noteChunk(k int64, p []byte, at int) {
	end := at + len(p)
	missing, ok := r.missing(k)
	if !ok {
		return
	}
	var found [blocksPerChunk]Sum
	var read blockSet
	size := int(min(ChunkSize, r.size-k*ChunkSize))
	for i := at / BlockSize; i*BlockSize < end; i++ {
		if !missing.has(i) {
			continue
		}
		from, to := i*BlockSize, min((i+1)*BlockSize, size)
		var b []byte
		if from >= at && to <= end {
			b = p[from-at : to-at]
		} else {
			b = r.piece(k*blocksPerChunk+int64(i), p[max(from, at)-at:min(to, end)-at], max(from, at)-from, to-from)
		}
		if b != nil {
			found[i] = sumBlock(b, i)
			read.set(i)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.open[k]
	if c == nil {
		return // somebody else was faster with all of it, or it was forgotten
	}
	for i := at / BlockSize; i*BlockSize < end; i++ {
		if read.has(i) && c.missing.has(i) {
			c.sum.add(found[i])
			c.missing.clear(i)
		}
	}
	r.close(k, c)
}

// close keeps the sum of a chunk that is known now.
func (r *Recorder) close(k int64, c *openChunk) {
	if c.missing.count() == 0 {
		r.known.Set(k, c.sum)
		delete(r.open, k)
	}
}

// missing are the blocks of chunk k that are not summed up; false where none is.
func (r *Recorder) missing(k int64) (blockSet, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.known.Get(k); ok {
		return blockSet{}, false
	}
	c := r.open[k]
	if c == nil {
		if len(r.open) >= mostOpen {
			for other := range r.open {
				delete(r.open, other)
				break
			}
		}
		c = &openChunk{missing: r.blocks(k)}
		r.open[k] = c
	}
	return c.missing, true
}

// blocks are those of chunk k that have to be read.
func (r *Recorder) blocks(k int64) (s blockSet) {
	base := k * ChunkSize
	for off, n := range r.carried(base, min(ChunkSize, r.size-base)) {
		for i := (off - base) / BlockSize; i*BlockSize < off-base+n; i++ {
			s.set(int(i))
		}
	}
	return s
}

// piece keeps a part of a block, the bytes p that begin at byte at of its size; it
// gives the block once all of it is there.
func (r *Recorder) piece(block int64, p []byte, at, size int) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.parts[block]
	if b == nil {
		if len(r.parts) >= mostParts {
			for other := range r.parts {
				delete(r.parts, other)
				break
			}
		}
		b = &part{}
		r.parts[block] = b
	}
	copy(b.data[at:], p)
	b.add(span{at, at + len(p)})
	if b.have[0] != (span{0, size}) {
		return nil
	}
	delete(r.parts, block)
	return b.data[:size]
}

// add joins a span to those that are there.
func (b *part) add(s span) {
	var out []span
	for _, x := range b.have {
		switch {
		case x.to < s.from:
			out = append(out, x)
		case x.from > s.to:
			out = append(out, s)
			s = x
		default:
			s = span{min(s.from, x.from), max(s.to, x.to)}
		}
	}
	b.have = append(out, s)
}

// Sum is the sum of chunk k, and whether it is known: a chunk of which nothing is
// carried always is.
func (r *Recorder) Sum(k int64) (Sum, bool) {
	r.mu.Lock()
	s, ok := r.known.Get(k)
	r.mu.Unlock()
	if ok {
		return s, true
	}
	return Sum{}, r.blocks(k) == blockSet{}
}

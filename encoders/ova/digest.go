package ova

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"slices"
	"sync"

	"migimg/encoders/layout"
)

const (
	// hexLen is the length of a SHA-256 in the manifest.
	hexLen = 2 * sha256.Size
	// window is how far ahead of what is summed up bytes are kept, in bytes: readers
	// that read ahead are a few MiB out of order.
	window = 8 << 20
	// mostEarly bounds the number of pieces that are kept.
	mostEarly = 1 << 11
	// summing is how much is read at a time at the end, in bytes.
	summing = 1 << 20
)

// sums are the SHA-256 of files in the archive, with the text between them.
type sums []summed

// summed is the file of a layout, which lies at at in the archive.
type summed struct {
	layout *layout.Layout
	at     int64
	before []byte // in front of the sum
}

// size is how many bytes the sums and the text take.
func (s sums) size() (n int64) {
	for _, x := range s {
		n += int64(len(x.before)) + hexLen
	}
	return n
}

// segment computes them.
func (s sums) segment() layout.Segment {
	return layout.Segment{Name: "sha-256", Kind: layout.Sum, Len: s.size(), Watch: func(view io.ReaderAt) layout.Watcher {
		var all digests
		for _, x := range s {
			all.each = append(all.each, &digest{ReaderAt: view, file: layout.NewReader(x.layout, view), at: x.at, size: x.layout.Size(), hash: sha256.New()})
			all.before = append(all.before, x.before)
		}
		all.ReaderAt = view
		return &all
	}}
}

// digests are those of several members.
type digests struct {
	io.ReaderAt // the view
	each        []*digest
	before      [][]byte
}

var _ layout.Follower = (*digests)(nil)

// Served implements layout.Follower.
func (d *digests) Served(p []byte, off int64) {
	for _, x := range d.each {
		x.Served(p, off)
	}
}

// Sum implements layout.Watcher.
func (d *digests) Sum() (all []byte, err error) {
	for i, x := range d.each {
		sum, err := x.Sum()
		if err != nil {
			return nil, err
		}
		all = append(append(all, d.before[i]...), sum...)
	}
	return all, nil
}

// digest computes the SHA-256 of a member of the archive. Unlike a CRC, it can only be
// computed from front to back: it goes along with who reads the archive so, and what
// of the member nobody has read in order is read again at the end.
//
// The bytes that count are the first ones served: on a disk that changes, the
// manifest is right for the first copy.
type digest struct {
	io.ReaderAt             // the view
	file        io.ReaderAt // the member alone
	at, size    int64       // where it lies in the archive

	reading sync.Mutex // held by who reads what is missing; taken before mu

	mu    sync.Mutex
	hash  hash.Hash // guarded by mu, as all that follows: of the member's bytes [0, done)
	done  int64
	early []piece // in [done, done+window), ascending, apart
}

var _ layout.Follower = (*digest)(nil)

// piece is a copy of the member's bytes from off on.
type piece struct {
	off int64
	b   []byte
}

func (p piece) end() int64 { return p.off + int64(len(p.b)) }

// Served implements layout.Follower.
func (d *digest) Served(p []byte, off int64) {
	off -= d.at
	from, to := max(off, 0), min(off+int64(len(p)), d.size)
	if from >= to {
		return
	}
	x := piece{from, p[from-off : to-off]}
	d.mu.Lock()
	defer d.mu.Unlock()
	if from > d.done {
		d.keep(x)
		return
	}
	d.add(x)
	n := 0
	for ; n < len(d.early) && d.early[n].off <= d.done; n++ {
		d.add(d.early[n])
	}
	d.early = slices.Delete(d.early, 0, n)
}

// add sums up what is new of a piece that begins at done or before.
func (d *digest) add(x piece) {
	if x.end() > d.done {
		_, _ = d.hash.Write(x.b[d.done-x.off:]) // a hash never fails
		d.done = x.end()
	}
}

// keep copies what of the window was not there yet.
func (d *digest) keep(x piece) {
	end := min(x.end(), d.done+window)
	for off := x.off; off < end && len(d.early) < mostEarly; {
		i, _ := slices.BinarySearchFunc(d.early, off, func(e piece, off int64) int {
			if e.end() <= off {
				return -1
			}
			return 1
		})
		to := end
		if i < len(d.early) {
			if e := d.early[i]; e.off <= off {
				off = e.end()
				continue
			}
			to = min(end, d.early[i].off)
		}
		d.early = slices.Insert(d.early, i, piece{off, bytes.Clone(x.b[off-x.off : to-x.off])})
		off = to
	}
}

// Sum implements layout.Watcher.
func (d *digest) Sum() ([]byte, error) {
	d.reading.Lock()
	defer d.reading.Unlock()
	var buf []byte
	for {
		off, sum := d.state()
		if off == d.size {
			return sum, nil
		}
		if buf == nil {
			buf = make([]byte, summing)
		}
		p := buf[:min(summing, d.size-off)]
		if n, err := d.file.ReadAt(p, off); n < len(p) {
			return nil, err
		}
		d.Served(p, d.at+off)
	}
}

// state is how much is summed up, and the sum of that.
func (d *digest) state() (int64, []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done, hex.AppendEncode(nil, d.hash.Sum(nil))
}

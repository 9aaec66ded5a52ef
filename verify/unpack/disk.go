package unpack

import (
	"errors"
	"fmt"
	"io"
	"sort"
	"sync"

	"migimg/verify/decoder"
)

const (
	// recentSize is how much of what was decoded last is kept, in bytes: workers that
	// share a disk are a few MiB apart.
	recentSize = 8 << 20
	// recentMost is how many pieces that is at most.
	recentMost = 64 << 10
	// worthwhile is how far ahead a point must be to begin there instead of decoding
	// on, in bytes of the disk.
	worthwhile = 2 << 20
)

// Disk is the unpacked stream.
type Disk struct {
	start  Start
	size   int64
	data   bitmap
	points []Point // ascending; the first is the start
	tail   []byte  // the disk's last bytes

	mu     sync.Mutex
	dec    Decoder // guarded by mu, as what follows; nil at first and after an error
	pos    int64   // what it gives next
	recent []kept  // ascending, without gaps, up to pos
	ring   []byte  // their bytes
	put    int64   // how many bytes were put into the ring, all in all
}

var _ decoder.Disk = (*Disk)(nil)

// kept is a piece that was decoded: its first byte was number at of those that were put
// into the ring.
type kept struct {
	off, n, at int64
	zeros      bool
}

// Size is that of the unpacked stream in bytes.
func (d *Disk) Size() int64 { return d.size }

// Allocated knows zeros in blocks of 64 KiB.
func (d *Disk) Allocated(off int64) (int64, bool) {
	k := off >> blockBits
	// A step of 64 GiB keeps the walk short.
	end := min((d.size+block-1)>>blockBits, k+1<<20)
	return min(d.data.run(k, end)<<blockBits, d.size) - off, d.data.get(k)
}

// Locate is the file offset of the place from which the byte is decoded.
func (d *Disk) Locate(off int64) int64 {
	if off < 0 || off >= d.size || !d.data.get(off>>blockBits) {
		return -1
	}
	return d.before(off).In
}

// before is the last point at or before off.
func (d *Disk) before(off int64) Point {
	return d.points[sort.Search(len(d.points), func(i int) bool { return d.points[i].Out > off })-1]
}

// ReadAt implements io.ReaderAt. Reads that do not ascend cost decoding from the
// nearest point before them.
func (d *Disk) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 || off >= d.size {
		return 0, io.EOF
	}
	eof := false
	if rest := d.size - off; int64(len(p)) > rest {
		p, eof = p[:rest], true
	}
	for n < len(p) {
		k, err := d.some(p[n:], off+int64(n))
		if n += k; err != nil {
			return n, err
		}
	}
	if eof {
		err = io.EOF
	}
	return n, err
}

// some fills a part of p.
func (d *Disk) some(p []byte, off int64) (int, error) {
	if n, data := d.Allocated(off); !data {
		p = p[:min(int64(len(p)), n)]
		clear(p)
		return len(p), nil
	} else {
		p = p[:min(int64(len(p)), n)]
	}
	if at := off - (d.size - int64(len(d.tail))); at >= 0 {
		return copy(p, d.tail[at:]), nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.reach(off); err != nil {
		return 0, err
	}
	i := sort.Search(len(d.recent), func(i int) bool { return d.recent[i].off > off }) - 1
	k := d.recent[i]
	in := off - k.off
	p = p[:min(int64(len(p)), k.n-in)]
	if k.zeros {
		clear(p)
		return len(p), nil
	}
	return copy(p, d.ring[(k.at+in)%int64(len(d.ring)):]), nil
}

// reach decodes until the byte at off is the recent part.
func (d *Disk) reach(off int64) error {
	near := d.before(off)
	if d.dec == nil || len(d.recent) > 0 && off < d.recent[0].off || len(d.recent) == 0 && off < d.pos || near.Out > d.pos+worthwhile {
		d.dec, d.pos, d.recent = d.start(near), near.Out, nil
	}
	for d.pos <= off {
		p, err := d.dec.Next()
		if err != nil {
			d.dec = nil
			return again(d.pos, near.In, err)
		}
		d.keep(p)
	}
	return nil
}

// again is an error in what was decoded before: the file is not what it was.
func again(out, in int64, err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	err = fmt.Errorf("byte %d of the unpacked stream: %w", out, err)
	var re *decoder.ReadError
	if errors.As(err, &re) {
		return err
	}
	return &decoder.ReadError{Off: in, Err: fmt.Errorf("%w: it was sound when it was read first", err)}
}

// keep takes in the next piece, and forgets the oldest, whose room it takes.
func (d *Disk) keep(p Piece) {
	n := int64(len(p.Bytes))
	if n > int64(len(d.ring)) {
		d.ring, d.recent = make([]byte, max(n, min(recentSize, d.size))), nil
	}
	for len(d.recent) > 0 && (d.put+n-d.recent[0].at > int64(len(d.ring)) || len(d.recent) >= recentMost) {
		d.recent = d.recent[1:]
	}
	d.recent = append(d.recent, kept{d.pos, p.size(), d.put, p.Zeros > 0})
	for b := p.Bytes; len(b) > 0; {
		k := copy(d.ring[d.put%int64(len(d.ring)):], b)
		d.put, b = d.put+int64(k), b[k:]
	}
	d.pos += p.size()
}

package fusefs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc64"
	"io"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	// mostEarly is how much of a file that was read ahead of its turn is kept for the
	// SHA-256, in bytes: what parallel readers of one stream are apart.
	mostEarly = 8 << 20
	// mostPieces bounds the memory for CRC-64s of parts of a file; further ones are not
	// noted.
	mostPieces = 1 << 14
	// mostZeros is the longest hole that is hashed for a SHA-256, in bytes. A file with a
	// longer one gets none: hashing zeros takes as long as hashing data.
	mostZeros = 1 << 30
)

var ecma = crc64.MakeTable(crc64.ECMA)

// Digest takes note of a file while it is read, by whomever and in any order, and knows
// its checksums once all of it has been read. It is safe for concurrent use.
//
// The SHA-256 needs the file from front to back, or nearly so; the CRC-64 (ECMA-182 as
// XZ, COS and OSS have it) does not, so that parts may be read in parallel.
type Digest struct {
	r      io.ReaderAt
	size   int64
	extent func(off int64) (n int64, data bool)

	mu     sync.Mutex
	pieces []crcPiece // ascending, apart, behind front
	front  int64      // up to where crc is that of the file
	crc    uint64

	order sync.Mutex // of what follows
	sha   hash.Hash  // nil where it cannot be known any more
	at    int64      // up to where sha is that of the file
	early []earlyPiece

	sha256, crc64 atomic.Value // strings in hex, once they are known
}

type crcPiece struct {
	from, to int64
	crc      uint64
}

type earlyPiece struct {
	off  int64
	data []byte
}

// NewDigest watches the reading of a file of size bytes whose holes extent knows.
func NewDigest(r io.ReaderAt, size int64, extent func(off int64) (n int64, data bool)) *Digest {
	d := &Digest{r: r, size: size, extent: extent, sha: sha256.New()}
	if size == 0 {
		d.advance()
		d.hash(0, nil)
	}
	return d
}

// SHA256 and CRC64 are the file's checksums in hex; empty while they are not known.
func (d *Digest) SHA256() string { return known(&d.sha256) }

// CRC64 see SHA256; 16 digits.
func (d *Digest) CRC64() string { return known(&d.crc64) }

func known(sum *atomic.Value) string {
	s, _ := sum.Load().(string)
	return s
}

// ReadAt reads the file.
func (d *Digest) ReadAt(p []byte, off int64) (int, error) {
	n, err := d.r.ReadAt(p, off)
	if n > 0 {
		d.note(p[:n], off)
		d.hash(off, p[:n])
	}
	return n, err
}

// note takes the CRC-64 of what was not read before of the bytes p at off.
func (d *Digest) note(p []byte, off int64) {
	for {
		parts := d.unread(off, off+int64(len(p)))
		for i := range parts {
			r := &parts[i]
			r.crc = crc64.Checksum(p[r.from-off:r.to-off], ecma)
		}
		d.mu.Lock()
		again := false
		for _, r := range parts {
			again = !d.insert(r) || again
		}
		d.advance()
		full := len(d.pieces) >= mostPieces
		d.mu.Unlock()
		if !again || full {
			return
		}
	}
}

// unread are the parts of [from, to) that nobody has read.
func (d *Digest) unread(from, to int64) (out []crcPiece) {
	d.mu.Lock()
	defer d.mu.Unlock()
	from = max(from, d.front)
	for _, p := range d.pieces {
		if p.to <= from {
			continue
		}
		if p.from >= to {
			break
		}
		if p.from > from {
			out = append(out, crcPiece{from: from, to: p.from})
		}
		from = p.to
	}
	if from < to {
		out = append(out, crcPiece{from: from, to: to})
	}
	return out
}

// insert keeps a piece; false where somebody else was faster with some of it.
func (d *Digest) insert(x crcPiece) bool {
	i, _ := slices.BinarySearchFunc(d.pieces, x.from, func(p crcPiece, from int64) int {
		if p.to <= from {
			return -1
		}
		return 1
	})
	if x.from < d.front || i < len(d.pieces) && d.pieces[i].from < x.to || len(d.pieces) >= mostPieces {
		return false
	}
	if i > 0 && d.pieces[i-1].to == x.from {
		p := &d.pieces[i-1]
		p.crc, p.to = joined64(p.crc, x.crc, x.to-x.from), x.to
		return true
	}
	d.pieces = slices.Insert(d.pieces, i, x)
	return true
}

// advance takes what has come to be together into the file's CRC-64; holes are zeros
// that need not be read.
func (d *Digest) advance() {
	for d.front < d.size {
		if len(d.pieces) > 0 && d.pieces[0].from == d.front {
			p := d.pieces[0]
			d.crc, d.front = joined64(d.crc, p.crc, p.to-p.from), p.to
			d.pieces = slices.Delete(d.pieces, 0, 1)
			continue
		}
		n, data := d.extent(d.front)
		if data {
			return
		}
		if len(d.pieces) > 0 {
			n = min(n, d.pieces[0].from-d.front)
		}
		d.crc, d.front = joined64(d.crc, zeroSum64(n), n), d.front+n
	}
	d.crc64.Store(fmt.Sprintf("%016x", d.crc))
}

// hash takes the bytes p at off into the SHA-256, or keeps them until their turn comes.
func (d *Digest) hash(off int64, p []byte) {
	d.order.Lock()
	defer d.order.Unlock()
	if d.sha == nil {
		return
	}
	if end := off + int64(len(p)); off > d.at {
		kept := 0
		for _, e := range d.early {
			kept += len(e.data)
		}
		if off-d.at <= mostEarly && kept+len(p) <= mostEarly {
			d.early = append(d.early, earlyPiece{off, slices.Clone(p)})
		}
	} else if end > d.at {
		_, _ = d.sha.Write(p[d.at-off:]) // a hash never fails
		d.at = end
	}
	for more := true; more && d.sha != nil; {
		more = d.waiting() || d.hole()
	}
	if d.sha != nil && d.at == d.size {
		d.sha256.Store(hex.EncodeToString(d.sha.Sum(nil)))
		d.sha, d.early = nil, nil
	}
}

// waiting hashes what came early and is next, and says whether there was something.
func (d *Digest) waiting() (some bool) {
	d.early = slices.DeleteFunc(d.early, func(e earlyPiece) bool {
		end := e.off + int64(len(e.data))
		if e.off > d.at {
			return false
		}
		if end > d.at {
			_, _ = d.sha.Write(e.data[d.at-e.off:])
			d.at, some = end, true
		}
		return true
	})
	return some
}

// hole hashes the zeros of a hole that is next, which need not be read, and says whether
// there was one.
func (d *Digest) hole() bool {
	var zeros [64 << 10]byte
	if d.at == d.size {
		return false
	}
	n, data := d.extent(d.at)
	switch {
	case data:
		return false
	case n > mostZeros:
		d.sha, d.early = nil, nil
		return false
	}
	for ; n > 0; n -= int64(len(zeros)) {
		m := min(n, int64(len(zeros)))
		_, _ = d.sha.Write(zeros[:m])
		d.at += m
	}
	return true
}

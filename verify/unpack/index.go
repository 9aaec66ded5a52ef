package unpack

import (
	"bytes"
	"context"
	"io"
)

const (
	// blockBits: zeros are noted in blocks of 64 KiB.
	blockBits = 16
	block     = 1 << blockBits
	// tailSize is how much of the disk's end is kept: the backup of a GPT with sectors
	// of 4 KiB takes 132 KiB.
	tailSize = 256 << 10
	// spacing is how far apart points are at first, in bytes of the disk.
	spacing = 1 << 20
	// pointCost is what a point takes itself, in bytes.
	pointCost = 64
	// baseCost and costPerTiB bound what all points take, in bytes.
	baseCost, costPerTiB = 8 << 20, 8 << 20
)

// Index decodes the stream that first decodes from the start of the file, and makes a
// disk of it. start makes the decoders that read the disk. The error is the first
// decoder's, or that of a cancelled context.
func Index(ctx context.Context, first Decoder, start Start) (*Disk, error) {
	d := &Disk{start: start, points: []Point{{}}}
	x := &index{d: d, spacing: spacing}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p, err := first.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		x.add(p)
		if d.size-x.last().Out >= x.spacing {
			if at, ok := first.Point(); ok {
				at.Out = d.size
				x.note(at)
			}
		}
	}
	d.tail = x.end()
	return d, nil
}

// index is what Index knows while it goes along.
type index struct {
	d       *Disk
	spacing int64
	cost    int64
	tail    []byte // at least the last bytes but for
	zeros   int64  // so many zeros
}

func (x *index) last() Point { return x.d.points[len(x.d.points)-1] }

// add takes in the next piece.
func (x *index) add(p Piece) {
	d := x.d
	if p.Zeros > 0 {
		x.zeros += p.Zeros
		d.size += p.Zeros
		d.data.grow(d.size)
		return
	}
	x.keepZeros()
	x.keep(p.Bytes)
	d.data.grow(d.size + int64(len(p.Bytes)))
	for b := p.Bytes; len(b) > 0; {
		part := b[:min(int64(len(b)), block-d.size%block)]
		if k := d.size >> blockBits; !d.data.get(k) && !allZero(part) {
			d.data.set(k)
		}
		d.size += int64(len(part))
		b = b[len(part):]
	}
}

// keep appends to the tail, which is cut when it has become twice too long.
func (x *index) keep(b []byte) {
	if len(b) >= tailSize {
		x.tail = append(x.tail[:0], b[len(b)-tailSize:]...)
		return
	}
	if len(x.tail)+len(b) > 2*tailSize {
		x.tail = append(x.tail[:0], x.tail[len(x.tail)-tailSize:]...)
	}
	x.tail = append(x.tail, b...)
}

var zeros [tailSize]byte

// keepZeros appends the zeros that were only counted.
func (x *index) keepZeros() {
	x.keep(zeros[:min(x.zeros, tailSize)])
	x.zeros = 0
}

// end is the disk's last bytes.
func (x *index) end() []byte {
	x.keepZeros()
	return bytes.Clone(x.tail[max(0, len(x.tail)-tailSize):])
}

// note keeps a point; where they take too much, every second one goes.
func (x *index) note(p Point) {
	d := x.d
	d.points = append(d.points, p)
	x.cost += pointCost + p.Cost
	for x.cost > baseCost+d.size>>40*costPerTiB {
		x.spacing *= 2
		kept := d.points[:1] // the start
		x.cost = 0
		for _, p := range d.points[1:] {
			if p.Out-kept[len(kept)-1].Out >= x.spacing {
				kept = append(kept, p)
				x.cost += pointCost + p.Cost
			}
		}
		clear(d.points[len(kept):])
		d.points = kept
	}
}

// bitmap has a bit for each block of the disk with something in it.
type bitmap []uint64

// grow makes room for the blocks of size bytes.
func (m *bitmap) grow(size int64) {
	words := ((size+block-1)>>blockBits + 63) / 64
	if n := words - int64(len(*m)); n > 0 {
		*m = append(*m, make([]uint64, n)...)
	}
}

func (m bitmap) set(k int64)      { m[k/64] |= 1 << (k % 64) }
func (m bitmap) get(k int64) bool { return m[k/64]>>(k%64)&1 != 0 }

// run is the first block from k on, up to end, that is not as k is.
func (m bitmap) run(k, end int64) int64 {
	same := uint64(0)
	if m.get(k) {
		same = ^uint64(0)
	}
	for k++; k < end; k++ {
		if k%64 == 0 {
			for k+64 <= end && m[k/64] == same {
				k += 64
			}
			if k >= end {
				return end
			}
		}
		if m.get(k) != (same != 0) {
			return k
		}
	}
	return end
}

// allZero compares b with itself, moved by one byte.
func allZero(b []byte) bool {
	return len(b) == 0 || b[0] == 0 && bytes.Equal(b[:len(b)-1], b[1:])
}

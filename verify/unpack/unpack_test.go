package unpack

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"migimg/verify/decoder"
)

// plain decodes a stream that is not packed, in pieces of up to 40 000 bytes, and
// counts what it gives. It can begin at every 5000th byte.
type plain struct {
	b      []byte
	at     int64
	state  int64 // what a point costs
	given  *int64
	starts *int
	fail   bool
}

func (p *plain) Next() (Piece, error) {
	if p.at == int64(len(p.b)) {
		return Piece{}, io.EOF
	}
	if p.fail && p.at > 1<<20 {
		return Piece{}, errors.New("damaged")
	}
	rest := p.b[p.at:]
	n := min(len(rest), 40000)
	if zeros := len(rest) - len(bytes.TrimLeft(rest, "\x00")); zeros > 1000 {
		n = zeros / 1000 * 1000
		p.at += int64(n)
		*p.given += int64(n)
		return Piece{Zeros: int64(n)}, nil
	}
	p.at += int64(n)
	*p.given += int64(n)
	return Piece{Bytes: rest[:n]}, nil
}

func (p *plain) Point() (Point, bool) {
	return Point{In: p.at, State: p.at, Cost: p.state}, p.at%5000 == 0
}

func disk(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, 2))
	for off := 0; off < n; {
		part := b[off:min(n, off+5000*(1+r.IntN(200)))]
		if r.IntN(2) == 0 {
			for i := range part {
				part[i] = byte(r.Uint32())
			}
		}
		off += len(part)
	}
	return b
}

func indexed(t *testing.T, b []byte, cost int64) (*Disk, *plain) {
	t.Helper()
	first := &plain{b: b, state: cost, given: new(int64), starts: new(int)}
	d, err := Index(context.Background(), first, func(p Point) Decoder {
		*first.starts++
		if p.State == nil && p.Out != 0 || p.State != nil && p.State != p.Out {
			t.Errorf("the point %+v", p)
		}
		c := *first
		c.at = p.Out
		return &c
	})
	if err != nil || d.Size() != int64(len(b)) {
		t.Fatal(err)
	}
	return d, first
}

// However many points there is room for, all reads give what is there.
func TestReads(t *testing.T) {
	b := disk(40<<20 + 123)
	for _, cost := range []int64{0, 1 << 20, 9 << 20} {
		d, _ := indexed(t, b, cost)
		if most := int64(len(d.points)) * cost; most > baseCost+cost {
			t.Errorf("%d points take %d bytes", len(d.points), most)
		}
		r := rand.New(rand.NewPCG(3, 4))
		for range 200 {
			off, n := r.IntN(len(b)), 1+r.IntN(300000)
			p := make([]byte, n)
			k, err := d.ReadAt(p, int64(off))
			want := b[off:min(len(b), off+n)]
			if k != len(want) || !bytes.Equal(p[:k], want) || (err == io.EOF) != (k < n) {
				t.Fatalf("%d bytes at %d: %d, %v", n, off, k, err)
			}
		}
		for off := int64(0); off < d.Size(); {
			n, data := d.Allocated(off)
			if n <= 0 || n > d.Size()-off || !data && !allZero(b[off:off+n]) {
				t.Fatalf("%d bytes alike at %d, data: %v", n, off, data)
			}
			off += n
		}
	}
}

// Who goes through the disk in its order, with the end read before and a neighbour a
// few MiB ahead, has the stream decoded once more.
func TestOnce(t *testing.T) {
	b := disk(64<<20 + 5)
	d, first := indexed(t, b, 64<<20) // no room for points
	*first.given = 0
	p := make([]byte, 1<<20)
	read := func(off int64) {
		if off < 0 || off >= d.Size() {
			return
		}
		k, err := d.ReadAt(p, off)
		if want := b[off:min(len(b), int(off)+len(p))]; !bytes.Equal(p[:k], want) {
			t.Fatal(off, k, err)
		}
	}
	read(0)
	read(d.Size() - 100000)
	for off := int64(0); off < d.Size(); off += 1 << 20 {
		read(off + 3<<20)
		read(off)
	}
	if *first.given > d.Size() || *first.starts != 1 {
		t.Errorf("%d bytes decoded for a disk of %d, from %d starts", *first.given, d.Size(), *first.starts)
	}
}

// A stream that cannot be read as it was is no defect of the image.
func TestChanged(t *testing.T) {
	b := disk(4 << 20)
	d, first := indexed(t, b, 0)
	first.fail = true
	p := make([]byte, 4096)
	off := int64(2 << 20)
	for {
		if _, data := d.Allocated(off); data {
			break
		}
		off += 4096
	}
	d.points = d.points[:1]
	var re *decoder.ReadError
	for range 2 {
		if n, err := d.ReadAt(p, off); n != 0 || !errors.As(err, &re) {
			t.Error(n, err)
		}
	}
}

func TestRun(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		n := int64(1 + r.IntN(400))
		var m bitmap
		m.grow(n << blockBits)
		for k, set := int64(0), false; k < n; set = !set {
			for j := 1 + r.IntN(150); j > 0 && k < n; j, k = j-1, k+1 {
				if set {
					m.set(k)
				}
			}
		}
		k := r.Int64N(n)
		want := k
		for want < n && m.get(want) == m.get(k) {
			want++
		}
		if got := m.run(k, n); got != want {
			t.Fatalf("from %d of %d: %d, want %d", k, n, got, want)
		}
	}
}

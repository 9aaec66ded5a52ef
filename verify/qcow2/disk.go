package qcow2

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"

	reader "github.com/lima-vm/go-qcow2reader/image/qcow2"

	"migimg/verify/decoder"
)

// Open checks the structure of an image, adds what is wrong to ps, and opens
// its disk. The disk is nil where the guest's bytes cannot be found at all; a
// problem then says why. The string sums the image up for people. The error is
// that of a cancelled context.
func Open(ctx context.Context, f decoder.File, ps *decoder.Problems) (decoder.Disk, string, error) {
	h, ok := parseHeader(f, ps)
	if !ok {
		return nil, "", nil
	}
	cl := h.cluster()
	c := &checker{f: f, h: h, ps: ps, clusters: (f.Size + cl - 1) / cl, first: true}
	if !c.load() {
		return nil, "", nil
	}
	if err := c.refcounts(ctx); err != nil {
		return nil, "", err
	}
	c.lengths()
	d, err := open(f, h, c.l1, c.packed.end > 0)
	if err != nil {
		ps.Err(-1, "qcow2: go-qcow2reader", err)
		return nil, "", nil
	}
	c.tail(d)
	return d, fmt.Sprintf("version %d, %d byte clusters, %d clusters of the disk in the file", h.version, cl, c.data), nil
}

// disk gives the bytes that go-qcow2reader decodes, and compressed clusters (unpack.go).
// It opens only what the header check let pass: the library would open backing files by
// name and allocate what the header asks for.
type disk struct {
	f   decoder.File
	h   header
	l1  []uint64
	img *reader.Qcow2
	unpackers
}

func open(f decoder.File, h header, l1 []uint64, packed bool) (d *disk, err error) {
	defer recovered(&err)
	letZstdPass()
	img, err := reader.Open(f, nil)
	if err != nil {
		return nil, err
	}
	if err := img.Readable(); err != nil {
		return nil, err
	}
	return &disk{f: f, h: h, l1: l1, img: img, unpackers: unpackers{any: packed}}, nil
}

// recovered turns a panic of the library, met with a hostile image, into an
// error.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("qcow2: go-qcow2reader panicked: %v", p)
	}
}

func (d *disk) Size() int64 { return d.h.size }

func (d *disk) ReadAt(p []byte, off int64) (n int, err error) {
	defer recovered(&err)
	if off < 0 || off >= d.h.size {
		return 0, io.EOF
	}
	short := false
	if rest := d.h.size - off; int64(len(p)) > rest {
		p, short = p[:rest], true
	}
	for n < len(p) {
		at := off + int64(n)
		part := p[n:]
		if d.any {
			part = part[:min(int64(len(part)), d.h.cluster()-at%d.h.cluster())]
			if done, err := d.unpack(part, at); err != nil {
				return n, fmt.Errorf("qcow2: guest bytes from %d: %w", at, err)
			} else if done {
				n += len(part)
				continue
			}
		}
		k, err := d.img.ReadAt(part, at)
		if n += k; k < len(part) {
			if err == nil || err == io.EOF {
				err = fmt.Errorf("qcow2: guest bytes from %d: %w", off+int64(n), io.ErrUnexpectedEOF)
			}
			return n, err
		}
	}
	if short {
		err = io.EOF
	}
	return n, err
}

// Allocated steps over L1 entries that are 0, as a large disk has many of them, and
// looks at no more than one L2 table.
func (d *disk) Allocated(off int64) (int64, bool) {
	bits := 2*d.h.clusterBits - 3 // of the guest bytes of one L2 table
	i := off >> bits
	for i < d.h.l1Needed() && d.l1[i] == 0 {
		i++
	}
	if end := min(i<<bits, d.h.size); end > off {
		return end - off, false
	}
	per := d.h.cluster() / 8
	cluster := off >> d.h.clusterBits
	n, data := int64(1), true // the read says what is wrong
	if table := int64(d.l1[i] & offsetMask); table != 0 {
		if m, has, err := d.run(table, cluster%per, per); err == nil {
			n, data = m, has
		}
	}
	return min((cluster+n)<<d.h.clusterBits, d.h.size) - off, data
}

// run is how many entries of the L2 table at a place in the file, which has per of them,
// are as entry j from there on: whether they have data. What is no proper entry must be
// read, which says what is wrong with it.
func (d *disk) run(table, j, per int64) (n int64, data bool, err error) {
	var buf [1 << 10]byte
	first := j
	for j < per {
		b := buf[:min(int64(len(buf)), (per-j)*8)]
		if _, err := d.f.ReadAt(b, table+j*8); err != nil {
			return 0, false, err
		}
		for ; len(b) > 0; b, j = b[8:], j+1 {
			e := binary.BigEndian.Uint64(b)
			zero := e == 0 || e&(compressed|zeroFlag) == zeroFlag && d.h.version > 2
			if j == first {
				data = !zero
			} else if zero == data {
				return j - first, data, nil
			}
		}
	}
	return per - first, data, nil
}

// Locate reads an L2 entry of its own; -1 also for what cannot be
// read.
func (d *disk) Locate(off int64) int64 {
	at, _ := d.locate(off)
	return at
}

// packedAt is where the compressed cluster of a guest offset lies in the file; false where
// that is no such one.
func (d *disk) packedAt(off int64) (at, end int64, ok bool) {
	l2, ok := d.l2(off)
	if !ok || l2&compressed == 0 {
		return 0, 0, false
	}
	at, end = d.h.span(l2)
	return at, end, at < d.f.Size
}

// l2 is the L2 entry of a guest offset; false where there is none, or none can be read.
func (d *disk) l2(off int64) (uint64, bool) {
	guest, per := off>>d.h.clusterBits, d.h.cluster()/8
	l1 := d.l1[guest/per]
	if l1&offsetMask == 0 {
		return 0, false
	}
	l2, err := d.entry(int64(l1&offsetMask) + guest%per*8)
	return l2, err == nil
}

// locate is Locate, and whether the cluster is compressed.
func (d *disk) locate(off int64) (at int64, packed bool) {
	l2, ok := d.l2(off)
	switch {
	case !ok:
		return -1, false
	case l2&compressed != 0:
		at, _ := d.h.span(l2)
		return at, true
	case l2&offsetMask == 0 || l2&zeroFlag != 0:
		return -1, false
	}
	return int64(l2&offsetMask) + off%d.h.cluster(), false
}

func (d *disk) entry(at int64) (uint64, error) {
	var b [8]byte
	if _, err := d.f.ReadAt(b[:], at); err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(b[:]), nil
}

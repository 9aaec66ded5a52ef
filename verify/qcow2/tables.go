package qcow2

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"migimg/verify/decoder"
)

// checker walks the tables of one image.
type checker struct {
	f  decoder.File
	h  header
	ps *decoder.Problems

	l1 []uint64
	rt []uint64 // refcount table

	clusters int64 // in the file, a part of one at its end included
	end      int64 // bytes: the end of the last cluster in use
	plain    int64 // the same without compressed data
	// beyond counts references to what lies after the end of the file.
	beyond int64
	data   int64 // allocated guest clusters
	first  bool  // the first walk, which reports what it sees
	packed packed
}

// words reads n big endian 64 bit words.
func words(f decoder.File, off, n int64) ([]uint64, error) {
	b, err := f.Bytes(off, n*8)
	if err != nil {
		return nil, err
	}
	w := make([]uint64, n)
	for i := range w {
		w[i] = binary.BigEndian.Uint64(b[i*8:])
	}
	return w, nil
}

// load reads the L1 table and the refcount table and checks that no two of
// their entries share a table: a walk is then bounded by the file's size.
func (c *checker) load() bool {
	var err error
	if c.l1, err = words(c.f, c.h.l1Off, c.h.l1Size); err != nil {
		c.ps.Err(c.h.l1Off, "qcow2: L1 table", err)
		return false
	}
	if c.rt, err = words(c.f, c.h.rtOff, c.h.rtClusters<<c.h.clusterBits/8); err != nil {
		c.ps.Err(c.h.rtOff, "qcow2: refcount table", err)
		return false
	}
	ok := c.distinct(c.l1, offsetMask, c.h.l1Off, "L1")
	return c.distinct(c.rt, ^uint64(0x1ff), c.h.rtOff, "refcount table") && ok
}

func (c *checker) distinct(table []uint64, mask uint64, at int64, name string) bool {
	offs := make([]uint64, 0, len(table))
	for _, e := range table {
		if e&mask != 0 {
			offs = append(offs, e&mask)
		}
	}
	slices.Sort(offs)
	for i := 1; i < len(offs); i++ {
		if offs[i] == offs[i-1] {
			c.ps.Failf(at, "qcow2: two %s entries refer to the table at %d", name, offs[i])
			return false
		}
	}
	return true
}

// what names a table or a cluster: "L2 table" 7. It is made into text only for
// messages, as there are millions.
type what struct {
	kind string
	i    int64
}

func (w what) String() string {
	if w.i < 0 {
		return w.kind
	}
	return fmt.Sprintf("%s %d", w.kind, w.i)
}

// visitor is told of each run of n clusters that something refers to.
type visitor func(off, n int64, name what)

// reference checks one reference to a cluster and hands it on.
func (c *checker) reference(off uint64, entryAt int64, name what, visit visitor) bool {
	cl := uint64(c.h.cluster())
	if off%cl != 0 {
		if c.first {
			c.ps.Failf(entryAt, "qcow2: %s at %d is not at the start of a cluster", name, off)
		}
		return false
	}
	if off >= uint64(c.clusters)*cl {
		if c.first {
			if c.beyond++; c.beyond == 1 {
				c.ps.Failf(entryAt, "qcow2: %s at byte %d, but the file ends at %d: a short copy or a damaged entry", name, off, c.f.Size)
			}
		}
		return false
	}
	c.plain = max(c.plain, int64(off+cl))
	visit(int64(off), 1, name)
	return true
}

// walk tells visit of every cluster in use.
func (c *checker) walk(ctx context.Context, visit visitor) error {
	cl := c.h.cluster()
	table := func(off, n int64, kind string) {
		n = (n + cl - 1) / cl
		c.plain = max(c.plain, off+n*cl)
		visit(off, n, what{kind, -1})
	}
	table(0, cl, "header")
	table(c.h.l1Off, c.h.l1Size*8, "L1 table")
	table(c.h.rtOff, c.h.rtClusters*cl, "refcount table")
	for i, e := range c.rt {
		at := c.h.rtOff + int64(i)*8
		switch {
		case e == 0:
		case e&0x1ff != 0:
			if c.first {
				c.ps.Failf(at, "qcow2: refcount table entry %d: reserved bits %#x", i, e&0x1ff)
			}
		default:
			c.reference(e, at, what{"refcount block", int64(i)}, visit)
		}
	}
	buf := make([]byte, cl)
	for i, e := range c.l1 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if e == 0 {
			continue
		}
		at := c.h.l1Off + int64(i)*8
		if c.first {
			c.entryBits("L1", int64(i), e, at, offsetMask|copied)
			if int64(i) >= c.h.l1Needed() {
				c.ps.Failf(at, "qcow2: L1 entry %d is beyond the disk's end", i)
			}
		}
		if e&offsetMask == 0 || !c.reference(e&offsetMask, at, what{"L2 table", int64(i)}, visit) {
			continue
		}
		if err := c.l2(int64(i), int64(e&offsetMask), buf, visit); err != nil && c.first {
			c.ps.Err(int64(e&offsetMask), fmt.Sprintf("qcow2: L2 table %d", i), err)
		}
	}
	return nil
}

// entryBits checks reserved bits and the COPIED bit, which says that the
// refcount is exactly 1, and is wrong without a cluster.
func (c *checker) entryBits(kind string, i int64, e uint64, at int64, allowed uint64) {
	if e&^allowed != 0 {
		c.ps.Failf(at, "qcow2: %s entry %d: reserved bits %#x", kind, i, e&^allowed)
	}
	if (e&copied != 0) != (e&offsetMask != 0) {
		c.ps.Failf(at, "qcow2: %s entry %d is %#x: bit 63 (refcount is 1) does not fit", kind, i, e)
	}
}

func (c *checker) l2(l1i, off int64, buf []byte, visit visitor) error {
	if _, err := c.f.ReadAt(buf, off); err != nil {
		return err
	}
	per := c.h.cluster() / 8
	last := (c.h.size - 1) >> c.h.clusterBits // the last guest cluster
	for j := range per {
		e := binary.BigEndian.Uint64(buf[j*8:])
		if e == 0 {
			continue
		}
		at, guest := off+j*8, l1i*per+j
		if c.first {
			if guest > last {
				c.ps.Failf(at, "qcow2: L2 entry for guest cluster %d, beyond the disk's end", guest)
			}
			c.data++
		}
		if e&compressed != 0 {
			if c.first {
				c.pack(e, at)
			}
			continue
		}
		if c.first {
			allowed := uint64(offsetMask | copied | zeroFlag)
			if c.h.version == 2 {
				allowed &^= zeroFlag // QEMU refuses to read it in version 2
			}
			c.entryBits("L2", guest, e, at, allowed)
		}
		if e&offsetMask != 0 {
			c.reference(e&offsetMask, at, what{"guest cluster", guest}, visit)
		}
	}
	return nil
}

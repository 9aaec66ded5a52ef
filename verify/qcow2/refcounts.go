package qcow2

import (
	"bytes"
	"context"
	"encoding/binary"
)

const (
	// window is how many clusters are compared with their refcounts at a time:
	// 32 MiB of bits, which is a file of 16 TiB with 64 KiB clusters.
	window = 1 << 28
	// maxWindows bounds the walks; a file with more clusters is not decided.
	maxWindows = 16
)

// refcounts checks that each cluster in use has refcount 1 and is used once,
// and that all others have refcount 0, those after the end of the file
// included.
func (c *checker) refcounts(ctx context.Context) error {
	n := (c.clusters + window - 1) / window
	if n > maxWindows {
		c.ps.Unknownf(-1, "qcow2: %d clusters are too many to check the refcounts of", c.clusters)
		return c.walk(ctx, func(int64, int64, what) {})
	}
	used := make([]uint64, (min(c.clusters, window)+63)/64)
	for w := range n {
		lo := w * window
		clear(used)
		err := c.walk(ctx, func(off, count int64, name what) {
			for k := off / c.h.cluster(); count > 0; k, count = k+1, count-1 {
				if k < lo || k >= lo+window || k >= c.clusters {
					continue
				}
				word, bit := &used[(k-lo)/64], uint64(1)<<((k-lo)%64)
				if *word&bit != 0 {
					c.ps.Failf(k*c.h.cluster(), "qcow2: %s lies in a cluster that is in use already", name)
				}
				*word |= bit
			}
		})
		c.first = false
		if err != nil {
			return err
		}
		if err := c.compare(ctx, used, lo, w == n-1); err != nil {
			return err
		}
	}
	return nil
}

// compare holds the bits of one window against the refcount blocks. The last
// window takes in all refcounts after it.
func (c *checker) compare(ctx context.Context, used []uint64, lo int64, last bool) error {
	per := c.h.cluster() * 8 >> c.h.refOrder // refcounts in a block
	hi := min(lo+window, c.clusters)
	var free int64
	var buf []byte
	for i := lo / per; i < int64(len(c.rt)) || i*per < hi; i++ {
		if !last && i*per >= hi {
			break
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		var e uint64
		if i < int64(len(c.rt)) {
			e = c.rt[i]
		}
		block := int64(e)
		ok := e&0x1ff == 0 && e != 0 && block > 0 && block%c.h.cluster() == 0 && block < c.f.Size
		if ok {
			if buf == nil {
				buf = make([]byte, c.h.cluster())
			}
			if _, err := c.f.ReadAt(buf, block); err != nil {
				c.ps.Err(block, "qcow2: refcount block", err)
				continue
			}
		} else if e != 0 || i*per >= hi {
			continue // reported by the walk; or nothing to compare
		}
		from, to := max(i*per, lo), (i+1)*per
		if !last || !ok {
			to = min(to, hi)
		} else if n := int64(len(bytes.TrimRight(buf, "\x00"))); n*8>>c.h.refOrder < to-i*per {
			// The usual end of the last block: all refcounts are 0.
			to = min(to, max(hi, i*per+n*8>>c.h.refOrder+1))
		}
		for k := from; k < to; k++ {
			var count uint64
			if ok {
				count = refcount(buf, k-i*per, c.h.refOrder)
			}
			inUse := k < hi && used[(k-lo)/64]>>((k-lo)%64)&1 != 0
			if !inUse && count == 0 && c.packed.of(k) == 0 {
				if k < hi {
					free++
				}
				continue
			}
			c.judge(k, count, inUse)
		}
	}
	if free > 0 {
		c.ps.Warnf(-1, "qcow2: %d clusters inside the file are not in use", free)
	}
	return nil
}

func (c *checker) judge(k int64, count uint64, inUse bool) {
	at := k * c.h.cluster()
	want := c.packed.of(k)
	switch {
	case inUse && want > 0:
		c.ps.Failf(at, "qcow2: compressed data lies in a cluster that is in use already")
		return
	case inUse:
		want = 1
	}
	switch {
	case count == want:
	case want > 0:
		c.ps.Failf(at, "qcow2: cluster %d is in use %d times, its refcount is %d", k, want, count)
	case k >= c.clusters:
		c.ps.Failf(at, "qcow2: refcount %d of cluster %d, but the file ends at %d: a short copy or a damaged refcount", count, k, c.f.Size)
	case !c.packed.tooMany:
		c.ps.Failf(at, "qcow2: nothing refers to cluster %d, its refcount is %d", k, count)
	}
}

// refcount is entry i of a block; entries of less than a byte fill it from its
// least significant bit.
func refcount(b []byte, i int64, order uint32) uint64 {
	switch order {
	case 3:
		return uint64(b[i])
	case 4:
		return uint64(binary.BigEndian.Uint16(b[i*2:]))
	case 5:
		return uint64(binary.BigEndian.Uint32(b[i*4:]))
	case 6:
		return binary.BigEndian.Uint64(b[i*8:])
	}
	bit := i << order
	return uint64(b[bit/8]) >> (bit % 8) & (1<<(1<<order) - 1)
}

// lengths checks where the file ends: with a cluster, or with the last sector
// of compressed data, which qemu-img does not pad.
func (c *checker) lengths() {
	size := c.f.Size
	c.end = max(c.end, c.plain)
	packed := c.packed.end == size && c.plain < size
	if rest := size % c.h.cluster(); rest != 0 && !packed {
		c.ps.Failf(size, "qcow2: the file has %d bytes, its last cluster is %d bytes short: a short copy", size, c.h.cluster()-rest)
	}
	if c.beyond > 1 {
		c.ps.Failf(size, "qcow2: %d entries refer to what lies after the end of the file at %d", c.beyond, size)
	}
	if over := size - c.end; over > 0 {
		c.ps.Failf(c.end, "qcow2: %d bytes after the last cluster in use", over)
	}
}

// tail checks that nothing lies in the last cluster after the disk's end. One that
// is compressed is not looked at.
func (c *checker) tail(d *disk) {
	rest := c.h.size % c.h.cluster()
	at, packed := d.locate(c.h.size - 1)
	if rest == 0 || at < 0 || packed {
		return
	}
	b, err := c.f.Bytes(at+1, c.h.cluster()-rest)
	if err != nil {
		return // reported with the cluster itself
	}
	for i, v := range b {
		if v != 0 {
			c.ps.Failf(at+1+int64(i), "qcow2: bytes after the disk's end in its last cluster: old data would leave with the image")
			return
		}
	}
}

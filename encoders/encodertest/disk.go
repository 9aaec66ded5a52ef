package encodertest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"migimg/blockmap"
	"migimg/encoders"
)

// Case is a disk, and the map that it is encoded with. Its content is random
// everywhere, also where the map carries nothing, so that a byte of free space
// in an image shows.
type Case struct {
	Name string
	// Size of the disk and Cluster of its map, in bytes.
	Size, Cluster int64
	// Carried is what the map carries: ascending, not overlapping.
	Carried []blockmap.Range
	// Options are handed to Plan.
	Options encoders.Options
}

// Disk is the case as an encoder sees it.
func (c Case) Disk(t testing.TB) encoders.Disk {
	t.Helper()
	m, err := blockmap.FromRanges(c.Size, c.Cluster, slices.Values(c.Carried))
	if err != nil {
		t.Fatal(err)
	}
	return encoders.Disk{Map: m, Identity: sha256.Sum256([]byte("encodertest " + c.Name))}
}

// Device is the disk's content: held in memory where it is small, since that is
// many times faster than to compute it for each read.
func (c Case) Device() io.ReaderAt {
	if c.Size > 128*mib {
		return device(c.Size)
	}
	b := make([]byte, c.Size)
	content(b, 0)
	return bytes.NewReader(b)
}

// View is what a reader sees as the device: the carried bytes, zeros elsewhere.
func (c Case) View(t testing.TB) io.ReaderAt {
	t.Helper()
	return blockmap.NewView(c.Device(), c.Disk(t).Map)
}

// Want writes to p what an image must hold at disk offset off: what the map
// carries to the sector of 512 bytes, zeros elsewhere and beyond the disk's
// end. It is computed from Carried alone.
func (c Case) Want(p []byte, off int64) {
	clear(p)
	end := off + int64(len(p))
	first, _ := slices.BinarySearchFunc(c.Carried, off, func(r blockmap.Range, off int64) int {
		if (r.End()+511)/512*512 <= off {
			return -1
		}
		return 1
	})
	for _, r := range c.Carried[first:] {
		a := max(off, r.Off/512*512)
		b := min(end, c.Size, (r.End()+511)/512*512)
		if r.Off/512*512 >= end {
			return
		}
		if a < b {
			content(p[a-off:b-off], a)
		}
	}
}

// device is a disk of random content; reading beyond its end is an error, as
// with a real one.
type device int64

func (d device) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off > int64(d) {
		return 0, fmt.Errorf("read at %d of a disk of %d bytes", off, int64(d))
	}
	n := min(int64(len(p)), int64(d)-off)
	content(p[:n], off)
	if n < int64(len(p)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

// content writes the disk's bytes from off on: each aligned word hangs on
// its place, and has no zero byte.
func content(p []byte, off int64) {
	var w [8]byte
	for len(p) > 0 {
		x := bytesAt(uint64(off) / 8)
		if off%8 == 0 && len(p) >= 8 {
			binary.LittleEndian.PutUint64(p, x)
			p, off = p[8:], off+8
			continue
		}
		binary.LittleEndian.PutUint64(w[:], x)
		n := copy(p, w[off%8:])
		p, off = p[n:], off+int64(n)
	}
}

// bytesAt is the disk's i-th aligned word. In every second stretch of 16 KiB there
// are few different ones, so that it can be compressed.
func bytesAt(i uint64) uint64 {
	if stretch := i / 2048; word(stretch)>>63 == 0 {
		return word(stretch<<4 | word(i)>>60)
	}
	return word(i)
}

// word is SplitMix64's mixing step.
func word(x uint64) uint64 {
	x = (x + 1) * 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return (x ^ x>>31) | 0x0101010101010101
}

// scattered is n pieces of at most most bytes at random places of a disk, in
// units of unit.
func scattered(seed uint64, size, unit, most int64, n int) (out []blockmap.Range) {
	r := rand.New(rand.NewPCG(seed, 1))
	gap := max(1, size/int64(n)/unit)
	at := int64(0)
	for range n {
		at += r.Int64N(2*gap) * unit
		l := min((1+r.Int64N(most/unit))*unit, size-at)
		if l <= 0 {
			break
		}
		out = append(out, blockmap.Range{Off: at, Len: l})
		at += l
	}
	return out
}

package fusefs

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash/crc64"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
)

// holey is a file with holes, and how to find them.
func holey(seed uint64, size int) ([]byte, func(off int64) (int64, bool)) {
	rnd := rand.New(rand.NewPCG(seed, 5))
	b := make([]byte, size)
	ends := []int{0}
	for end := 0; end < size; {
		n := min(1+rnd.IntN(300<<10), size-end)
		if len(ends)%2 == 1 {
			for i := end; i < end+n; i++ {
				b[i] = byte(rnd.Uint32())
			}
		}
		end += n
		ends = append(ends, end)
	}
	return b, func(off int64) (int64, bool) {
		for i, end := range ends {
			if int64(end) > off {
				return int64(end) - off, i%2 == 1
			}
		}
		return 0, false
	}
}

// TestDigest: front to back, in parallel parts, a little out of order, twice, with the
// holes read or not: the sums are those of the file, and not known before its end.
func TestDigest(t *testing.T) {
	for seed := range uint64(20) {
		size := []int{0, 1, 70000, 5 << 20, 3<<20 + 17}[seed%5]
		b, extent := holey(seed, size)
		sha, crc := fmt.Sprintf("%x", sha256.Sum256(b)), fmt.Sprintf("%016x", crc64.Checksum(b, crc64.MakeTable(crc64.ECMA)))
		read := func(d *Digest, off, n int64) {
			if off < int64(size) {
				_, _ = d.ReadAt(make([]byte, min(n, int64(size)-off)), off)
			}
		}
		check := func(how string, d *Digest, hasSHA bool) {
			t.Helper()
			if d.CRC64() != crc || hasSHA && d.SHA256() != sha || d.SHA256() != "" && d.SHA256() != sha {
				t.Errorf("seed %d, %s: %q and %q, should be %s and %s", seed, how, d.SHA256(), d.CRC64(), sha, crc)
			}
		}
		d := NewDigest(bytes.NewReader(b), int64(size), extent)
		for off := int64(0); off < int64(size); off += 128 << 10 {
			if d.CRC64() != "" && off < int64(size) {
				if n, data := extent(off); data || off+n < int64(size) {
					t.Fatalf("seed %d: known at %d of %d", seed, off, size)
				}
			}
			read(d, off, 128<<10)
			read(d, off/2, 100) // what is there already
		}
		check("front to back", d, true)

		d = NewDigest(bytes.NewReader(b), int64(size), extent)
		for off := int64(0); off < int64(size); {
			n, data := extent(off)
			if data {
				read(d, off, n)
			}
			off += n
		}
		check("without the holes", d, true)

		d = NewDigest(bytes.NewReader(b), int64(size), extent)
		var all sync.WaitGroup
		for part := range int64(4) {
			all.Go(func() {
				from, to := part*int64(size)/4, (part+1)*int64(size)/4
				for off := from; off < to; off += 99999 {
					read(d, off, min(99999, to-off))
				}
			})
		}
		all.Wait()
		check("in four parts at a time", d, false)

		d = NewDigest(bytes.NewReader(b), int64(size), extent)
		for off := int64(0); off < int64(size); off += 4 << 17 {
			for _, k := range rand.New(rand.NewPCG(seed, uint64(off))).Perm(4) {
				read(d, off+int64(k)<<17, 1<<17)
			}
		}
		check("a little out of order", d, true)
	}
}

func TestDigestReadErrors(t *testing.T) {
	b := make([]byte, 1<<20)
	d := NewDigest(io.NewSectionReader(bytes.NewReader(b), 0, 1<<19), 1<<20, func(off int64) (int64, bool) { return 1<<20 - off, true })
	for off := int64(0); off < 1<<20; off += 1 << 18 {
		_, _ = d.ReadAt(make([]byte, 1<<18), off)
	}
	if d.CRC64() != "" || d.SHA256() != "" {
		t.Error("the sums of a file are known of which half could not be read")
	}
}

// TestDigestLongHole: a file with a hole that takes long to hash has no SHA-256.
func TestDigestLongHole(t *testing.T) {
	size := int64(4 << 30)
	d := NewDigest(bytes.NewReader(make([]byte, 1<<20)), size, func(off int64) (int64, bool) {
		if off < 1<<20 {
			return 1<<20 - off, true
		}
		return size - off, false
	})
	_, _ = d.ReadAt(make([]byte, 1<<20), 0)
	if d.SHA256() != "" || d.CRC64() == "" {
		t.Errorf("%q and %q", d.SHA256(), d.CRC64())
	}
}

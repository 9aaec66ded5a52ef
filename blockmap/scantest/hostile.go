package scantest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"migimg/blockmap"
)

// Hostile feeds a scanner with garbage, and with the images given, cut short
// and with bytes changed. Garbage must not be claimed; nothing may panic, or
// free what is not in the volume.
func Hostile(t *testing.T, sc blockmap.Scanner, images ...[]byte) {
	t.Run("zeros", func(t *testing.T) {
		for _, n := range []int{0, 1, 511, 512, 1024, 1500, 2047, 2048, 4096, 10000, 65536, 1 << 20} {
			mustNotClaim(t, sc, make([]byte, n))
		}
	})
	t.Run("random", func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(7, 7))
		for range 50 {
			mustNotClaim(t, sc, random(rnd, 1<<10+rnd.IntN(300<<10)))
		}
	})
	for i, img := range images {
		t.Run(fmt.Sprintf("image %d", i), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(8, uint64(i)))
			for n := 0; n < len(img); n = n*5/4 + 100 {
				Scan(t, sc, img[:n])
			}
			for range 300 {
				b := bytes.Clone(img)
				for range 1 + rnd.IntN(4) {
					b[min(len(b)-1, rnd.IntN(1+rnd.IntN(len(b))))] = byte(rnd.Uint32())
				}
				Scan(t, sc, b)
			}
		})
	}
}

func random(rnd *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}

func mustNotClaim(t *testing.T, sc blockmap.Scanner, b []byte) {
	t.Helper()
	v := blockmap.Bytes(bytes.NewReader(b), int64(len(b)), 512)
	if err := sc.Probe(v); !errors.Is(err, blockmap.ErrNotMine) {
		t.Errorf("%d bytes of garbage are claimed: %v", len(b), err)
	}
	if _, free, _ := Scan(t, sc, b); len(free) > 0 {
		t.Errorf("%d bytes are free in garbage", total(free))
	}
}

// Scan runs a scanner alone, without the probing of [blockmap.Scan], and
// returns what it freed. It fails the test where a range leaves the volume.
func Scan(t testing.TB, sc blockmap.Scanner, b []byte) (blockmap.Report, []blockmap.Range, error) {
	t.Helper()
	v := blockmap.Bytes(bytes.NewReader(b), int64(len(b)), 512)
	_ = sc.Probe(v)
	k := &sink{t: t, size: int64(len(b))}
	r, err := sc.Scan(context.Background(), v, k)
	if err != nil || r.Whole != "" {
		k.free = nil
	}
	return r, k.free, err
}

// sink records what is freed.
type sink struct {
	t    testing.TB
	size int64
	free []blockmap.Range
}

func (k *sink) Free(off, n int64) error {
	if off < 0 || n < 0 || off > k.size || n > k.size-off {
		k.t.Errorf("[%d, +%d) was freed in a volume of %d bytes", off, n, k.size)
		return errors.New("outside of the volume")
	}
	if n > 0 {
		k.free = append(k.free, blockmap.Range{Off: off, Len: n})
	}
	return nil
}

func (k *sink) Data(off, n int64, _ blockmap.FileID, _ int64) error {
	if off < 0 || n < 0 || off > k.size || n > k.size-off {
		k.t.Errorf("[%d, +%d) is a file's in a volume of %d bytes", off, n, k.size)
		return errors.New("outside of the volume")
	}
	return nil
}

func (k *sink) Nested(string, blockmap.Volume) error { return nil }

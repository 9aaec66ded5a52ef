package guestfs

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
)

type counted struct {
	r     io.ReaderAt
	reads int
	bad   int64 // a page that cannot be read whole
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	c.reads++
	if off/cachePage == c.bad && len(p) > 100 {
		return 0, errors.New("bad sector")
	}
	return c.r.ReadAt(p, off)
}

func TestPageCache(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	disk := make([]byte, 2000*cachePage+777) // more pages than are kept
	for i := range disk {
		disk[i] = byte(rnd.Uint32())
	}
	below := &counted{r: bytes.NewReader(disk), bad: 7}
	c := newPageCache(below)
	for range 20000 {
		off, n := rnd.IntN(len(disk)), 1+rnd.IntN(90)
		if rnd.IntN(4) == 0 && off/cachePage != 7 {
			n *= 100
		}
		p := make([]byte, n)
		got, err := c.ReadAt(p, int64(off))
		want := min(n, len(disk)-off)
		if got != want && !(err != nil && off/cachePage <= 7 && (off+n)/cachePage >= 7) || !bytes.Equal(p[:got], disk[off:off+got]) {
			t.Fatalf("%d bytes at %d: %d, %v", n, off, got, err)
		}
	}
	if len(c.pages) > cachePages {
		t.Errorf("%d pages", len(c.pages))
	}
	below.reads = 0
	for range 100 {
		if _, err := c.ReadAt(make([]byte, 256), 40960); err != nil {
			t.Fatal(err)
		}
	}
	if below.reads > 1 {
		t.Errorf("%d reads of one page", below.reads)
	}
}

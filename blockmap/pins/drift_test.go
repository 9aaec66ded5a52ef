package pins

import (
	"bytes"
	"slices"
	"testing"

	"migimg/blockmap"
)

func TestDrift(t *testing.T) {
	d := NewDrift(bytes.NewReader(make([]byte, 1<<20)))
	read := func(off, n int64) {
		t.Helper()
		if _, err := d.ReadAt(make([]byte, n), off); err != nil {
			t.Fatal(err)
		}
	}
	read(0, 1<<20) // before T0
	written := map[int64]bool{1: true, 2: true, 70: true, 200: true}
	d.Begin(func(off, n int64) bool {
		for b := off / blockSize; b*blockSize < off+n; b++ {
			if written[b] {
				return true
			}
		}
		return false
	})
	read(0, 2*blockSize)
	read(2*blockSize+17, 100)
	read(60*blockSize, 20*blockSize)
	read(100*blockSize, 50*blockSize)
	written[100] = true // after it was read
	want := []blockmap.Range{{Off: blockSize, Len: 2 * blockSize}, {Off: 70 * blockSize, Len: blockSize}}
	if got := slices.Collect(d.Served()); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

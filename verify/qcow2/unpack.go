package qcow2

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
	reader "github.com/lima-vm/go-qcow2reader/image/qcow2"
)

// letZstdPass lets the library open images with clusters that zstd has packed. It never
// decodes one.
var letZstdPass = sync.OnceFunc(func() {
	reader.SetDecompressor(reader.CompressionTypeZstd, func(io.Reader) (io.ReadCloser, error) {
		return nil, errors.New("compressed clusters are not the library's")
	})
})

// unpackers decode compressed clusters: the library decodes one anew for each piece that
// it gives, from what may be more than belongs to it.
type unpackers struct {
	any  bool      // there are compressed clusters
	pool sync.Pool // of unpacker
}

// unpacker unpacks one cluster after the other.
type unpacker struct {
	r       io.Reader
	reset   func(packed io.Reader) error
	cluster []byte
	src     bytes.Reader
}

func newUnpacker(h *header) (*unpacker, error) {
	u := &unpacker{cluster: make([]byte, h.cluster())}
	if h.zstd {
		// Its goroutines would outlive it.
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		u.r, u.reset = z, z.Reset
		return u, nil
	}
	z := flate.NewReader(nil)
	u.r, u.reset = z, func(packed io.Reader) error { return z.(flate.Resetter).Reset(packed, nil) }
	return u, nil
}

// maxWindow is more than any cluster, in bytes: a frame cannot ask for more memory.
const maxWindow = 8 << 20

// unpack reads p, which is inside one cluster, at a guest offset, if that is a
// compressed one; else it is not done.
func (d *disk) unpack(p []byte, off int64) (done bool, err error) {
	at, end, ok := d.packedAt(off)
	if !ok {
		return false, nil
	}
	u, _ := d.pool.Get().(*unpacker)
	if u == nil {
		if u, err = newUnpacker(&d.h); err != nil {
			return false, err
		}
	}
	defer d.pool.Put(u)
	packed, err := d.f.Bytes(at, min(end, d.f.Size)-at)
	if err != nil {
		return false, err
	}
	u.src.Reset(packed)
	if err := u.reset(&u.src); err != nil {
		return false, fmt.Errorf("compressed cluster in file bytes %d to %d: %w", at, end, err)
	}
	// What follows in the last sector is another cluster's.
	if _, err := io.ReadFull(u.r, u.cluster); err != nil {
		return false, fmt.Errorf("compressed cluster in file bytes %d to %d: %w", at, end, err)
	}
	copy(p, u.cluster[off%d.h.cluster():])
	return true, nil
}

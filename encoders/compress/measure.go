package compress

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/adler32"
	"hash/crc32"
	"io"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// Units are the parts of the disk that are packed, each on its own.
type Units struct {
	// Count is how many there are.
	Count int64
	// Device is where unit k begins on the disk, in bytes; it ascends with k.
	Device func(k int64) int64
	// Run is how many units from k on, at least 1 and at most max, lie one after
	// another on the disk.
	Run func(k, max int64) int64
}

// atOnce is how much of the disk is read at a time, in bytes.
const atOnce = 1 << 20

// Measure packs each unit and keeps its length, and its packed form in keep if that is
// not nil. view answers zeros beyond the
// disk's end. It uses threads goroutines; progress is told, by one of them at a
// time, how many bytes of how many are done.
func Measure(ctx context.Context, view io.ReaderAt, u Units, p Packing, threads int, keep Store, progress func(done, total int64)) (*Lengths, error) {
	if p.Again {
		keep = nil
	}
	l := &Lengths{packing: p, n: make([]uint32, u.Count), sums: make([]uint32, u.Count), store: keep}
	if keep != nil {
		l.places = make([]int64, u.Count)
	}
	if u.Count == 0 {
		return l, nil
	}
	var next, done, stored atomic.Int64
	var telling sync.Mutex
	batch := max(1, atOnce/p.Unit)
	g, ctx := errgroup.WithContext(ctx)
	for range max(1, threads) {
		g.Go(func() error {
			pack := p.New()
			buf := make([]byte, batch*p.Unit)
			var out []byte
			for {
				k := next.Add(batch) - batch
				if k >= u.Count {
					return nil
				}
				for end := min(k+batch, u.Count); k < end; {
					if err := ctx.Err(); err != nil {
						return err
					}
					n := u.Run(k, end-k)
					src := buf[:n*p.Unit]
					if m, err := view.ReadAt(src, u.Device(k)); m < len(src) {
						return fmt.Errorf("compress: reading the disk at %d: %w", u.Device(k)+int64(m), err)
					}
					for ; n > 0; n-- {
						l.sums[k] = crc32.Checksum(src[:p.Unit], castagnoli)
						out = pack(out[:0], src[:p.Unit])
						if int64(len(out)) <= p.most() {
							l.n[k] = uint32(len(out))
							if keep != nil {
								out = binary.BigEndian.AppendUint32(out, adler32.Checksum(src[:p.Unit]))
								l.places[k] = stored.Add(int64(len(out))) - int64(len(out))
								if _, err := keep.WriteAt(out, l.places[k]); err != nil {
									return fmt.Errorf("compress: keeping packed clusters: %w", err)
								}
							}
						}
						src, k = src[p.Unit:], k+1
					}
				}
				telling.Lock()
				progress(done.Add(batch)*p.Unit, u.Count*p.Unit)
				telling.Unlock()
			}
		})
	}
	return l, g.Wait()
}

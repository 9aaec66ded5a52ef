package ext4

import (
	"cmp"
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"migimg/blockmap"
)

// each reads n blocks, which ascend (within runs of blocks that overlap, runs do),
// neighbours at once and several at a time, and
// calls use with them, concurrently: blocks[i] is number from+i. How many could not
// be read is the answer; the error is use's or that of the context.
func (f *fsys) each(ctx context.Context, n int, block func(i int) int64, use func(from int, blocks [][]byte) error) (failed int64, err error) {
	size := f.sb.blockSize
	eg, both := errgroup.WithContext(ctx)
	var mu sync.Mutex
	spare := make(chan []byte, readers)
	for range readers {
		spare <- nil
	}
	for i := 0; i < n; {
		from, first, last := i, block(i), block(i)
		for i++; i < n; i++ {
			b := block(i)
			if b-last > 1 || (b-first+1)*size > maxRead {
				break
			}
			last = max(last, b) // what is broken may have runs that overlap
		}
		to := i
		var buf []byte
		select {
		case buf = <-spare:
		case <-both.Done():
			return failed, cmp.Or(eg.Wait(), ctx.Err())
		}
		eg.Go(func() (err error) {
			defer func() { spare <- buf }()
			defer crashed(&err)
			want := (last - first + 1) * size
			if int64(cap(buf)) < want {
				buf = make([]byte, want)
			}
			buf = buf[:want]
			if err := blockmap.ReadFull(f.v, buf, first*size); err != nil {
				mu.Lock()
				failed += int64(to - from)
				mu.Unlock()
				return both.Err()
			}
			blocks := make([][]byte, to-from)
			for k := range blocks {
				blocks[k] = buf[(block(from+k)-first)*size:][:size]
			}
			return use(from, blocks)
		})
	}
	return failed, cmp.Or(eg.Wait(), ctx.Err())
}

// crashed makes an error of a panic in a goroutine, where nobody else would.
func crashed(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("ext4: the scanner crashed, please report it: %v", p)
	}
}

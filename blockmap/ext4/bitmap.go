package ext4

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/bits"
	"sync"
)

const (
	// maxRead bounds one read, in bytes. flex_bg puts 16 groups' bitmaps side by
	// side, which is what is read at once.
	maxRead = 1 << 20
	// readers is how many reads are on their way at once: where every group has
	// its bitmap to itself, a disk sorts them.
	readers = 8
)

// batch is neighbouring groups whose bitmaps are read at once, or which have
// none on the disk.
type batch struct {
	first, n int64  // groups
	buf      []byte // the bitmaps; nil where there are none on the disk
	err      error
	done     chan struct{} // closed when buf and err are there
}

// batches sends all groups in order, reading ahead. It takes its buffers from
// spare, which so bounds both the memory and the reads on their way.
func (f *fsys) batches(ctx context.Context, t *table, spare chan []byte, out chan<- *batch) {
	var reads sync.WaitGroup
	defer close(out)
	defer reads.Wait() // nothing is read any more once out is closed
	s := f.sb
	for g := int64(0); g < s.groups; {
		b := &batch{first: g, n: 1, done: make(chan struct{})}
		at := t.desc(g).blockBitmap()
		none := t.uninit(g)
		for g+b.n < s.groups && t.uninit(g+b.n) == none {
			if !none && (t.desc(g+b.n).blockBitmap() != at+b.n || (b.n+1)*s.blockSize > maxRead) {
				break
			}
			b.n++
		}
		g += b.n
		if none {
			close(b.done)
		} else {
			select {
			case <-ctx.Done():
				return
			case buf := <-spare:
				b.buf = buf[:0]
			}
			if n := int(b.n * s.blockSize); cap(b.buf) < n {
				b.buf = make([]byte, n)
			} else {
				b.buf = b.buf[:n]
			}
			reads.Go(func() {
				b.err = f.read(b.buf, at, fmt.Sprintf("block bitmap of group %d", b.first))
				close(b.done)
			})
		}
		select {
		case <-ctx.Done():
			return
		case out <- b:
		}
	}
}

// freeClusters hands the free clusters of all groups to e, group after group,
// having verified the checksums and the counts.
func (f *fsys) freeClusters(ctx context.Context, t *table, e *emitter) error {
	ctx, cancel := context.WithCancel(ctx)
	spare := make(chan []byte, readers)
	for range readers {
		spare <- nil
	}
	queue := make(chan *batch, readers)
	go f.batches(ctx, t, spare, queue)
	defer func() {
		cancel()
		for range queue { // until the last read has ended
		}
	}()
	for b := range queue {
		<-b.done
		if b.err != nil {
			return b.err
		}
		for i := range b.n {
			g := b.first + i
			var err error
			if b.buf == nil {
				err = f.freeUninit(t, g, e)
			} else {
				err = f.freeInBitmap(t, g, b.buf[i*f.sb.blockSize:(i+1)*f.sb.blockSize], e)
			}
			if err != nil {
				return err
			}
		}
		if b.buf != nil {
			spare <- b.buf
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return e.flush()
}

// freeUninit frees a group that has nothing in it but static metadata.
func (f *fsys) freeUninit(t *table, g int64, e *emitter) error {
	s := f.sb
	free, err := e.uninit(s.groupStart(g), s.groupStart(g)+s.groupBlocks(g))
	if err != nil {
		return err
	}
	if want := t.desc(g).free(); free != want {
		return fmt.Errorf("ext4: group %d: its block bitmap was never written, so %d clusters must be free, the descriptor says %d: run e2fsck -f", g, free, want)
	}
	return nil
}

// freeInBitmap frees the clusters whose bit is zero. That the number of zeros
// and the descriptor's count agree is checked because the kernel journals both
// together: where they differ something wrote one without the other, and which
// one is right cannot be known (the kernel stops allocating in such a group,
// ext4_mb_generate_buddy in fs/ext4/mballoc.c).
func (f *fsys) freeInBitmap(t *table, g int64, bm []byte, e *emitter) error {
	s, d := f.sb, t.desc(g)
	if s.roCompat&roCompatMetadataCsum != 0 {
		got, want := d.half(0x18, 0x38), int64(crc32c(s.seed, bm[:s.clustersPerGroup/8]))
		if len(d) < 64 {
			want &= 0xffff
		}
		if got != want {
			return fmt.Errorf("ext4: group %d: block bitmap in block %d: checksum is %#x, must be %#x: run e2fsck", g, d.blockBitmap(), got, want)
		}
	}
	n, start, end := s.groupClusters(g), s.groupStart(g), s.groupStart(g)+s.groupBlocks(g)
	if free, want := zeros(bm, n), d.free(); free != want {
		return fmt.Errorf("ext4: group %d: block bitmap in block %d has %d free clusters, the descriptor says %d: run e2fsck -f", g, d.blockBitmap(), free, want)
	}
	if f.log != nil {
		if err := f.log.union(bm, d.blockBitmap()); err != nil {
			return err
		}
	}
	for i := nextBit(bm, 0, n, false); i < n; {
		j := nextBit(bm, i, n, true)
		if err := e.free(start+i*s.ratio, min(end, start+j*s.ratio)); err != nil {
			return err
		}
		i = nextBit(bm, j, n, false)
	}
	return nil
}

// zeros counts the zeros in the first n bits.
func zeros(bm []byte, n int64) int64 {
	ones := 0
	for i := int64(0); i < n; i += 64 {
		w := binary.LittleEndian.Uint64(bm[i/8:])
		if n-i < 64 {
			w &= 1<<(n-i) - 1
		}
		ones += bits.OnesCount64(w)
	}
	return n - int64(ones)
}

// nextBit is the first bit from i on that is v, or n. len(bm) is a multiple of 8.
func nextBit(bm []byte, i, n int64, v bool) int64 {
	flip := ^uint64(0)
	if v {
		flip = 0
	}
	for i < n {
		w := (binary.LittleEndian.Uint64(bm[i/64*8:]) ^ flip) >> (i % 64)
		if w != 0 {
			return min(n, i+int64(bits.TrailingZeros64(w)))
		}
		i = (i/64 + 1) * 64
	}
	return n
}

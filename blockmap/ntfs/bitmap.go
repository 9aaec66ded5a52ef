package ntfs

import (
	"cmp"
	"context"
	"encoding/binary"
	"math/bits"
	"slices"

	"migimg/blockmap"
)

// maxRead is how much of the bitmap is read at once, in bytes.
const maxRead = 1 << 20

// bitmap opens $Bitmap, which must be stored plainly and be long enough.
func (f *fsys) bitmap() (*stream, error) {
	s, err := f.open(fileBitmap, typeData, "")
	if err != nil {
		return nil, err
	}
	need := (f.boot.clusters + 7) / 8
	if s == nil || !s.plain() || s.written < need {
		return nil, damaged("$Bitmap is too short for %d clusters, or stored in an impossible way", f.boot.clusters)
	}
	return s, nil
}

// span is the clusters [from, to).
type span struct{ from, to int64 }

// static is the clusters that a bitmap must call used, ascending.
func (f *fsys) static() ([]span, error) {
	out := []span{{0, f.boot.clustersOf(bootBytes)}}
	for _, x := range []struct {
		file int64
		kind uint32
	}{{fileMFT, typeData}, {fileMFT, typeBitmap}, {fileMirror, typeData}, {fileLog, typeData}, {fileBitmap, typeData}, {fileBoot, typeData}} {
		s, err := f.open(x.file, x.kind, "")
		if err != nil {
			return nil, err
		}
		if s == nil {
			return nil, damaged("MFT record %d has no contents", x.file)
		}
		for _, r := range s.runs {
			if r.lcn >= 0 {
				out = append(out, span{r.lcn, r.lcn + r.n})
			}
		}
	}
	slices.SortFunc(out, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	return out, nil
}

// freeClusters hands the runs of zeros in the bitmap to e.
func (f *fsys) freeClusters(ctx context.Context, s *stream, e *emitter) error {
	buf := make([]byte, min(maxRead, (f.boot.clusters+63)/64*8))
	for at := int64(0); at < f.boot.clusters; at += int64(len(buf)) * 8 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(int64(len(buf))*8, f.boot.clusters-at)
		if err := f.readStream(s, buf[:(n+7)/8], at/8, "$Bitmap"); err != nil {
			return err
		}
		for i := nextBit(buf, 0, n, false); i < n; {
			j := nextBit(buf, i, n, true)
			if err := e.free(at+i, at+j); err != nil {
				return err
			}
			i = nextBit(buf, j, n, false)
		}
	}
	return e.flush()
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

// emitter takes runs of free clusters in ascending order, joins them, takes the
// static ones out and frees the rest.
type emitter struct {
	sink    blockmap.Sink
	cluster int64 // bytes
	static  []span
	wait    span  // what may still grow
	clash   int64 // static clusters in what was given to free
}

// free adds the clusters [from, to).
func (e *emitter) free(from, to int64) error {
	if from == e.wait.to && e.wait.from < e.wait.to {
		e.wait.to = to
		return nil
	}
	if err := e.flush(); err != nil {
		return err
	}
	e.wait = span{from, to}
	return nil
}

// flush frees what is waiting.
func (e *emitter) flush() error {
	w := e.wait
	e.wait = span{}
	for w.from < w.to {
		for len(e.static) > 0 && e.static[0].to <= w.from {
			e.static = e.static[1:]
		}
		stop := w.to
		if len(e.static) > 0 {
			stop = min(stop, max(w.from, e.static[0].from))
		}
		if w.from < stop {
			if err := e.sink.Free(w.from*e.cluster, (stop-w.from)*e.cluster); err != nil {
				return err
			}
			w.from = stop
			continue
		}
		used := min(w.to, e.static[0].to)
		e.clash += used - w.from
		w.from = used
	}
	return nil
}

package compress

import (
	"github.com/klauspost/compress/flate"
)

// window is the farthest that a match looks back, in bytes: QEMU inflates clusters
// with no larger one (block/qcow2-threads.c, inflateInit2 with -12).
const window = 4 << 10

// Deflate packs each unit as a deflate stream of its own (RFC 1951), without header
// and checksum.
func Deflate(unit int64) Packing {
	return Packing{Name: "deflate", Unit: unit, New: func() Packer {
		var out appender
		w, err := flate.NewWriterWindow(&out, window)
		if err != nil {
			panic(err) // the window is a constant
		}
		return func(dst, src []byte) []byte {
			out.b = dst
			w.Reset(&out)
			_, _ = w.Write(src) // an appender never fails
			_ = w.Close()
			return out.b
		}
	}}
}

// appender is a writer to the end of a slice.
type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}

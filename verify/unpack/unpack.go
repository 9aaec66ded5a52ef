// Package unpack makes a disk of a stream that can only be decoded from front to
// back, such as gzip and zstd.
//
// [Index] decodes the stream once, which is when the formats check all of it, and
// notes where the disk has zeros, where decoding can begin again, and the disk's
// end. Reading the disk afterwards goes on from where the last read ended, or from
// the nearest place noted before. What readers do that go through the disk in its
// order, a few at a time, so costs decoding the stream a second time and no more: the
// partition table's backup is in the end that was kept, zeros are not decoded, and
// what was decoded last is kept for who comes a little late.
//
// # Memory
//
// The decoder's own, 8 MiB for what was decoded last, 8 MiB for places, and for
// each TiB of the disk 2 MiB for zeros and 8 MiB for more places.
package unpack

// Decoder decodes a stream from one place on. It is used by one goroutine.
type Decoder interface {
	// Next gives the bytes that follow, at least one, or io.EOF at the end of a
	// stream. An error wraps a *decoder.ReadError where the file could not be read;
	// every other one means that the stream is damaged.
	Next() (Piece, error)
	// Point is where another decoder can begin with what follows the last piece;
	// false where none can.
	Point() (Point, bool)
}

// Piece is some unpacked bytes.
type Piece struct {
	// Bytes are valid up to the next call.
	Bytes []byte
	// Zeros is how many zeros there are; Bytes is nil then.
	Zeros int64
}

func (p Piece) size() int64 { return int64(len(p.Bytes)) + p.Zeros }

// Point is a place where decoding can begin; the zero Point is the stream's start.
type Point struct {
	// Out is how many unpacked bytes come before it, In where in the file it is.
	Out, In int64
	// State is the decoder's; nil where it needs none. Cost is its size in bytes.
	State any
	Cost  int64
}

// Start makes a decoder that begins at a point.
type Start func(Point) Decoder

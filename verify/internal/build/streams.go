package build

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"

	"github.com/klauspost/compress/zstd"
)

// Gzip packs b as one member. flush is after how many bytes it ends a block with a
// byte; 0 for never.
func Gzip(b []byte, flush int) Image {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	for len(b) > 0 {
		n := len(b)
		if flush > 0 {
			n = min(n, flush)
		}
		w.Write(b[:n]) // a buffer never fails
		if b = b[n:]; flush > 0 {
			w.Flush()
		}
	}
	w.Close()
	// The time, and what the packer says of itself.
	return Image{Bytes: out.Bytes(), Slack: [][2]int{{4, 9}}}
}

// Zstd packs b: frame is how many bytes go into one frame, 0 for all; sum adds
// checksums.
func Zstd(b []byte, frame int, sum bool) Image {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(sum), zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err) // the options are constants
	}
	if frame == 0 {
		frame = len(b)
	}
	im := Image{}
	for len(b) > 0 {
		n := min(frame, len(b))
		im.Bytes = w.EncodeAll(b[:n], im.Bytes)
		b = b[n:]
	}
	return im
}

// ZstdPlain packs b into frames of 4 KiB in blocks that are not compressed, without
// checksums: zeros as one byte, all else as it is.
func ZstdPlain(b []byte) Image {
	im := Image{}
	for len(b) > 0 {
		n := min(4096, len(b))
		im.Bytes = append(im.Bytes, "\x28\xb5\x2f\xfd\x00"...)
		im.Slack = append(im.Slack, [2]int{len(im.Bytes), len(im.Bytes) + 1}) // the window
		part, kind := b[:n], 0
		if bytes.Count(part, []byte{0}) == n {
			part, kind = part[:1], 1
		}
		head := binary.LittleEndian.AppendUint32(nil, uint32(n<<3|kind<<1|1))
		im.Bytes = append(append(append(im.Bytes, 0x38), head[:3]...), part...)
		b = b[n:]
	}
	return im
}

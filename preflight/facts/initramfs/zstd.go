package initramfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// zstdFrames reads one zstd frame. Where it ends is found by its block headers
// (RFC 8878, 3.1.1) before anything is decompressed: the decoder would read on
// into the next segment. The kernel takes each frame for a segment
// (lib/decompress_unzstd.c), and refuses windows above 128 MiB.
type zstdFrames struct {
	z   *zstd.Decoder
	in  *cursor
	off int64 // behind the frame
}

const maxZstdWindow = 128 << 20

func (f *zstdFrames) open(in *cursor) error {
	start := in.Pos()
	f.in = in
	end, err := frameEnd(in)
	if err != nil {
		return err
	}
	f.off = end
	in.SeekTo(start)
	body := io.LimitReader(in, end-start)
	if f.z != nil {
		return f.z.Reset(body)
	}
	f.z, err = zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxZstdWindow), zstd.WithDecoderMaxMemory(1<<40))
	return err
}

func (f *zstdFrames) Read(p []byte) (int, error) { return f.z.Read(p) }

func (f *zstdFrames) end() error {
	f.in.SeekTo(f.off)
	return nil
}

// frameEnd walks over the frame at the cursor.
func frameEnd(in *cursor) (int64, error) {
	hdr := in.Peek(18)
	if len(hdr) < 6 {
		return 0, io.ErrUnexpectedEOF
	}
	desc := hdr[4]
	single, checksum := desc&0x20 != 0, desc&0x04 != 0
	n := 5
	if !single {
		exp, mant := hdr[5]>>3, int64(hdr[5]&7)
		base := int64(1) << (10 + exp)
		if w := base + base/8*mant; w > maxZstdWindow {
			return 0, fmt.Errorf("a zstd window of %d MiB; the kernel takes %d MiB", w>>20, maxZstdWindow>>20)
		}
		n++
	}
	n += [4]int{0, 1, 2, 4}[desc&3]
	size := [4]int{0, 2, 4, 8}[desc>>6]
	if single && size == 0 {
		size = 1
	}
	if n+size > len(hdr) {
		return 0, io.ErrUnexpectedEOF
	}
	if single {
		var b [8]byte
		copy(b[:], hdr[n:n+size])
		if v := binary.LittleEndian.Uint64(b[:]); v > maxZstdWindow {
			return 0, fmt.Errorf("a zstd frame of %d bytes in one piece; the kernel takes %d MiB", v, maxZstdWindow>>20)
		}
	}
	if err := in.Skip(int64(n + size)); err != nil {
		return 0, err
	}
	for {
		var b [3]byte
		if _, err := io.ReadFull(in, b[:]); err != nil {
			return 0, noEOF(err)
		}
		h := int64(b[0]) | int64(b[1])<<8 | int64(b[2])<<16
		length := h >> 3
		switch h >> 1 & 3 {
		case 1: // one byte, repeated
			length = 1
		case 3:
			return 0, errors.New("the zstd frame is damaged: reserved block type")
		}
		if err := in.Skip(length); err != nil {
			return 0, err
		}
		if h&1 != 0 {
			break
		}
	}
	if checksum {
		if err := in.Skip(4); err != nil {
			return 0, err
		}
	}
	return in.Pos(), nil
}

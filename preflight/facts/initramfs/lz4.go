package initramfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/pierrec/lz4/v4"
)

// lz4Blocks reads the legacy frame of lz4 (lz4_Frame_format.md, "Legacy
// frame"), the only one that the kernel reads: after the magic, blocks of at
// most 8 MiB when decompressed, each after its compressed size in four bytes.
// The magic may come again. There is no end mark: a size that no block can have
// belongs to what follows.
type lz4Blocks struct {
	in         *cursor
	src, dst   []byte
	i, n       int
	empty, eof bool
}

const (
	lz4Magic = 0x184c2102
	lz4Block = 8 << 20
)

func (z *lz4Blocks) open(in *cursor) error {
	z.in, z.i, z.n, z.empty, z.eof = in, 0, 0, true, false
	return in.Skip(4)
}

func (z *lz4Blocks) Read(p []byte) (int, error) {
	for z.i == z.n {
		if z.eof {
			return 0, io.EOF
		}
		if err := z.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, z.dst[z.i:z.n])
	z.i += n
	return n, nil
}

func (z *lz4Blocks) end() error {
	if z.empty {
		return errors.New("the lz4 frame has no block")
	}
	return nil
}

// next decompresses one block.
func (z *lz4Blocks) next() error {
	b := z.in.Peek(4)
	if len(b) < 4 {
		z.eof = true
		return nil
	}
	size := int64(binary.LittleEndian.Uint32(b))
	if size == lz4Magic {
		return z.in.Skip(4)
	}
	if size == 0 || size > int64(lz4.CompressBlockBound(lz4Block)) {
		z.eof = true
		return nil
	}
	if err := z.in.Skip(4); err != nil {
		return err
	}
	if size > z.in.Left() {
		return fmt.Errorf("an lz4 block of %d bytes leaves the archive: %w", size, io.ErrUnexpectedEOF)
	}
	if z.dst == nil {
		z.dst = make([]byte, lz4Block)
		z.src = make([]byte, lz4.CompressBlockBound(lz4Block))
	}
	if _, err := io.ReadFull(z.in, z.src[:size]); err != nil {
		return noEOF(err)
	}
	n, err := lz4.UncompressBlock(z.src[:size], z.dst)
	if err != nil {
		return fmt.Errorf("lz4: %w", err)
	}
	z.i, z.n, z.empty = 0, n, false
	return nil
}

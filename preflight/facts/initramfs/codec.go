package initramfs

import (
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/therootcompany/xz"
	"github.com/ulikunitz/xz/lzma"
)

// codec is a decompressor of one segment. It reads from the cursor; end is
// called after its io.EOF and leaves the cursor exactly behind the segment.
type codec interface {
	io.Reader
	end() error
}

// codecs keeps what can be used again for the next segment of the kind, so that
// an archive of many segments costs no more memory than one of a single.
type codecs struct {
	gzip *gzip.Reader
	zstd *zstdFrames
	lz4  *lz4Blocks
	xz   *xz.Reader
}

// maxDict bounds the dictionary of xz and lzma: 64 MiB is what xz -9 uses.
const maxDict = 64 << 20

func (k *codecs) open(name string, in *cursor) (codec, error) {
	switch name {
	case "gzip":
		return k.openGzip(in)
	case "bzip2":
		return &bzip2Stream{Reader: bzip2.NewReader(in), in: in}, nil
	case "xz":
		return k.openXZ(in)
	case "lzma":
		return openLZMA(in)
	case "zstd":
		if k.zstd == nil {
			k.zstd = &zstdFrames{}
		}
		return k.zstd, k.zstd.open(in)
	case "lz4":
		if k.lz4 == nil {
			k.lz4 = &lz4Blocks{}
		}
		return k.lz4, k.lz4.open(in)
	}
	return nil, fmt.Errorf("%s compression is not read", name)
}

// gzipMember reads one member: the kernel takes the next one for a segment of
// its own (lib/decompress_inflate.c).
type gzipMember struct{ *gzip.Reader }

func (gzipMember) end() error { return nil }

func (k *codecs) openGzip(in *cursor) (codec, error) {
	var err error
	if k.gzip == nil {
		k.gzip, err = gzip.NewReader(in)
	} else {
		err = k.gzip.Reset(in)
	}
	if err != nil {
		k.gzip = nil
		return nil, err
	}
	k.gzip.Multistream(false)
	return gzipMember{k.gzip}, nil
}

// bzip2Stream ends where no further stream begins: the decoder tells that only
// by an error, after it took two bytes of what follows.
type bzip2Stream struct {
	io.Reader
	in    *cursor
	extra int64
}

func (b *bzip2Stream) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	var bad bzip2.StructuralError
	if errors.As(err, &bad) && strings.Contains(string(bad), "continuation") {
		b.extra = 2
		err = io.EOF
	}
	return n, err
}

func (b *bzip2Stream) end() error {
	b.in.SeekTo(b.in.Pos() - b.extra)
	return nil
}

// lzmaStream is the format of lzma(1): properties, dictionary size, length.
type lzmaStream struct{ *lzma.Reader }

func (lzmaStream) end() error { return nil }

func openLZMA(in *cursor) (codec, error) {
	z, err := lzma.ReaderConfig{DictCap: maxDict}.NewReader(in)
	if err != nil {
		return nil, err
	}
	return lzmaStream{z}, nil
}

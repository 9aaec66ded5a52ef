package decoder

import (
	"errors"
	"fmt"
	"io"
)

// ErrShort is wrapped by the error of a read beyond the image file's end: not
// the machine's fault, but the image's.
var ErrShort = errors.New("the image file ends before it")

// ReadError says that the image file could not be read, so that what it holds
// there is unknown.
type ReadError struct {
	// Off is the file offset in bytes of the first byte that is missing.
	Off int64
	Err error
}

func (e *ReadError) Error() string {
	return fmt.Sprintf("image file: read error at byte %d: %v", e.Off, e.Err)
}

func (e *ReadError) Unwrap() error { return e.Err }

// File is an image file. Its ReadAt fills all of p or returns an error, which
// is a [*ReadError] or wraps [ErrShort].
type File struct {
	R io.ReaderAt
	// Size is in bytes.
	Size int64
}

// ReadAt implements io.ReaderAt.
func (f File) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("image file: offset %d is negative", off)
	}
	if off > f.Size || int64(len(p)) > f.Size-off {
		n := 0
		if off < f.Size {
			var err error
			if n, err = f.ReadAt(p[:f.Size-off], off); err != nil {
				return n, err
			}
		}
		return n, fmt.Errorf("image file: bytes %d to %d of %d: %w", off, off+int64(len(p)), f.Size, ErrShort)
	}
	n, err := f.R.ReadAt(p, off)
	if n == len(p) {
		return n, nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF // the file is shorter than its size said
	}
	return n, &ReadError{Off: off + int64(n), Err: err}
}

// Bytes reads n bytes at off into a new slice. n is to be bounded by the caller.
func (f File) Bytes(off, n int64) ([]byte, error) {
	if off < 0 || n < 0 || off > f.Size || n > f.Size-off {
		return nil, fmt.Errorf("image file: bytes %d to %d of %d: %w", off, off+n, f.Size, ErrShort)
	}
	b := make([]byte, n)
	if _, err := f.ReadAt(b, off); err != nil {
		return nil, err
	}
	return b, nil
}

package blockmap

import (
	"errors"
	"io"
)

// ReadFull fills p with the bytes of r from off on. Where r ends before that, the
// error is io.ErrUnexpectedEOF: what a scanner asks for has to be there.
func ReadFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	return orEOF(err)
}

// orEOF makes a short read without an error one: the device has shrunk.
func orEOF(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

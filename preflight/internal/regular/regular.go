// Package regular reads files that an administrator names.
package regular

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// Read reads a regular file of at most so many bytes. A pipe or a device is an
// error: it might never end. A larger file is one, too. No error names the file.
func Read(name string, most int64) ([]byte, error) {
	b, err := read(name, most)
	var failed *os.PathError
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return b, err
}

func read(name string, most int64) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO would wait for a writer
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // read only
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	if st.Size() > most {
		return nil, fmt.Errorf("%d bytes, more than %d bytes", st.Size(), most)
	}
	b := bytes.NewBuffer(make([]byte, 0, st.Size()+bytes.MinRead))
	if _, err := b.ReadFrom(io.LimitReader(f, most+1)); err != nil {
		return nil, err
	}
	if int64(b.Len()) > most { // it grew, or is one of the kernel's, which say 0
		return nil, fmt.Errorf("more than %d bytes", most)
	}
	return b.Bytes(), nil
}

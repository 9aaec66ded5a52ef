package device

import (
	"io"
	"unsafe"

	"golang.org/x/sys/unix"
)

// bounceSize is the largest single request that goes through a bounce buffer, in
// bytes.
const bounceSize = 1 << 20

// bounceAlign is where bounce buffers begin: enough for every device's memory
// alignment.
const bounceAlign = 4096

// bounces is how many bounce buffers there are, at most: they are held for one request
// to the kernel, and a device is not faster with more.
const bounces = 8

// bouncePool holds those that are not in use: bounceSize bytes aligned to bounceAlign, or
// nil for one that has not been made yet.
var bouncePool = func() chan []byte {
	c := make(chan []byte, bounces)
	for range bounces {
		c <- nil
	}
	return c
}()

// bounceBuffer waits for a bounce buffer, which goes back into bouncePool.
func bounceBuffer() []byte {
	if b := <-bouncePool; b != nil {
		return b
	}
	b := make([]byte, bounceSize+bounceAlign)
	skip := int(-uintptr(unsafe.Pointer(&b[0])) & (bounceAlign - 1))
	return b[skip : skip+bounceSize]
}

// ReadAt reads as io.ReaderAt has it. When a sector cannot be read, n is the
// number of bytes before it and the error is the kernel's (EIO, as a rule), so
// that a bad sector costs the range it lies in and no other.
func (d *Device) ReadAt(p []byte, off int64) (int, error) {
	n, err := d.readAt(p, off)
	if err != nil && err != io.EOF && n < len(p) {
		m, err := d.prefix(p[n:], off+int64(n), err)
		return n + m, err
	}
	return n, err
}

func (d *Device) readAt(p []byte, off int64) (int, error) {
	if d.direct == nil {
		return d.pread(d.buffered.Fd(), p, off)
	}
	total := 0
	for total < len(p) {
		rest, at := p[total:], off+int64(total)
		var n int
		var err error
		if whole := int64(len(rest)) / d.offAlign * d.offAlign; at%d.offAlign == 0 && whole > 0 &&
			int64(uintptr(unsafe.Pointer(&rest[0])))%d.memAlign == 0 {
			n, err = d.pread(d.direct.Fd(), rest[:whole], at)
		} else {
			n, err = d.bounce(rest, at)
		}
		total += n
		if err == nil && n == 0 {
			err = io.EOF
		}
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// pread is pread(2) until p is full, the end or an error.
func (d *Device) pread(fd uintptr, p []byte, off int64) (int, error) {
	total := 0
	for total < len(p) {
		n, err := unix.Pread(int(fd), p[total:], off+int64(total))
		d.requests.Add(1)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return total, err
		}
		if n == 0 {
			return total, io.EOF
		}
		d.bytes.Add(int64(n))
		total += n
		if d.offAlign > 0 && int64(total)%d.offAlign != 0 && total < len(p) {
			return total, nil // a file's unaligned end, read directly
		}
	}
	return total, nil
}

// bounce reads the start of p, up to bounceSize, through an aligned buffer.
func (d *Device) bounce(p []byte, off int64) (int, error) {
	b := bounceBuffer()
	defer func() { bouncePool <- b }()
	from := off / d.offAlign * d.offAlign
	to := (off + int64(len(p)) + d.offAlign - 1) / d.offAlign * d.offAlign
	to = min(to, from+bounceSize)
	n, err := d.pread(d.direct.Fd(), b[:to-from], from)
	if skip := int(off - from); n > skip {
		m := copy(p, b[skip:n])
		if m == len(p) || err == io.EOF && m > 0 {
			return m, nil
		}
		return m, err
	}
	return 0, err
}

// prefix reads what can be read of p, which failed with err as a whole, in ever
// smaller steps up to the first unreadable sector.
func (d *Device) prefix(p []byte, off int64, err error) (int, error) {
	total := 0
	for step := int64(64 << 10); ; step /= 4 {
		step = max(step, d.grain())
		for total < len(p) {
			at := off + int64(total)
			n := int(min((at/step+1)*step-at, int64(len(p)-total)))
			m, e := d.readAt(p[total:total+n], at)
			total += m
			if m < n {
				err = e
				break
			}
		}
		if total == len(p) {
			return total, nil
		}
		if step == d.grain() {
			return total, err
		}
	}
}

// grain is the smallest range that can fail on its own, in bytes.
func (d *Device) grain() int64 {
	if d.direct != nil {
		return d.offAlign
	}
	return 4096 // a page: buffered reads cannot do better
}

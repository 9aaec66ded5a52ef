package tar

import (
	"io"

	"migimg/verify/decoder"
)

// disk is a member of an archive.
type disk struct {
	archive decoder.Disk
	m       Member
}

func (d *disk) Size() int64 { return d.m.Size }

// find says of how many bytes from off on is true: data, they are in the archive at at.
func (d *disk) find(off int64) (n, at int64, data bool) {
	if d.m.sparse == nil {
		return d.m.Size - off, d.m.Off + off, true
	}
	for p := range d.m.sparse.from(off) {
		if off < p.off {
			return p.off - off, -1, false
		}
		in := off - p.off
		return p.n - in, d.m.Off + p.data + in, true
	}
	return d.m.Size - off, -1, false
}

func (d *disk) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 || off >= d.m.Size {
		return 0, io.EOF
	}
	eof := false
	if rest := d.m.Size - off; int64(len(p)) > rest {
		p, eof = p[:rest], true
	}
	for n < len(p) {
		most, at, data := d.find(off + int64(n))
		part := p[n:min(int64(len(p)), int64(n)+most)]
		if !data {
			clear(part)
		} else if k, err := d.archive.ReadAt(part, at); k < len(part) {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return n + k, err
		}
		n += len(part)
	}
	if eof {
		err = io.EOF
	}
	return n, err
}

// Allocated asks the archive as well: it may be packed, or have holes.
func (d *disk) Allocated(off int64) (int64, bool) {
	n, at, data := d.find(off)
	if !data {
		return n, false
	}
	most, data := d.archive.Allocated(at)
	return min(n, most), data
}

func (d *disk) Locate(off int64) int64 {
	if _, at, data := d.find(off); data {
		return d.archive.Locate(at)
	}
	return -1
}

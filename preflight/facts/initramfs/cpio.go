package initramfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// The newc header, all fields 8 hexadecimal digits after the magic (cpio(5),
// "New ASCII Format"; buffer-format.rst of the kernel):
//
//	 0 magic 070701, or 070702 with a checksum
//	14 mode       54 filesize    94 namesize, with the NUL
//
// The name follows at 110 and is padded so that the data begins at a multiple
// of four bytes from the archive's start; so is the data.
const (
	headerSize  = 110
	modeAt      = 14
	fileSizeAt  = 54
	nameSizeAt  = 94
	trailerName = "TRAILER!!!"
)

// stream is where a cpio archive is read from.
type stream interface {
	io.Reader
	Skip(n int64) error
}

var errLimit = errors.New("the limit is reached")

// cpio reads one archive, up to and with its trailer. It knows how many bytes
// it took in order to skip the padding.
type cpio struct {
	d   *reader
	s   stream
	pos int64 // from the archive's start
	seg *Segment
}

func (c *cpio) read(p []byte) error {
	n, err := io.ReadFull(c.s, p)
	c.pos += int64(n)
	return err
}

func (c *cpio) skip(n int64) error {
	if n == 0 {
		return nil
	}
	c.pos += n
	return c.s.Skip(n)
}

func (c *cpio) align() error { return c.skip(-c.pos & 3) }

// walk reads the members; magic is what of the first header was read already.
func (c *cpio) walk(magic []byte) error {
	c.pos = int64(len(magic))
	hdr := make([]byte, headerSize)
	for n := copy(hdr, magic); ; n = 0 {
		if err := c.d.ctx.Err(); err != nil {
			return err
		}
		at := c.pos - int64(n)
		if err := c.read(hdr[n:]); err != nil {
			return fmt.Errorf("the archive ends within a header or without its trailer: %w", err)
		}
		last, err := c.member(hdr)
		if err != nil {
			return fmt.Errorf("member %d at byte %d of the cpio archive: %w", c.seg.Entries, at, err)
		}
		if last {
			return nil
		}
	}
}

func (c *cpio) member(hdr []byte) (last bool, err error) {
	switch string(hdr[:6]) {
	case "070701", "070702":
	case "070707":
		return false, errors.New("it has the old portable format, which the kernel does not read")
	default:
		return false, errors.New("no cpio header where one has to be")
	}
	mode, ok1 := hex8(hdr[modeAt:])
	size, ok2 := hex8(hdr[fileSizeAt:])
	nameSize, ok3 := hex8(hdr[nameSizeAt:])
	if !ok1 || !ok2 || !ok3 {
		return false, errors.New("a field of the header is not hexadecimal")
	}
	if nameSize == 0 || nameSize > maxName {
		return false, fmt.Errorf("a name of %d bytes; the kernel takes 1 to %d", nameSize, maxName)
	}
	raw := make([]byte, nameSize)
	if err := c.read(raw); err != nil {
		return false, err
	}
	if err := c.align(); err != nil {
		return false, err
	}
	name, _, _ := bytes.Cut(raw, []byte{0})
	if string(name) == trailerName {
		return true, c.skip(int64(size))
	}
	f := File{Path: c.d.cleanName(string(name)), Mode: uint32(mode), Size: int64(size)}
	if err := c.body(&f); err != nil {
		return false, err
	}
	c.seg.Entries++
	if err := c.d.add(f); err != nil {
		return false, err
	}
	// At the very end the padding may be missing.
	if err := c.align(); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return false, err
	}
	return false, nil
}

// body reads the member's data: it keeps it, or passes over it.
func (c *cpio) body(f *File) error {
	switch {
	case f.IsLink():
		if f.Size > maxName {
			return fmt.Errorf("%s: a link of %d bytes", f.Path, f.Size)
		}
		p := make([]byte, f.Size)
		if err := c.read(p); err != nil {
			return err
		}
		p, _, _ = bytes.Cut(p, []byte{0})
		f.Link = string(p)
		if c.d.names += int64(len(p)); c.d.names > c.d.lim.Names {
			return fmt.Errorf("%w: names of %d bytes", errLimit, c.d.lim.Names)
		}
		return nil
	case f.IsRegular() && f.Size > 0 && wanted(f.Path):
		if f.Size > maxFileContent || c.d.content+f.Size > c.d.lim.Content {
			c.d.a.problem("initramfs: %s: its %d bytes are not looked at: too large", f.Path, f.Size)
			delete(c.d.a.Contents, f.Path)
			return c.skip(f.Size)
		}
		p := make([]byte, f.Size)
		if err := c.read(p); err != nil {
			return err
		}
		c.d.content += f.Size
		c.d.a.Contents[f.Path] = p
		return nil
	}
	return c.skip(f.Size)
}

// cleanName is the member's path below the root. Nothing is extracted, so a
// name that climbs out is only reported.
func (d *reader) cleanName(name string) string {
	for e := range strings.SplitSeq(name, "/") {
		if e == ".." {
			d.a.problem("initramfs: member %q climbs out of the root", name)
			break
		}
	}
	if p := path.Clean("/" + name)[1:]; p != "" {
		return p
	}
	return "."
}

// add lists a member; a later one takes the place of an earlier one.
func (d *reader) add(f File) error {
	if i, ok := d.a.index[f.Path]; ok {
		if f.IsRegular() && f.Size == 0 && d.a.Files[i].IsRegular() {
			f.Size = d.a.Files[i].Size // a hard link to what is there
		}
		d.a.Files[i] = f
		return nil
	}
	if d.names += int64(len(f.Path)); d.names > d.lim.Names {
		return fmt.Errorf("%w: names of %d bytes", errLimit, d.lim.Names)
	}
	if len(d.a.Files) >= d.lim.Entries {
		return fmt.Errorf("%w: %d members", errLimit, d.lim.Entries)
	}
	d.a.index[f.Path] = len(d.a.Files)
	d.a.Files = append(d.a.Files, f)
	return nil
}

// hex8 reads eight hexadecimal digits.
func hex8(b []byte) (v uint64, ok bool) {
	for _, c := range b[:8] {
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | uint64(c-'0')
		case c >= 'a' && c <= 'f':
			v = v<<4 | uint64(c-'a'+10)
		case c >= 'A' && c <= 'F':
			v = v<<4 | uint64(c-'A'+10)
		default:
			return 0, false
		}
	}
	return v, true
}

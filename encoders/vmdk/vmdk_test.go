package vmdk_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"testing"

	"migimg/blockmap"
	"migimg/encoders"
	"migimg/encoders/encodertest"
	"migimg/encoders/vmdk"
)

func TestConformance(t *testing.T) { encodertest.Run(t, vmdk.Encoder{}) }
func TestReadBack(t *testing.T)    { encodertest.ReadBack(t, vmdk.Encoder{}, open) }

const grain = 64 << 10

// disk is a streamOptimized extent, decoded as the specification has it and
// inflated by the standard library, which checks the Adler-32.
type disk struct {
	f      *io.SectionReader
	first  int64 // where grains begin, in bytes
	tables int64 // where grain tables begin, in bytes
}

func open(files map[string]*io.SectionReader) (*io.SectionReader, error) {
	f := files["disk.vmdk"]
	le := binary.LittleEndian
	h := make([]byte, 512)
	if _, err := f.ReadAt(h, 0); err != nil {
		return nil, err
	}
	end := make([]byte, 512)
	if _, err := f.ReadAt(end, f.Size()-512); err != nil && err != io.EOF {
		return nil, err
	}
	capacity := int64(le.Uint64(h[12:]))
	tables := (capacity/128 + 511) / 512
	dirSectors := (tables*4 + 511) / 512
	for what, ok := range map[string]bool{
		"magic":                    string(h[:4]) == "KDMV",
		"version 3":                le.Uint32(h[4:]) == 3,
		"flags":                    le.Uint32(h[8:]) == 0x30001,
		"whole grains":             capacity%128 == 0 && capacity > 0,
		"grain size":               le.Uint64(h[20:]) == 128,
		"descriptor at 0x200":      le.Uint64(h[28:]) == 1,
		"descriptor's length":      le.Uint64(h[36:]) == 20,
		"table entries":            le.Uint32(h[44:]) == 512,
		"no redundant directory":   le.Uint64(h[48:]) == 0,
		"directory":                le.Uint64(h[56:]) == 21,
		"overhead":                 int64(le.Uint64(h[64:])) == 21+dirSectors+4*tables,
		"clean shutdown":           h[72] == 0,
		"line ends":                string(h[73:77]) == "\n \r\n",
		"deflate":                  le.Uint16(h[77:]) == 1,
		"zeros after the header":   bytes.Equal(h[79:], make([]byte, 512-79)),
		"end of stream":            bytes.Equal(end, make([]byte, 512)),
		"file is below 2 TiB":      f.Size() < 2<<40,
		"file is 129 sector grids": (f.Size()/512-1-int64(le.Uint64(h[64:])))%129 == 0,
	} {
		if !ok {
			return nil, fmt.Errorf("wrong: %s", what)
		}
	}
	dir := make([]byte, dirSectors*512)
	if _, err := f.ReadAt(dir, 21*512); err != nil {
		return nil, err
	}
	for i := range dirSectors * 128 {
		want := uint32(0)
		if i < tables {
			want = uint32(21 + dirSectors + 4*i)
		}
		if got := le.Uint32(dir[i*4:]); got != want {
			return nil, fmt.Errorf("directory entry %d is %d, not %d", i, got, want)
		}
	}
	d := &disk{f: f, first: int64(le.Uint64(h[64:])) * 512, tables: (21 + dirSectors) * 512}
	return io.NewSectionReader(d, 0, capacity*512), nil
}

func (d *disk) ReadAt(p []byte, off int64) (int, error) {
	for n := 0; n < len(p); {
		at := off + int64(n)
		g, in := at/grain, at%grain
		part := p[n:min(len(p), n+int(grain-in))]
		b, err := d.grain(g)
		if err != nil {
			return n, err
		}
		n += copy(part, b[in:])
	}
	return len(p), nil
}

// grain is the disk's g-th grain.
func (d *disk) grain(g int64) ([]byte, error) {
	le := binary.LittleEndian
	var e [4]byte
	if _, err := d.f.ReadAt(e[:], d.tables+g*4); err != nil {
		return nil, err
	}
	at := int64(le.Uint32(e[:])) * 512
	if at == 0 {
		return make([]byte, grain), nil
	}
	if at < d.first || (at-d.first)%(129*512) != 0 {
		return nil, fmt.Errorf("grain %d is at %d, the first one at %d", g, at, d.first)
	}
	rec := make([]byte, 129*512)
	if _, err := d.f.ReadAt(rec, at); err != nil {
		return nil, err
	}
	if lba := le.Uint64(rec); lba != uint64(g)*128 {
		return nil, fmt.Errorf("grain %d says that it is at sector %d", g, lba)
	}
	n := le.Uint32(rec[8:])
	if int(n) > len(rec)-12 {
		return nil, fmt.Errorf("grain %d has a stream of %d bytes", g, n)
	}
	src := bytes.NewReader(rec[12 : 12+n])
	z, err := zlib.NewReader(src)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(z)
	if err != nil {
		return nil, fmt.Errorf("grain %d: %w", g, err)
	}
	if len(b) != grain || src.Len() != 0 {
		return nil, fmt.Errorf("grain %d inflates to %d bytes and leaves %d", g, len(b), src.Len())
	}
	if !bytes.Equal(rec[12+n:], make([]byte, len(rec)-12-int(n))) {
		return nil, fmt.Errorf("grain %d is not padded with zeros", g)
	}
	return b, nil
}

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		name    string
		size    int64
		carried int64 // from the disk's beginning
		ok      bool
	}{
		{"nothing", 0, 0, false},
		{"a byte", 1, 1, true},
		{"2 TiB, all of it", 2 << 40, 2 << 40, false},
		{"1.98 TiB, all of it", 1980 << 30, 1980 << 30, true},
		{"16 TiB, nothing of it", 16 << 40, 0, true},
		{"16 TiB, 2 TiB of it", 16 << 40, 2 << 40, false},
		{"62 TiB", 62 << 40, 1 << 30, true},
		{"62 TiB and a sector", 62<<40 + 512, 1 << 30, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := blockmap.FromRanges(c.size, 64<<10, func(yield func(blockmap.Range) bool) {
				yield(blockmap.Range{Off: 0, Len: c.carried})
			})
			if err != nil {
				t.Fatal(err)
			}
			_, err = vmdk.Encoder{}.Plan(encoders.Disk{Map: m}, encoders.Options{})
			if (err == nil) != c.ok || err != nil && !errors.Is(err, encoders.ErrLimit) {
				t.Errorf("got %v", err)
			}
		})
	}
}

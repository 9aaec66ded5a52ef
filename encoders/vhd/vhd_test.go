package vhd_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"testing"

	"migimg/blockmap"
	"migimg/encoders"
	"migimg/encoders/encodertest"
	"migimg/encoders/vhd"
)

func TestConformance(t *testing.T) { encodertest.Run(t, vhd.Encoder{}) }
func TestReadBack(t *testing.T)    { encodertest.ReadBack(t, vhd.Encoder{}, open) }

// disk is a dynamic VHD, decoded as the specification has it.
type disk struct {
	f     *io.SectionReader
	size  int64
	block int64
	table []uint32
}

// open reads the metadata and refuses whatever one of the importers that are
// known to check does: AWS compares the footers, QEMU checks sums, the table's
// length and that blocks lie before the end; azure-vhd-utils trusts the number
// of entries.
func open(files map[string]*io.SectionReader) (*io.SectionReader, error) {
	f := files["disk.vhd"]
	be := binary.BigEndian
	front, back, head := make([]byte, 512), make([]byte, 512), make([]byte, 1024)
	for off, b := range map[int64][]byte{0: front, f.Size() - 512: back, 512: head} {
		if _, err := io.ReadFull(io.NewSectionReader(f, off, int64(len(b))), b); err != nil {
			return nil, err
		}
	}
	d := &disk{f: f, size: int64(be.Uint64(back[48:])), block: int64(be.Uint32(head[32:]))}
	sum := func(b []byte, at int) bool {
		want := uint32(0)
		for i, x := range b {
			if i < at || i >= at+4 {
				want += uint32(x)
			}
		}
		return be.Uint32(b[at:]) == ^want
	}
	n := int64(be.Uint32(head[28:]))
	for what, ok := range map[string]bool{
		"footers are identical":      bytes.Equal(front, back),
		"footer cookie":              string(back[:8]) == "conectix",
		"features":                   be.Uint32(back[8:]) == 2,
		"footer version":             be.Uint32(back[12:]) == 0x10000,
		"header's offset":            be.Uint64(back[16:]) == 512,
		"creator that is trusted":    string(back[28:32]) == "win ",
		"original size":              be.Uint64(back[40:]) == uint64(d.size),
		"size in sectors":            d.size%512 == 0,
		"largest geometry":           bytes.Equal(back[56:60], []byte{0xff, 0xff, 16, 255}),
		"type":                       be.Uint32(back[60:]) == 3,
		"footer checksum":            sum(back, 64),
		"uuid version and variant":   back[74]>>4 == 8 && back[76]>>6 == 2,
		"not in a saved state":       bytes.Equal(back[84:], make([]byte, 428)),
		"timestamp":                  be.Uint32(back[24:]) < 21*366*24*3600,
		"header cookie":              string(head[:8]) == "cxsparse",
		"no next structure":          be.Uint64(head[8:]) == 1<<64-1,
		"table's offset":             be.Uint64(head[16:]) == 1536,
		"header version":             be.Uint32(head[24:]) == 0x10000,
		"exactly the disk's blocks":  n == (d.size+d.block-1)/d.block,
		"block size":                 d.block == 2<<20,
		"header checksum":            sum(head, 36),
		"no parent":                  bytes.Equal(head[40:], make([]byte, 1024-40)),
		"file is whole sectors":      f.Size()%512 == 0,
		"current size within limits": d.size <= 2040<<30,
	} {
		if !ok {
			return nil, fmt.Errorf("wrong: %s", what)
		}
	}
	raw := make([]byte, (n*4+511)/512*512)
	if _, err := f.ReadAt(raw, 1536); err != nil {
		return nil, err
	}
	next := uint32((1536 + len(raw)) / 512)
	for i := range int64(len(raw) / 4) {
		e := be.Uint32(raw[i*4:])
		d.table = append(d.table, e)
		switch {
		case e == 1<<32-1:
			continue
		case i >= n:
			return nil, fmt.Errorf("table entry %d beyond the disk is %#x", i, e)
		case e != next:
			return nil, fmt.Errorf("block %d is at sector %d, not %d", i, e, next)
		case int64(e)*512+512+d.block > f.Size()-512:
			return nil, fmt.Errorf("block %d at sector %d is beyond the end", i, e)
		}
		next += uint32(1 + d.block/512)
	}
	if int64(next)*512 != f.Size()-512 {
		return nil, fmt.Errorf("the footer is at %d, the last block ends at %d", f.Size()-512, int64(next)*512)
	}
	return io.NewSectionReader(d, 0, d.size), nil
}

func (d *disk) ReadAt(p []byte, off int64) (int, error) {
	for n := 0; n < len(p); {
		at := off + int64(n)
		b, in := at/d.block, at%d.block
		part := p[n:min(len(p), n+int(d.block-in))]
		clear(part)
		if e := int64(d.table[b]); e != 1<<32-1 {
			bitmap := make([]byte, d.block/512/8)
			if _, err := d.f.ReadAt(bitmap, e*512); err != nil {
				return n, err
			}
			if !bytes.Equal(bitmap, bytes.Repeat([]byte{0xff}, len(bitmap))) {
				return n, fmt.Errorf("the bitmap of block %d has holes", b)
			}
			if _, err := d.f.ReadAt(part, e*512+int64(len(bitmap))+in); err != nil {
				return n, err
			}
		}
		n += len(part)
	}
	return len(p), nil
}

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		name string
		size int64
		ok   bool
	}{
		{"nothing", 0, false},
		{"a byte", 1, true},
		{"2040 GiB", 2040 << 30, true},
		{"a sector more", 2040<<30 + 512, false},
		{"a byte more", 2040<<30 + 1, false},
		{"16 TiB", 16 << 40, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := blockmap.NewMap(c.size, 64<<10)
			if err != nil {
				t.Fatal(err)
			}
			_, err = vhd.Encoder{}.Plan(encoders.Disk{Map: m}, encoders.Options{})
			if (err == nil) != c.ok || err != nil && !errors.Is(err, encoders.ErrLimit) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestIdentity asks whether the ids hang on the disk's identity and on nothing
// else.
func TestIdentity(t *testing.T) {
	footer := func(id byte) string {
		m, err := blockmap.NewMap(1<<20, 64<<10)
		if err != nil {
			t.Fatal(err)
		}
		outs, err := vhd.Encoder{}.Plan(encoders.Disk{Map: m, Identity: [32]byte{id}}, encoders.Options{})
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 512)
		if _, err := encodertest.Plain(outs[0].Layout, bytes.NewReader(nil)).ReadAt(b, 0); err != nil {
			t.Fatal(err)
		}
		return string(b[24:28]) + string(b[68:84])
	}
	one, again := footer(1), footer(1)
	if one != again {
		t.Error("the same identity gives two footers")
	}
	if one == footer(2) {
		t.Error("two identities give one footer")
	}
}

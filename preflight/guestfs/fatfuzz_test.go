package guestfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"time"
)

// tinyFAT makes a FAT32 by hand: 4096 clusters of one sector, a root directory
// with one file of two clusters.
func tinyFAT() []byte {
	const sector, reserved, fatSectors = 512, 32, 32
	img := make([]byte, 2<<20)
	le := binary.LittleEndian
	copy(img, "\xeb\x58\x90MSWIN4.1")
	le.PutUint16(img[11:], sector)
	img[13] = 1
	le.PutUint16(img[14:], reserved)
	img[16] = 2
	img[21] = 0xf8
	le.PutUint16(img[24:], 63)
	le.PutUint16(img[26:], 255)
	le.PutUint32(img[32:], 4000)
	le.PutUint32(img[36:], fatSectors)
	le.PutUint32(img[44:], 2) // the root's first cluster
	le.PutUint16(img[48:], 1) // FSInfo
	le.PutUint16(img[50:], 6)
	img[64], img[66] = 0x80, 0x29
	copy(img[71:], "NO NAME    FAT32   ")
	img[510], img[511] = 0x55, 0xaa
	info := img[sector:]
	copy(info, "RRaA")
	copy(info[484:], "rrAa")
	le.PutUint32(info[488:], 3000)
	le.PutUint32(info[492:], 5)
	info[510], info[511] = 0x55, 0xaa
	for _, at := range []int{reserved, reserved + fatSectors} {
		fat := img[at*sector:]
		for i, v := range []uint32{0x0ffffff8, 0x0fffffff, 0x0fffffff, 4, 0x0fffffff} {
			le.PutUint32(fat[4*i:], v)
		}
	}
	data := img[(reserved+2*fatSectors)*sector:]
	copy(data, "GRUB    CFG ")
	le.PutUint16(data[26:], 3)
	le.PutUint32(data[28:], 600)
	copy(data[sector:], strings.Repeat("x", 600))
	return img
}

func TestTinyFAT(t *testing.T) {
	open := func(img []byte) (FS, error) {
		tree, err := Offline(bytes.NewReader(img), int64(len(img)), "vfat")
		if err != nil {
			return nil, err
		}
		return Compose(tree), nil
	}
	g, err := open(tinyFAT())
	if err != nil {
		t.Fatal(err)
	}
	if b, err := ReadFile(g, "grub.cfg", 1000); string(b) != strings.Repeat("x", 600) || err != nil {
		t.Errorf("%q, %v", b, err)
	}

	// A chain that comes back to itself.
	img := tinyFAT()
	for _, at := range []int{32, 64} {
		binary.LittleEndian.PutUint32(img[at*512+4*4:], 3)
	}
	if _, err := open(img); err == nil || !strings.Contains(err.Error(), "comes back") {
		t.Errorf("a cycle: %v", err)
	}

	// A file whose clusters end before its size does.
	img = tinyFAT()
	binary.LittleEndian.PutUint32(img[96*512+28:], 5000)
	g, err = open(img)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := ReadFile(g, "grub.cfg", 10_000); err == nil {
		t.Errorf("a short chain passes for a file of %d bytes", len(b))
	}

	// A sector that cannot be read is an error, not zeros.
	tree, err := Offline(badAfter{bytes.NewReader(tinyFAT()), 97 * 512}, 2<<20, "vfat")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := ReadFile(Compose(tree), "grub.cfg", 10_000); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a bad sector: %d bytes, %v", len(b), err)
	}
	if _, err := Offline(badAfter{bytes.NewReader(tinyFAT()), 96 * 512}, 2<<20, "vfat"); err == nil {
		t.Error("a root directory that cannot be read is empty")
	}
}

// badAfter fails from an offset on.
type badAfter struct {
	r  io.ReaderAt
	at int64
}

func (b badAfter) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > b.at && off < 2<<20 && off >= 96*512-4096 {
		return 0, errors.New("input/output error")
	}
	return b.r.ReadAt(p, off)
}

func FuzzFAT(f *testing.F) {
	for _, at := range []uint32{11, 13, 14, 16, 32, 36, 44, 48, 512 + 484, 32 * 512, 32*512 + 8, 32*512 + 12, 96 * 512, 96*512 + 11, 96*512 + 26, 96*512 + 28} {
		f.Add(at, []byte{0xff, 0xff, 0xff, 0x7f}, at)
		f.Add(at, []byte{0}, at+16384)
	}
	f.Fuzz(func(t *testing.T, at uint32, patch []byte, at2 uint32) {
		began := time.Now()
		defer func() {
			if d := time.Since(began); d > 20*time.Second {
				t.Errorf("took %v", d)
			}
		}()
		img := tinyFAT()
		copy(img[min(int(at), len(img)):], patch)
		copy(img[min(int(at2), len(img)):], patch)
		tree, err := Offline(bytes.NewReader(img), int64(len(img)), "vfat")
		if err != nil {
			return
		}
		g := Compose(tree)
		n := 0
		_ = fs.WalkDir(g, ".", func(p string, d fs.DirEntry, err error) error {
			if n++; err != nil || n > 100 {
				return fs.SkipAll
			}
			if d.Type().IsRegular() {
				if f, err := g.Open(p); err == nil {
					_, _ = io.CopyN(io.Discard, f, 1<<20)
				}
			}
			return nil
		})
	})
}

package fat

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/scantest"
)

// mustFree fails the test unless exactly the clusters are free.
func mustFree(t *testing.T, m *image, free []blockmap.Range, used ...int) {
	t.Helper()
	var want []blockmap.Range
	for c := 2; c < m.clusters+2; c++ {
		if slices.Contains(used, c) {
			continue
		}
		r := blockmap.Range{Off: int64(m.at(c)), Len: int64(m.perCluster * m.sector)}
		if n := len(want); n > 0 && want[n-1].End() == r.Off {
			want[n-1].Len += r.Len
		} else {
			want = append(want, r)
		}
	}
	if !slices.Equal(free, want) {
		t.Errorf("free %v\nmust be %v", free, want)
	}
}

// specs are one of each kind, and odd ones.
func specs() map[string]spec {
	m := map[string]spec{"12": spec12, "16": spec16, "32": spec32}
	add := func(name string, from spec, f func(*spec)) {
		f(&from)
		m[name] = from
	}
	add("two clusters", spec12, func(s *spec) { s.clusters = 2 })
	add("the most of 12", spec12, func(s *spec) { s.clusters = maxClusters12 })
	add("the least of 16", spec16, func(s *spec) { s.clusters, s.perCluster, s.tail = maxClusters12+1, 1, 0 })
	add("the most of 16", spec16, func(s *spec) { s.clusters, s.perCluster, s.tail = maxClusters16, 1, 0 })
	add("the least of 32 by the specification", spec32, func(s *spec) { s.clusters = maxClusters16 + 1 })
	add("a FAT32 of two clusters", spec32, func(s *spec) { s.clusters = 2 })
	add("sectors of 4096", spec16, func(s *spec) { s.sector, s.rootEntries, s.perCluster, s.tail = 4096, 256, 1, 0 })
	add("sectors of 4096, 32", spec32, func(s *spec) { s.sector = 4096 })
	add("sectors of 1024", spec12, func(s *spec) { s.sector, s.rootEntries = 1024, 64 })
	add("sectors of 2048", spec32, func(s *spec) { s.sector = 2048 })
	add("one FAT", spec16, func(s *spec) { s.fats = 1 })
	add("three FATs", spec32, func(s *spec) { s.fats = 3 })
	add("large clusters", spec12, func(s *spec) { s.perCluster, s.tail = 128, 127 })
	add("no backup", spec32, func(s *spec) { s.reserved = 1 })
	add("many reserved sectors", spec16, func(s *spec) { s.reserved = 600 })
	return m
}

func TestScan(t *testing.T) {
	for name, s := range specs() {
		t.Run(name, func(t *testing.T) {
			m := build(s)
			last := s.clusters + 1
			used := []int{last}
			m.put(last, 7-16) // -9: the value of a bad cluster
			if s.bits == 32 {
				used = append(used, 2)
			}
			if s.clusters > 50 {
				m.chain(10, 11, 12, 20, 33)
				used = append(used, 10, 11, 12, 20, 33)
				m.chain(50, 49)
				used = append(used, 49, 50)
			}
			r, free, err := scantest.Scan(t, Scanner{}, m.b)
			if err != nil || r.Whole != "" || len(r.Warnings) > 0 {
				t.Fatalf("%+v %v", r, err)
			}
			mustFree(t, m, free, used...)
			want := blockmap.Report{Type: "vfat", UUID: "1234-5678", BlockSize: int64(s.sector * s.perCluster)}
			if r.Type != want.Type || r.UUID != want.UUID || r.BlockSize != want.BlockSize || r.Features[0] != fmt.Sprintf("FAT%d", s.bits) {
				t.Errorf("%+v", r)
			}
			v := blockmap.Bytes(bytes.NewReader(append(m.b, 1, 2, 3)), int64(len(m.b)+3), 512)
			bm, info, err := blockmap.Scan(context.Background(), v, []blockmap.Scanner{Scanner{}}, blockmap.ScanOptions{})
			if err != nil || info.Whole != "" {
				t.Fatalf("%+v %v", info, err)
			}
			want.BlockSize = int64(len(m.b) + 3)
			for _, f := range free {
				want.BlockSize -= f.Len
			}
			if bm.Bytes() != want.BlockSize {
				t.Errorf("a disk carries %d bytes, must be %d", bm.Bytes(), want.BlockSize)
			}
		})
	}
}

// A table of more than one piece, with files that go from one to the other.
func TestPieces(t *testing.T) {
	s := spec32
	s.clusters = 2*chunk/4 + 1000 // most of this image's memory is never touched
	m := build(s)
	used := make([]bool, s.clusters+2)
	used[2] = true
	rnd := rand.New(rand.NewPCG(3, 4))
	for n := range 4000 {
		c := 3 + rnd.IntN(s.clusters-20)
		if n%2 == 0 { // near the pieces' ends
			c = (1+n/2%2)*chunk/4 - 500 + rnd.IntN(1000)
		}
		m.putIn(n%2, c, c+7)
		m.putIn(n/2%2, c+7, -1)
		used[c], used[c+7] = true, true
	}
	r, free, err := scantest.Scan(t, Scanner{}, m.b)
	if err != nil || r.Whole != "" || len(r.Warnings) != 1 {
		t.Fatalf("%+v %v", r, err)
	}
	for _, x := range free {
		for off := x.Off; off < x.End(); off += 512 {
			if c := int(off-int64(m.dataAt))/512 + 2; used[c] {
				t.Fatalf("cluster %d is free", c)
			} else {
				used[c] = true
			}
		}
	}
	if c := slices.Index(used[2:], false); c >= 0 {
		t.Errorf("cluster %d is carried", c+2)
	}
}

func TestWhole(t *testing.T) {
	le := binary.LittleEndian
	for _, c := range []struct {
		name string
		spec spec
		edit func(m *image)
		why  string
	}{
		{"dirty 12", spec12, func(m *image) { m.b[0x25] = 1 }, "mounted for writing"},
		{"dirty 16", spec16, func(m *image) { m.b[0x25] = 1 }, "mounted for writing"},
		{"dirty 32", spec32, func(m *image) { m.b[0x41] = 1 }, "mounted for writing"},
		{"dirty entry 16", spec16, func(m *image) { m.put(1, 0x7fff) }, "mounted for writing"},
		{"dirty entry 32", spec32, func(m *image) { m.put(1, 0x07ffffff) }, "mounted for writing"},
		{"dirty entry of the second table", spec32, func(m *image) { m.putIn(1, 1, 0x07ffffff) }, "mounted for writing"},
		{"larger than the volume", spec12, func(m *image) { m.b = m.b[:len(m.b)-1] }, "the volume only"},
		{"small table", spec16, func(m *image) { m.b[22] /= 2 }, "too small"},
		{"small table 32", spec32, func(m *image) { m.b[36] = 2; m.b[6*512+36] = 2 }, "too small"},
		{"too many for 16", spec{bits: 16, sector: 512, perCluster: 1, reserved: 1, fats: 1, rootEntries: 16, clusters: 65525}, func(*image) {}, "cannot be more"},
		{"no clusters", spec12, func(m *image) { m.b[19] = 4; m.b[20] = 0 }, "no clusters"},
		{"no root", spec12, func(m *image) { m.b[17] = 0 }, "root directory"},
		{"odd root", spec12, func(m *image) { m.b[17] = 15 }, "root directory"},
		{"root entries in 32", spec32, func(m *image) { m.b[17] = 16 }, "outside the clusters"},
		{"version", spec32, func(m *image) { m.b[43] = 1 }, "version 1.0"},
		{"root cluster", spec32, func(m *image) { m.b[44] = 1 }, "first cluster is 1"},
		{"root cluster beyond", spec32, func(m *image) { m.b[46] = 1 }, "first cluster is"},
		{"root is free", spec32, func(m *image) { m.put(2, 0) }, "marked free"},
		{"active table", spec32, func(m *image) { m.b[40] = 0x82 }, "one in use"},
		{"other backup", spec32, func(m *image) { m.b[6*512+13] = 2 }, "backup boot sector"},
		{"no table", spec16, func(m *image) { m.put(0, 0) }, "does not begin as one"},
		{"no second table", spec16, func(m *image) { m.putIn(1, 0, 0) }, "FAT 2 at byte"},
		{"entry of 1", spec16, func(m *image) { m.put(9, 1) }, "followed by 1"},
		{"entry beyond", spec16, func(m *image) { m.put(9, 4202) }, "followed by 4202"},
		{"entry beyond 12", spec12, func(m *image) { m.putIn(1, 9, 102) }, "FAT 2 at byte"},
		{"BitLocker To Go", spec32, func(m *image) {
			copy(m.b[424:], "\x3b\xd6\x67\x49\x29\x2e\xd8\x4a\x83\x99\xf6\xa3\x39\xe3\xd0\x01")
		}, "BitLocker"},
		{"2^32 sectors", spec16, func(m *image) { le.PutUint16(m.b[19:], 0); le.PutUint32(m.b[32:], 1<<32-1) }, "cannot be more"},
		{"2^32 sectors of a table", spec32, func(m *image) { le.PutUint32(m.b[36:], 1<<32-1) }, "no clusters"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := build(c.spec)
			c.edit(m)
			r, free, err := scantest.Scan(t, Scanner{}, m.b)
			if err != nil || len(free) > 0 || !strings.Contains(r.Whole, c.why) || r.Whole == "" {
				t.Errorf("%d ranges are free; %+v %v", len(free), r, err)
			}
		})
	}
}

// What is odd, but does not hinder.
func TestWarnings(t *testing.T) {
	for _, c := range []struct {
		name string
		spec spec
		edit func(m *image)
		warn string
		used []int
	}{
		{"copies differ", spec16, func(m *image) { m.putIn(0, 5, 0xffff); m.putIn(1, 9, 10); m.putIn(1, 10, 0xfff7) }, "copies of the FAT differ", []int{5, 9, 10}},
		{"not mirrored", spec32, func(m *image) { m.b[40] = 0x81; m.putIn(1, 9, 0x0fffffff) }, "copies of the FAT differ", []int{2, 9}},
		{"a file leads to a free cluster", spec12, func(m *image) { m.put(9, 11) }, "1 clusters that are marked free", []int{9, 11}},
		{"FSInfo", spec32, func(m *image) { copy(m.b[512+488:], "\x00\x01\x00\x00") }, "FSInfo counts 256", []int{2}},
		{"FSInfo is right", spec32, func(m *image) { copy(m.b[512+488:], "\x2b\x01\x00\x00") }, "", []int{2}},
		{"FSInfo has no mark", spec32, func(m *image) { copy(m.b[512+484:], "xxxx\x00\x01\x00\x00") }, "", []int{2}},
		{"error in the state", spec16, func(m *image) { m.b[0x25] = 2 }, "errors of the disk", nil},
		{"error in the table", spec32, func(m *image) { m.put(1, 0x0bffffff) }, "errors of the disk", []int{2}},
		{"upper bits", spec32, func(m *image) {
			m.b[m.fatAt+4*9+3], m.b[m.fatAt+m.fatBytes+4*9+3] = 0xf0, 0xf0
		}, "", []int{2}},
		{"wrong media byte in the table", spec16, func(m *image) { m.put(0, 0xfff0) }, "", nil},
		{"the copies' unused ends differ", spec32, func(m *image) { m.b[m.fatAt+m.fatBytes-1] = 9 }, "", []int{2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := build(c.spec)
			c.edit(m)
			r, free, err := scantest.Scan(t, Scanner{}, m.b)
			if err != nil || r.Whole != "" {
				t.Fatalf("%+v %v", r, err)
			}
			if c.warn == "" && len(r.Warnings) > 0 || c.warn != "" && (len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], c.warn)) {
				t.Errorf("warnings %q", r.Warnings)
			}
			mustFree(t, m, free, c.used...)
		})
	}
}

// After a crash, directories may name clusters that the table does not.
func TestStill(t *testing.T) {
	for _, s := range []spec{spec12, spec16, spec32} {
		t.Run(fmt.Sprint(s.bits), func(t *testing.T) {
			m := build(s)
			root, used := m.rootAt, []int{}
			m.b[0x25] = 1
			if s.bits == 32 {
				root, used = m.at(2), []int{2, 3}
				m.b[0x25], m.b[0x41] = 0, 1
				m.chain(2, 3)
				m.entry(m.at(3), "ROOT2   BIN", 0, 91)
				used = append(used, 91)
			}
			m.entry(root, "LABEL      ", attrLabel, 0)
			m.entry(root+32, "Along name", attrLong, 80)
			m.entry(root+64, "LOST    BIN", 0, 60)
			m.entry(root+96, "\xe5ELETED BIN", 0, 70)
			m.entry(root+128, "DIR        ", attrDir, 10)
			m.chain(10, 12)
			m.entry(m.at(10), ".          ", attrDir, 10)
			m.entry(m.at(10)+32, "..         ", attrDir, 0)
			m.entry(m.at(10)+96, "BEHIND  0  ", 0, 61) // behind an unused entry
			m.entry(m.at(12), "SUB        ", attrDir, 15)
			m.entry(m.at(15), "FILE       ", 0, 20) // in a directory that the table does not know
			m.entry(m.at(15)+32, "LOOP       ", attrDir, 10)
			m.entry(m.at(15)+64, "BEYOND     ", attrDir, 9999)
			m.chain(20, 21, 40)
			r, free, err := scantest.Scan(t, Scanner{}, m.b)
			if err != nil || !strings.Contains(r.Whole, "mounted") || len(free) > 0 || r.Label != "LABEL" {
				t.Errorf("%+v %v", r, err)
			}
			r, free, err = scantest.Scan(t, Scanner{Still: true}, m.b)
			if err != nil || r.Whole != "" || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "after a crash") {
				t.Errorf("%+v %v", r, err)
			}
			mustFree(t, m, free, append(used, 60, 10, 12, 61, 15, 20, 21, 40)...)
			m.putIn(1, 30, 31)
			if r, free, err = scantest.Scan(t, Scanner{Still: true}, m.b); err != nil || !strings.Contains(r.Whole, "copies") || len(free) > 0 {
				t.Errorf("%+v %v", r, err)
			}
		})
	}
}

func TestNotMine(t *testing.T) {
	for _, c := range []struct {
		name string
		spec spec
		edit func(m *image)
	}{
		{"no 55 AA", spec16, func(m *image) { m.b[510] = 0 }},
		{"no jump", spec16, func(m *image) { m.b[0] = 0x33 }},
		{"NTFS", spec16, func(m *image) { copy(m.b[3:], "NTFS    ") }},
		{"exFAT", spec16, func(m *image) { copy(m.b[3:], "EXFAT   ") }},
		{"BitLocker", spec16, func(m *image) { copy(m.b[3:], "-FVE-FS-") }},
		{"JFS", spec16, func(m *image) { copy(m.b[0x36:], "JFS     ") }},
		{"HPFS", spec16, func(m *image) { copy(m.b[0x36:], "HPFS    ") }},
		{"sectors of 8192", spec16, func(m *image) { m.b[12] = 0x20 }},
		{"sectors of 768", spec16, func(m *image) { m.b[12] = 3 }},
		{"3 sectors in a cluster", spec16, func(m *image) { m.b[13] = 3 }},
		{"nothing reserved", spec16, func(m *image) { m.b[14] = 0 }},
		{"no tables", spec16, func(m *image) { m.b[16] = 0 }},
		{"tables without sectors", spec16, func(m *image) { clear(m.b[22:24]); clear(m.b[36:40]) }},
		{"media", spec16, func(m *image) { m.b[21] = 0xf1 }},
		{"neither name nor table", spec16, func(m *image) { m.b[54] = 0; m.put(0, 0) }},
		{"no name, short", spec16, func(m *image) { m.b[54] = 0; m.b = m.b[:m.fatAt+2] }},
	} {
		m := build(c.spec)
		c.edit(m)
		v := blockmap.Bytes(bytes.NewReader(m.b), int64(len(m.b)), 512)
		if err := (Scanner{}).Probe(v); !errors.Is(err, blockmap.ErrNotMine) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	m := build(spec16)
	m.b[54] = 0 // as DOS before 4.0 made them
	if err := (Scanner{}).Probe(blockmap.Bytes(bytes.NewReader(m.b), int64(len(m.b)), 512)); err != nil {
		t.Errorf("without a name: %v", err)
	}
}

func TestLabel(t *testing.T) {
	for _, c := range []struct {
		name string
		spec spec
		edit func(m *image, root int)
		want string
	}{
		{"none", spec16, func(*image, int) {}, ""},
		{"behind others", spec16, func(m *image, root int) {
			m.entry(root, "\xe5ID       ", attrLabel, 0)
			m.entry(root+32, "Along", attrLong, 0)
			m.entry(root+64, "DIR        ", attrDir, 9)
			m.entry(root+96, "A LABEL    ", attrLabel, 0)
		}, "A LABEL"},
		{"behind the end", spec16, func(m *image, root int) { m.entry(root+32, "X          ", attrLabel, 0) }, ""},
		{"second cluster", spec32, func(m *image, root int) {
			for i := range 16 {
				m.entry(root+i*32, "FILE       ", 0x20, 0)
			}
			m.chain(2, 77)
			m.entry(m.at(77), "FAR       1", attrLabel, 0)
		}, "FAR       1"},
		{"a loop", spec32, func(m *image, root int) {
			for i := range 16 {
				m.entry(root+i*32, "FILE       ", 0x20, 0)
			}
			m.put(2, 2)
		}, ""},
	} {
		m := build(c.spec)
		root := m.rootAt
		if c.spec.bits == 32 {
			root = m.at(2)
		}
		c.edit(m, root)
		if r, _, err := scantest.Scan(t, Scanner{}, m.b); err != nil || r.Label != c.want {
			t.Errorf("%s: label %q, must be %q; %v", c.name, r.Label, c.want, err)
		}
	}
}

func TestHostile(t *testing.T) {
	scantest.Hostile(t, Scanner{Still: true}, build(spec12).b, build(spec16).b, build(spec32).b)
}

func FuzzScan(f *testing.F) {
	images := []*image{build(spec12), build(spec16), build(spec32)}
	for i := range images {
		f.Add(uint8(i), []byte{})
		f.Add(uint8(i), []byte{0x0d, 0, 0, 4, 0x10, 0, 0, 1, 0x25, 0, 0, 1})
		f.Add(uint8(i), []byte{0x41, 0, 0, 1, 0x2c, 0, 0, 9, 0x24, 0, 0, 0})
		f.Add(uint8(i), []byte{0x03, 0, 1, 0x0f, 0x07, 0, 1, 0x20})
	}
	f.Fuzz(func(t *testing.T, which uint8, edits []byte) {
		m := images[int(which)%len(images)]
		b := m.b
		old := map[int]byte{} // a copy would take longer than the scan
		defer func() {
			for at, c := range old {
				b[at] = c
			}
		}()
		// Of each 4 bytes, 2 are the place in the boot sector, the tables or the
		// rest, and 1 is the value.
		for ; len(edits) >= 4; edits = edits[4:] {
			at := int(binary.LittleEndian.Uint16(edits))
			switch edits[2] % 4 {
			case 0:
				at %= 90
			case 1:
				at = m.fatAt + at%(m.fats*m.fatBytes)
			case 2:
				at = min(m.rootAt+at%2048, len(b)-1)
			default:
				at %= len(b)
			}
			if _, ok := old[at]; !ok {
				old[at] = b[at]
			}
			b[at] = edits[3]
		}
		for _, still := range []bool{false, true} {
			r, free, err := scantest.Scan(t, Scanner{Still: still}, b)
			at := int64(512)
			for _, x := range free {
				if err != nil || r.Whole != "" || x.Off < at {
					t.Fatalf("%v is free behind %d; %+v %v", x, at, r, err)
				}
				at = x.End() + 1 // maximal: no two touch
			}
		}
	})
}

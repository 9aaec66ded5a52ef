package md_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/md"
	"migimg/blockmap/ptable"
	"migimg/blockmap/scantest"
	"migimg/blockmap/swap"
)

const uuid = "30313233-3435-3637-3839-616263646566"

var versions = []string{"0.90", "1.0", "1.1", "1.2"}

func volumeOf(b []byte) blockmap.Volume {
	return blockmap.Bytes(bytes.NewReader(b), int64(len(b)), 512)
}

// recorder is a Sink that keeps what it is told.
type recorder struct {
	name  string
	inner blockmap.Volume
	freed int
}

func (r *recorder) Free(int64, int64) error                       { r.freed++; return nil }
func (*recorder) Data(int64, int64, blockmap.FileID, int64) error { return errors.ErrUnsupported }

func (r *recorder) Nested(name string, v blockmap.Volume) error {
	r.name, r.inner = name, v
	return nil
}

func scan(t *testing.T, b []byte) (*recorder, blockmap.Report) {
	t.Helper()
	var k recorder
	r, err := md.Scanner{}.Scan(context.Background(), volumeOf(b), &k)
	if err != nil && !errors.Is(err, blockmap.ErrNotMine) {
		t.Fatal(err)
	}
	return &k, r
}

// sizes have odd ends.
var sizes = []int64{2 * mib, 2*mib + 512, 3*mib - 512, 2*mib + 33*kib, 2*mib + 700}

func TestFollowed(t *testing.T) {
	for _, v := range versions {
		for _, n := range sizes {
			for _, c := range []struct {
				name string
				edit func(s *super, b []byte)
			}{
				{"clean", func(*super, []byte) {}},
				{"big endian", func(s *super, _ []byte) { s.order = binary.BigEndian }},
				{"alone", func(s *super, _ []byte) { s.disks, s.roles, s.diskState = 1, s.roles[:1], s.diskState[:1] }},
				{"second", func(s *super, _ []byte) { s.dev = 1 }},
				{"three roles", func(s *super, _ []byte) {
					s.disks, s.roles, s.diskState = 3, []uint16{0, 2, 1}, []uint32{6, 6, 6}
				}},
				{"being written", func(s *super, _ []byte) { s.resync, s.state = 0, 0 }},
				{"being written, the first is gone", func(s *super, _ []byte) {
					s.resync, s.state, s.dev, s.roles[0], s.diskState[0] = 0, 0, 1, 0xfffe, 1
					if s.version == "0.90" {
						s.roles[0] = 0
					}
				}},
				{"being written, with a bitmap, the other is gone", func(s *super, b []byte) {
					s.resync, s.roles[1], s.diskState[1] = 0, 0xfffe, 1
					if s.version == "0.90" {
						s.roles[1] = 1
					}
					withBitmap(s, b)
					s.state &^= 1
				}},
				{"being written, write mostly, the other is gone", func(s *super, _ []byte) {
					s.resync, s.state, s.flags, s.roles[1], s.diskState = 0, 0, 1, 0xfffe, []uint32{0x206, 1}
					if s.version == "0.90" {
						s.roles[1] = 1
					}
				}},
				{"write mostly, clean", func(s *super, _ []byte) { s.flags, s.diskState[0] = 1, 0x206 }},
				{"bad blocks' list", func(s *super, _ []byte) { s.badBlocks = map[string]int32{"1.0": -8}[s.version] + 8 }},
				{"bitmap", withBitmap},
			} {
				if c.name == "bad blocks' list" && v == "1.0" {
					continue
				}
				t.Run(fmt.Sprintf("%s/%d/%s", v, n, c.name), func(t *testing.T) {
					b := make([]byte, n)
					s := mirror(v, n)
					c.edit(s, b)
					s.write(b)
					k, r := scan(t, b)
					if err := (md.Scanner{}).Probe(volumeOf(b)); err != nil {
						t.Error(err)
					}
					if r.Whole != "" || k.name != "md" || k.freed > 0 || r.UUID != uuid {
						t.Fatalf("%+v, %+v", r, k)
					}
					if want := map[bool]string{true: "", false: "host:home"}[v == "0.90"]; r.Label != want || len(r.Warnings) != min(1, int(s.disks)-1) {
						t.Errorf("%+v", r)
					}
					data := blockmap.Range{Off: int64(s.off) * 512, Len: int64(s.size/2) * 1024}
					if v != "0.90" {
						data.Len = int64(s.size) * 512
					}
					if got := slices.Collect(k.inner.Ranges(0, k.inner.Size())); !slices.Equal(got, []blockmap.Range{data}) {
						t.Errorf("data %v, must be %v", got, data)
					}
					for off, want := range map[int64]bool{data.Off - 1: false, data.Off: true, data.End() - 1: true, data.End(): false} {
						if got := (md.Scanner{}).Holds(volumeOf(b), off); got != want {
							t.Errorf("holds %d: %v", off, got)
						}
					}
				})
			}
		}
	}
}

func TestWhole(t *testing.T) {
	for _, c := range []struct {
		name, versions string
		edit           func(s *super, b []byte)
		want           string
	}{
		{"raid5", "0.90 1.0 1.1 1.2", func(s *super, _ []byte) { s.level = 5 }, "raid5"},
		{"raid10", "0.90 1.0 1.1 1.2", func(s *super, _ []byte) { s.level = 10 }, "raid10"},
		{"raid0", "0.90 1.2", func(s *super, _ []byte) { s.level = 0 }, "raid0"},
		{"linear", "0.90 1.2", func(s *super, _ []byte) { s.level = -1 }, "linear"},
		{"multipath", "1.2", func(s *super, _ []byte) { s.level = -4 }, "multipath"},
		{"level 77", "1.2", func(s *super, _ []byte) { s.level = 77 }, "level 77"},
		{"spare", "1.0 1.1 1.2", func(s *super, _ []byte) { s.roles[0] = 0xffff }, "spare"},
		{"faulty", "1.0 1.1 1.2", func(s *super, _ []byte) { s.roles[0] = 0xfffe }, "faulty"},
		{"journal", "1.2", func(s *super, _ []byte) { s.roles[0] = 0xfffd }, "journal"},
		{"reserved role", "1.2", func(s *super, _ []byte) { s.roles[0] = 0xff00 }, "0xff00"},
		{"role beyond the array", "1.2", func(s *super, _ []byte) { s.roles[0] = 7 }, "role 7"},
		{"not listed", "1.2", func(s *super, _ []byte) { s.dev = 2 }, "list its own"},
		{"spare", "0.90", func(s *super, _ []byte) { s.diskState[0] = 0 }, "spare"},
		{"recovering", "0.90", func(s *super, _ []byte) { s.diskState[0] = 2 }, "spare"},
		{"faulty", "0.90", func(s *super, _ []byte) { s.diskState[0] = 9 }, "faulty"},
		{"removed", "0.90", func(s *super, _ []byte) { s.diskState[0] = 14 }, "faulty"},
		{"odd state", "0.90", func(s *super, _ []byte) { s.diskState[0] = 22 }, "not known"},
		{"reshape", "0.90", func(s *super, _ []byte) { s.minor = 91 }, "reshaped"},
		{"version", "0.90", func(s *super, _ []byte) { s.minor = 92 }, "0.92"},
		{"clustered", "0.90", func(s *super, _ []byte) { s.state = 1 | 1<<5 }, "not known"},
		{"being written, the second", "0.90 1.0 1.1 1.2", func(s *super, _ []byte) { s.resync, s.state, s.dev = 0, 0, 1 }, "not the member"},
		{"resync half done, the second", "1.2", func(s *super, _ []byte) { s.resync, s.dev = 1000, 1 }, "not the member"},
		{"being written, write mostly", "0.90 1.2", func(s *super, _ []byte) { s.resync, s.state, s.flags, s.diskState[0] = 0, 0, 1, 0x206 }, "not the member"},
		{"being written, two first", "0.90 1.2", func(s *super, _ []byte) { s.resync, s.state, s.roles[1] = 0, 0, 0 }, "not the member"},
		{"being written, with a bitmap", "0.90 1.0 1.1 1.2", func(s *super, b []byte) { withBitmap(s, b); s.resync = 0; s.state &^= 1 }, "fell out of it"},
		{"resync half done, with a bitmap", "1.2", func(s *super, b []byte) { withBitmap(s, b); s.resync = 1000 }, "fell out of it"},
		{"padding", "1.2", func(s *super, _ []byte) { s.padding = 1 }, "not known"},
		{"device flag", "1.2", func(s *super, _ []byte) { s.flags = 4 }, "not known"},
		{"block size", "1.2", func(s *super, _ []byte) { s.blockSize = 4096 }, "block size"},
		{"beyond the volume", "1.0 1.1 1.2", func(s *super, _ []byte) { s.room *= 2; s.size *= 2 }, "fit into"},
		{"beyond the volume", "0.90", func(s *super, _ []byte) { s.size += 1024 }, "fit into"},
		{"larger than its room", "1.2", func(s *super, _ []byte) { s.size = s.room + 1 }, "in a place of"},
		{"2^64 sectors", "1.2", func(s *super, _ []byte) { s.size, s.room = 1<<64-1, 1<<64-1 }, "in a place of"},
		{"offset of 2^63", "1.2", func(s *super, _ []byte) { s.off = 1 << 63 }, "in a place of"},
		{"empty", "0.90 1.2", func(s *super, _ []byte) { s.size = 0 }, "fit into"},
		{"superblock in the data", "1.1 1.2", func(s *super, _ []byte) { s.off = 4 }, "where the array's data is"},
		{"bad blocks' list in the data", "1.2", func(s *super, _ []byte) { s.badBlocks = 300 }, "where the array's data is"},
		{"bad blocks' list before the volume", "1.2", func(s *super, _ []byte) { s.badBlocks = -100 }, "where the array's data is"},
		{"bitmap in the data", "1.2", func(s *super, _ []byte) { s.features, s.bitmap = 1, 600 }, "where the array's data is"},
		{"bitmap reaches the data", "1.2", func(s *super, b []byte) {
			s.features, s.bitmap = 1, 247
			putBitmap(b, 4096+247*512, 4, s.size, 512)
		}, "where the array's data is"},
		{"bitmap beyond the volume", "1.0", func(s *super, _ []byte) { s.features, s.bitmap = 1, 100 }, "outside of the member"},
		{"no bitmap", "1.2", func(s *super, _ []byte) { s.features, s.bitmap = 1, 8 }, "bitmap is damaged"},
		{"bitmap of a cluster", "1.2", func(s *super, b []byte) { s.features, s.bitmap = 1, 8; putBitmap(b, 8192, 5, s.size, 65536) }, "version 5"},
		{"bitmap without chunks", "1.2", func(s *super, b []byte) { s.features, s.bitmap = 1, 8; putBitmap(b, 8192, 4, s.size, 0) }, "chunks of 0"},
		{"checksum", "1.1 1.2", func(s *super, _ []byte) { s.noSum = true }, "wrong checksum"},
		{"too many roles", "1.2", func(s *super, _ []byte) { s.roles = make([]uint16, 1921)[:1920]; s.noSum = true }, "wrong checksum"},
		{"two superblocks", "1.0 1.1 1.2", func(s *super, b []byte) { mirror("0.90", int64(len(b))).write(b) }, "versions"},
	} {
		for _, v := range strings.Fields(c.versions) {
			t.Run(v+"/"+c.name, func(t *testing.T) {
				b := make([]byte, 3*mib)
				s := mirror(v, int64(len(b)))
				c.edit(s, b)
				s.write(b)
				k, r := scan(t, b)
				if !strings.Contains(r.Whole, c.want) || k.inner != nil {
					t.Errorf("%q does not say %q; %+v", r.Whole, c.want, k)
				}
				if (md.Scanner{}).Holds(volumeOf(b), mib) {
					t.Error("holds what it does not follow")
				}
			})
		}
	}
	for bit := range 32 {
		b := make([]byte, mib)
		s := mirror("1.2", mib)
		s.features = 1 << bit
		s.write(b)
		if _, r := scan(t, b); r.Whole == "" {
			t.Errorf("feature %#x is followed", s.features)
		}
	}
}

// TestNotMine: superblocks that are elsewhere, or damaged ones at the end, are
// left to others.
func TestNotMine(t *testing.T) {
	for _, v := range versions {
		b := make([]byte, 3*mib)
		s := mirror(v, 3*mib)
		if v == "1.0" || v == "0.90" {
			s.noSum = true
		}
		s.write(b[:2*mib])
		if v == "1.1" || v == "1.2" {
			b = append(make([]byte, 512), b...)
		}
		if err := (md.Scanner{}).Probe(volumeOf(b)); err != blockmap.ErrNotMine {
			t.Errorf("%s elsewhere: %v", v, err)
		}
		if v != "1.1" && v != "1.2" {
			if err := (md.Scanner{}).Probe(volumeOf(b[:2*mib])); err != blockmap.ErrNotMine {
				t.Errorf("%s damaged: %v", v, err)
			}
		}
	}
}

// swapArea is a swap area that fills n bytes.
func swapArea(b []byte, n int64) {
	binary.LittleEndian.PutUint32(b[1024:], 1)
	binary.LittleEndian.PutUint32(b[1028:], uint32(n/4096-1))
	copy(b[4086:], "SWAPSPACE2")
}

// TestInnerAtStart: with superblocks at the end, what is inside is seen outside,
// too. It is taken for what it is, if it is followed.
func TestInnerAtStart(t *testing.T) {
	scanners := []blockmap.Scanner{ptable.Scanner{}, swap.Scanner{}, md.Scanner{}}
	for _, v := range versions {
		for _, c := range []struct {
			name     string
			edit     func(s *super, b []byte)
			scanners []blockmap.Scanner
			whole    string
		}{
			{"swap", func(*super, []byte) {}, scanners, ""},
			{"in another order", func(*super, []byte) {}, []blockmap.Scanner{md.Scanner{}, swap.Scanner{}}, ""},
			{"no scanner for it", func(*super, []byte) {}, []blockmap.Scanner{md.Scanner{}}, "inner"},
			{"no scanner for RAIDs", func(*super, []byte) {}, scanners[:2], "linux_raid_member"},
			{"raid5", func(s *super, _ []byte) { s.level = 5 }, scanners, "raid5"},
			{"second, being written", func(s *super, _ []byte) { s.dev, s.state, s.resync = 1, 0, 0 }, scanners, "not the member"},
		} {
			t.Run(v+"/"+c.name, func(t *testing.T) {
				b := bytes.Repeat([]byte{0x5a}, 2*mib)
				s := mirror(v, 2*mib)
				c.edit(s, b)
				s.size &^= 7
				swapArea(b[s.off*512:], int64(s.size)*512)
				clear(b[:s.off*512])
				s.write(b)
				m, info, err := blockmap.Scan(context.Background(), volumeOf(b), c.scanners, blockmap.ScanOptions{ClusterSize: 4096})
				if err != nil {
					t.Fatal(err)
				}
				atStart := v == "0.90" || v == "1.0"
				switch {
				case c.whole == "inner":
					if info.Whole != "" || len(info.Children) != 1 || info.Children[0].Whole != "no scanner for swap" {
						t.Errorf("%+v", info)
					}
				case c.whole != "":
					want := c.whole
					if atStart && info.Type != "" && c.name != "no scanner for RAIDs" {
						want = "more than one format"
					}
					if !strings.Contains(info.Whole, want) || m.Bytes() != 2*mib {
						t.Errorf("%q, %d bytes carried", info.Whole, m.Bytes())
					}
				case info.Whole != "" || info.Type != "linux_raid_member" || len(info.Children) != 1 || info.Children[0].Type != "swap":
					t.Errorf("%+v", info)
				default:
					want := []blockmap.Range{{Len: int64(s.off)*512 + 4096}, {Off: int64(s.off+s.size) * 512, Len: 2*mib - int64(s.off+s.size)*512}}
					if got := slices.Collect(m.Ranges(0, 2*mib)); !slices.Equal(got, want) {
						t.Errorf("carried %v, must be %v", got, want)
					}
				}
			})
		}
	}
}

// mbr writes a table with one partition; places in sectors.
func mbr(b []byte, start, sectors uint32) {
	e := b[446:]
	e[4] = 0xfd
	binary.LittleEndian.PutUint32(e[8:], start)
	binary.LittleEndian.PutUint32(e[12:], sectors)
	b[510], b[511] = 0x55, 0xaa
}

// TestPartitions: whether a superblock at the disk's end is the disk's or the
// last partition's.
func TestPartitions(t *testing.T) {
	scanners := []blockmap.Scanner{ptable.Scanner{}, swap.Scanner{}, md.Scanner{}}
	tree := func(b []byte) string {
		_, info, err := blockmap.Scan(context.Background(), volumeOf(b), scanners, blockmap.ScanOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var s []string
		for v := range info.All() {
			s = append(s, v.Name+":"+v.Type)
			if v.Whole != "" {
				s[len(s)-1] += "!"
			}
		}
		return strings.Join(s, " ")
	}
	for _, v := range []string{"0.90", "1.0"} {
		// The partition reaches the disk's end, and is the member: version 0.90 lies
		// in the same place for both.
		b := make([]byte, 4*mib)
		mbr(b, 64, 4*mib/512-64)
		part := b[32*kib:]
		s := mirror(v, int64(len(part)))
		s.size &^= 7
		swapArea(part, int64(s.size)*512)
		s.write(part)
		if got := tree(b); got != ":mbr 1:linux_raid_member 1/md:swap" {
			t.Errorf("%s in a partition: %s", v, got)
		}
		// The disk is the member, and the array is divided.
		b = make([]byte, 4*mib)
		s = mirror(v, int64(len(b)))
		mbr(b, 64, 2048)
		swapArea(b[32*kib:], mib)
		s.write(b)
		if got := tree(b); got != ":linux_raid_member md:mbr md/1:swap" {
			t.Errorf("%s of a divided array: %s", v, got)
		}
		// The same, but followed it cannot be.
		s.level = 5
		s.write(b)
		if got := tree(b); got != ":ptable!" {
			t.Errorf("%s of a divided RAID5: %s", v, got)
		}
	}
}

func TestHostile(t *testing.T) {
	var images [][]byte
	for _, v := range versions {
		b := make([]byte, 256*kib)
		mirror(v, int64(len(b))).write(b)
		images = append(images, b)
	}
	scantest.Hostile(t, md.Scanner{}, images...)
}

// failing fails its n-th read, counted from 1.
type failing struct {
	io.ReaderAt
	n, reads int
}

var errFault = errors.New("injected read error")

func (f *failing) ReadAt(p []byte, off int64) (int, error) {
	if f.reads++; f.reads == f.n {
		return 0, errFault
	}
	return f.ReaderAt.ReadAt(p, off)
}

// TestFaults: a read that fails is an error, or makes no difference.
func TestFaults(t *testing.T) {
	for _, v := range versions {
		b := make([]byte, mib)
		s := mirror(v, mib)
		if v == "1.2" {
			s.features, s.bitmap = 1, 8
			putBitmap(b, 8192, 4, s.size, 64*kib)
		}
		s.write(b)
		for n := 1; ; n++ {
			f := &failing{ReaderAt: bytes.NewReader(b), n: n}
			vol := blockmap.Bytes(f, mib, 512)
			var k recorder
			_, err := md.Scanner{}.Scan(context.Background(), vol, &k)
			if f.reads < n {
				break
			}
			if !errors.Is(err, errFault) || k.inner != nil {
				t.Errorf("%s: read %d fails: %v", v, n, err)
			}
			f = &failing{ReaderAt: bytes.NewReader(b), n: n}
			if err := (md.Scanner{}).Probe(blockmap.Bytes(f, mib, 512)); f.reads >= n && !errors.Is(err, errFault) {
				t.Errorf("%s: read %d of the probe fails: %v", v, n, err)
			}
		}
	}
}

// edges is a volume with bytes at its start and at its end.
type edges struct {
	head, tail []byte
	size       int64
}

func (e *edges) ReadAt(p []byte, off int64) (int, error) {
	n := int(max(0, min(int64(len(p)), e.size-off)))
	for i := range p[:n] {
		switch at := off + int64(i); {
		case at < int64(len(e.head)):
			p[i] = e.head[at]
		case at >= e.size-int64(len(e.tail)):
			p[i] = e.tail[at-e.size+int64(len(e.tail))]
		default:
			p[i] = 0
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// FuzzScan changes superblocks and makes their checksums right again.
func FuzzScan(f *testing.F) {
	for i := range versions {
		f.Add(uint8(i), []byte{}, uint32(2*mib))
		f.Add(uint8(i), []byte{80, 0, 0xff, 136, 0, 0xff, 128, 0, 1}, uint32(mib+700))
		f.Add(uint8(i), []byte{8, 0, 1, 96, 0, 8}, uint32(4*mib))
	}
	f.Fuzz(func(t *testing.T, which uint8, edits []byte, more uint32) {
		v := versions[int(which)%len(versions)]
		n := int64(256*kib) + int64(more)%(1<<30)
		s := mirror(v, n)
		at := s.at(n)
		var b []byte
		if v == "0.90" {
			b = s.bytes0()
		} else {
			b = s.bytes1(at)
		}
		for ; len(edits) >= 3; edits = edits[3:] {
			b[int(binary.LittleEndian.Uint16(edits))%len(b)] = edits[2]
		}
		le := binary.LittleEndian
		csum, end := 216, 256+2*min(1920, int(le.Uint32(b[220:])))
		if v == "0.90" {
			csum, end = 4*38, len(b)
		}
		le.PutUint32(b[csum:], 0)
		sum := uint64(0)
		for i := 0; i+4 <= end; i += 4 {
			sum += uint64(le.Uint32(b[i:]))
		}
		if end%4 == 2 {
			sum += uint64(le.Uint16(b[end-2:]))
		}
		le.PutUint32(b[csum:], uint32(sum)+uint32(sum>>32))
		e := &edges{head: make([]byte, 16*kib), tail: make([]byte, 160*kib), size: n}
		putBitmap(e.head, 8192, 4, s.size, 65536)
		if at < 16*kib {
			copy(e.head[at:], b)
		} else {
			copy(e.tail[at-(n-int64(len(e.tail))):], b)
		}
		var k recorder
		r, err := md.Scanner{}.Scan(context.Background(), blockmap.Bytes(e, n, 512), &k)
		if k.freed > 0 || k.inner != nil && (err != nil || r.Whole != "") {
			t.Fatalf("%+v %+v %v", k, r, err)
		}
		if k.inner != nil {
			for x := range k.inner.Ranges(0, k.inner.Size()) {
				if x.Off < 0 || x.End() > n || x.Off < at+4096 && at < x.End() {
					t.Fatalf("data at %v, superblock at %d, of %d bytes", x, at, n)
				}
			}
		}
	})
}

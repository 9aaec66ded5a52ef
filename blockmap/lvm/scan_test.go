package lvm

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/scantest"
)

func volumeOf(b []byte) blockmap.Volume {
	return blockmap.Bytes(bytes.NewReader(b), int64(len(b)), 512)
}

// recorder is a Sink that keeps what it is told.
type recorder struct {
	free  []blockmap.Range
	names []string
	inner map[string]blockmap.Volume
}

func (r *recorder) Free(off, n int64) error {
	r.free = append(r.free, blockmap.Range{Off: off, Len: n})
	return nil
}

func (r *recorder) Nested(name string, v blockmap.Volume) error {
	if r.inner == nil {
		r.inner = map[string]blockmap.Volume{}
	}
	r.names = append(r.names, name)
	r.inner[name] = v
	return nil
}

func scan(t *testing.T, b []byte) (*recorder, blockmap.Report) {
	t.Helper()
	var k recorder
	r, err := Scanner{}.Scan(context.Background(), volumeOf(b), &k)
	if err != nil {
		t.Fatal(err)
	}
	return &k, r
}

// extentsAt are ranges of extents of 1 MiB from 1 MiB on.
func extentsAt(pairs ...int64) (r []blockmap.Range) {
	for i := 0; i < len(pairs); i += 2 {
		r = append(r, blockmap.Range{Off: mib + pairs[i]*mib, Len: pairs[i+1] * mib})
	}
	return r
}

const (
	raidParts = `raids = ["r_rmeta_0", "r_rimage_0", "r_rmeta_1", "r_rimage_1"]`
	hidden    = `"READ", "WRITE"`
)

func TestScan(t *testing.T) {
	for _, c := range []struct {
		name     string
		lvs      []string
		free     []blockmap.Range
		followed []string
		warn     []string // of single volumes, in order
	}{
		{"no volumes", nil, extentsAt(0, 14), nil, nil},
		{"linear", []string{lv("root", visible, linear(3, "pv0", 0))}, extentsAt(3, 11), []string{"vg--0-root"}, nil},
		{"two segments, backwards", []string{lv("a-b", visible, linear(2, "pv0", 12), linear(2, "pv0", 0))}, extentsAt(2, 10), []string{"vg--0-a--b"}, nil},
		{"full", []string{lv("a", visible, linear(14, "pv0", 0))}, nil, []string{"vg--0-a"}, nil},
		{"elsewhere", []string{lv("a", visible, linear(14, "pv1", 0))}, extentsAt(0, 14), nil, nil},
		{"partly elsewhere", []string{lv("a", visible, linear(2, "pv0", 1), linear(1, "pv1", 0))}, extentsAt(0, 1, 3, 11), nil, []string{"a is carried whole: parts of it lie on other physical volumes (pv1)"}},
		{"striped here", []string{lv("a", visible, striped(4, `"pv0", 0`, `"pv0", 7`))}, extentsAt(2, 5, 9, 5), []string{"vg--0-a"}, nil},
		{"striped over two", []string{lv("a", visible, striped(4, `"pv0", 0`, `"pv1", 7`))}, extentsAt(2, 12), nil, []string{"pv1"}},
		{"raid1", []string{
			lv("r", visible, "2 type = \"raid1\"\ndevice_count = 2\nregion_size = 1024\n"+raidParts),
			lv("r_rmeta_0", hidden, linear(1, "pv0", 0)), lv("r_rimage_0", hidden, linear(2, "pv0", 1)),
			lv("r_rmeta_1", hidden, linear(1, "pv1", 0)), lv("r_rimage_1", hidden, linear(2, "pv1", 1)),
		}, extentsAt(3, 11), nil, []string{"r is carried whole: it is a RAID (raid1)"}},
		{"raid with flags", []string{
			lv("r", visible, "2 type = \"raid5_ls+RESHAPE\"\ndevice_count = 2\nstripe_size = 128\nregion_size = 1024\n"+raidParts),
			lv("r_rmeta_0", hidden, linear(1, "pv0", 0)), lv("r_rimage_0", hidden, linear(2, "pv0", 1)),
			lv("r_rmeta_1", hidden, linear(1, "pv0", 6)), lv("r_rimage_1", hidden, linear(2, "pv0", 7)),
		}, extentsAt(3, 3, 9, 5), nil, []string{"r is carried whole: it is raid5_ls"}},
		{"mirror of old", []string{
			lv("m", visible, "2 type = \"mirror\"\nmirror_count = 2\nmirror_log = \"m_mlog\"\nregion_size = 1024\nmirrors = [\"pv0\", 4, \"pv1\", 0]"),
			lv("m_mlog", hidden, linear(1, "pv0", 0)),
		}, extentsAt(1, 3, 6, 8), nil, []string{"m is carried whole: it is a mirror"}},
		{"thin", []string{
			lv("pool", visible, "4 type = \"thin-pool\"\nmetadata = \"pool_tmeta\"\npool = \"pool_tdata\"\ntransaction_id = 1\nchunk_size = 128\ndiscards = \"passdown\"\nzero_new_blocks = 1\nmessage1 {\ncreate = \"thin\"\n}"),
			lv("thin", visible, "9 type = \"thin\"\nthin_pool = \"pool\"\ntransaction_id = 0\ndevice_id = 1"),
			lv("lvol0_pmspare", hidden, linear(1, "pv0", 0)), lv("pool_tmeta", hidden, linear(1, "pv0", 1)), lv("pool_tdata", hidden, linear(4, "pv0", 2)),
		}, extentsAt(6, 8), nil, []string{"pool is carried whole: it is thin provisioned", "thin is carried whole: it is thin provisioned", "lvol0_pmspare is carried whole: it is one of LVM's own"}},
		{"snapshot", []string{
			lv("origin", visible, linear(4, "pv0", 0)), lv("cow", visible, linear(1, "pv0", 4)),
			lv("snapshot0", hidden, "4 type = \"snapshot\"\nchunk_size = 8\norigin = \"origin\"\ncow_store = \"cow\""),
		}, extentsAt(5, 9), nil, []string{"origin is carried whole: it has a snapshot or is one", "cow is carried whole: it has a snapshot or is one", "snapshot0 is carried whole: it is a snapshot"}},
		{"cache", []string{
			lv("c", visible, "4 type = \"cache\"\ncache_pool = \"fast\"\norigin = \"c_corig\""),
			lv("fast", hidden, "1 type = \"cache-pool\"\ndata = \"fast_cdata\"\nmetadata = \"fast_cmeta\"\nchunk_size = 128\ncache_mode = \"writeback\"\npolicy = \"smq\"\npolicy_settings {\nmigration_threshold = 2048\n}"),
			lv("c_corig", hidden, linear(4, "pv0", 0)), lv("fast_cdata", hidden, linear(1, "pv0", 4)), lv("fast_cmeta", hidden, linear(1, "pv0", 5)),
		}, extentsAt(6, 8), nil, []string{"c is carried whole: it is cached"}},
		{"pvmove", []string{
			lv("a", `"READ", "WRITE", "VISIBLE", "LOCKED"`, "2 type = \"striped\"\nstripe_count = 1\nstripes = [\"pvmove0\", 0]"),
			lv("pvmove0", `"READ", "WRITE", "PVMOVE", "LOCKED"`, "2 type = \"mirror\"\nmirror_count = 2\nextents_moved = 1\nmirrors = [\"pv0\", 0, \"pv0\", 8]"),
			lv("b", visible, linear(1, "pv0", 3)),
		}, extentsAt(2, 1, 4, 4, 10, 4), []string{"vg--0-b"}, []string{"a is carried whole: it has the flag LOCKED"}},
		{"a flag", []string{lv("a", `"READ", "WRITE", "VISIBLE", "NOTSYNCED"`, linear(3, "pv0", 0))}, extentsAt(3, 11), nil, []string{"it has the flag NOTSYNCED"}},
		{"not visible", []string{lv("a", hidden, linear(3, "pv0", 0))}, extentsAt(3, 11), nil, []string{"it is one of LVM's own"}},
		{"odd stripes", []string{lv("a", visible, strings.Replace(striped(4, `"pv0", 0`, `"pv0", 7`), "128", "1000", 1))}, extentsAt(2, 5, 9, 5), nil, []string{"its stripes cannot be followed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, r := scan(t, usual(vgText(7, c.lvs...)).bytes())
			if r.Whole != "" || !slices.Equal(k.free, c.free) || !slices.Equal(k.names, c.followed) {
				t.Errorf("whole %q\nfree     %v\nmust be  %v\nfollowed %q", r.Whole, k.free, c.free, k.names)
			}
			if r.UUID != formatUUID(uuid0) || r.BlockSize != mib || !slices.Contains(r.Features, "seqno=7") {
				t.Errorf("%+v", r)
			}
			if len(r.Warnings) != 1+len(c.warn) || !strings.Contains(r.Warnings[0], "pv1 ("+formatUUID(uuid1)+", last seen as /dev/sdb1)") {
				t.Fatalf("%q", r.Warnings)
			}
			for i, w := range c.warn {
				if !strings.Contains(r.Warnings[i+1], w) {
					t.Errorf("%q does not say %q", r.Warnings[i+1], w)
				}
			}
		})
	}
}

// TestWhole has what must be refused, as edits of a text or of a disk.
func TestWhole(t *testing.T) {
	good := vgText(7, lv("a", visible, linear(3, "pv0", 0)), lv("b", visible, linear(3, "pv0", 3)))
	for _, c := range []struct{ name, old, new, want string }{
		{"exported", `"RESIZEABLE", `, `"RESIZEABLE", "EXPORTED", `, "vgimport"},
		{"clustered", `"RESIZEABLE", `, `"CLUSTERED", `, "shared between machines"},
		{"partial", `"RESIZEABLE", `, `"PARTIAL", `, "partial"},
		{"unknown flag of the group", `"RESIZEABLE", `, `"NEW", `, `"NEW"`},
		{"lock type", "max_lv = 0", `lock_type = "sanlock"`, "sanlock"},
		{"format", `"lvm2"`, `"lvm3"`, "lvm3"},
		{"version", "version = 1", "version = 2", "version 2"},
		{"contents", "Text Format Volume Group", "Something", "Something"},
		{"two groups", "# Generated", "other {\n}\n#", "more than one"},
		{"unknown section", "logical_volumes {", "x {\n}\nlogical_volumes {", `section "x"`},
		{"a value for a section", "physical_volumes {", "a {", "no physical volumes"},
		{"missing", `"ALLOCATABLE"`, `"ALLOCATABLE", "MISSING"`, "missing"},
		{"missing, as a flag", "status = [\"ALLOCATABLE\"]\n\t\t\tflags = []", "status = [\"ALLOCATABLE\"]\n\t\t\tflags = [\"MISSING\"]", "missing"},
		{"exported pv", `"ALLOCATABLE"`, `"EXPORTED"`, "vgimport"},
		{"unknown flag of the pv", `"ALLOCATABLE"`, `"NEW"`, "NEW"},
		{"not in the group", formatUUID(uuid0), formatUUID(uuid1)[:5] + "x" + formatUUID(uuid1)[6:], "not one of volume group"},
		{"the same twice", formatUUID(uuid1), formatUUID(uuid0), "not one of volume group"},
		{"larger than the device", "dev_size = 32768", "dev_size = 32769", "truncated"},
		{"extents beyond the device", "pe_count = 14", "pe_count = 16", "truncated"},
		{"2^32-1 extents", "pe_count = 14", "pe_count = 4294967295", "truncated"},
		{"start elsewhere", "pe_start = 2048", "pe_start = 2056", "disagree"},
		{"start beyond everything", "pe_start = 2048", "pe_start = 9007199254740990", "truncated"},
		{"no extents", "extent_size = 2048", "extent_size = 0", "no extents"},
		{"a negative number", "extent_size = 2048", "extent_size = -1", "extent_size"},
		{"no number", "extent_size = 2048", `extent_size = "2048"`, "extent_size"},
		{"boot area in the extents", "pe_count = 14", "pe_count = 14\nba_start = 4096\nba_size = 8", "overlap"},
		{"unknown flag of a volume", visible, `"NEW"`, `"NEW"`},
		{"unknown segment", `type = "striped"`, `type = "magic"`, `"magic"`},
		{"unknown flag of a segment", `type = "striped"`, `type = "striped+NEW"`, `"striped+NEW"`},
		{"overlap", "\"pv0\", 3\n", "\"pv0\", 2\n", "claim extent 2"},
		{"beyond the end", "\"pv0\", 3\n", "\"pv0\", 12\n", "beyond"},
		{"far beyond the end", "\"pv0\", 3\n", "\"pv0\", 4294967295\n", "beyond"},
		{"a gap", "start_extent = 0", "start_extent = 1", "begins at extent 1"},
		{"segment count", "segment_count = 1", "segment_count = 2", "says otherwise"},
		{"no such volume", "\"pv0\", 3\n", "\"pv9\", 3\n", "pv9"},
		{"areas", "\"pv0\", 3\n", "\"pv0\"\n", "areas"},
		{"areas that are none", "\"pv0\", 3\n", "3, \"pv0\"\n", "area that is none"},
		{"no stripes", "stripe_count = 1", "stripe_count = 0", "areas"},
		{"a pv elsewhere", "stripe_count = 1", "stripe_count = 1\nother = \"pv0\"", "names the physical volume"},
		{"twice", "max_lv = 0", "max_lv = 0\nmax_lv = 0", "twice"},
		{"open end", "creation_time", "} creation_time", "unexpected"},
		{"open string", `"here"`, `"here`, "line"},
		{"open section", "vg-0 {", "vg-0 { x {", "does not end"},
		{"nonsense", "max_lv = 0", "max_lv = ?", "neither"},
		{"list of lists", "flags = []", "flags = [[]]", "neither"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(good, c.old) {
				t.Fatalf("%q is not in the text", c.old)
			}
			k, r := scan(t, usual(strings.Replace(good, c.old, c.new, 1)).bytes())
			if !strings.Contains(r.Whole, c.want) || len(k.free)+len(k.names) > 0 {
				t.Errorf("%q does not say %q; %v, %v", r.Whole, c.want, k.free, k.names)
			}
		})
	}
}

func TestWholeDisk(t *testing.T) {
	text := vgText(7, lv("a", visible, linear(3, "pv0", 0)))
	second := mda{off: 15*mib + 512*kib, size: 512 * kib, at: 512}
	for _, c := range []struct {
		name string
		edit func(d *disk)
		raw  func(b []byte)
		want string
	}{
		{"no metadata areas", func(d *disk) { d.mdas = nil }, nil, "on other disks"},
		{"orphan", func(d *disk) { d.mdas[0].text, d.flags = "", 0 }, nil, "no volume group"},
		{"used, but no text", func(d *disk) { d.mdas[0].text = "" }, nil, "metadata is on other disks"},
		{"ignored", func(d *disk) { d.mdas[0].flags = 1 }, nil, "ignored"},
		{"unknown flag", func(d *disk) { d.mdas[0].flags = 2 }, nil, "flags 0x2"},
		{"being committed", func(d *disk) { d.mdas[0].next = 8192 }, nil, "was interrupted"},
		{"second slot outside", func(d *disk) { d.mdas[0].next = 2 * mib }, nil, "outside of itself"},
		{"an empty second area", func(d *disk) { d.mdas = append(d.mdas, second) }, nil, ""},
		{"an area beyond the device", nil, func(b []byte) { binary.LittleEndian.PutUint64(b[512+32+40+32+8:], 16*mib); resum(b, 1020, 0) }, "does not lie on the volume"},
		{"header extension", func(d *disk) { d.version = 3 }, nil, "version 3"},
		{"header flags", func(d *disk) { d.flags = 2 }, nil, "flags 0x2"},
		{"boot area in the extents", func(d *disk) { d.boot = [2]int64{mib, 512} }, nil, "overlap"},
		{"text's checksum", nil, func(b []byte) { b[4*kib+600] ^= 1 }, "text in LVM metadata area 1 has a wrong checksum"},
		{"header's checksum", nil, func(b []byte) { b[4*kib+300] ^= 1 }, "header of LVM metadata area 1 has a wrong checksum"},
		{"header's magic", nil, func(b []byte) { b[4*kib+4] ^= 1 }, "no valid header"},
		{"the same text, other contents", func(d *disk) { second.text = strings.Replace(text, "here", "gone", 1); d.mdas = append(d.mdas, second) }, nil, "differ"},
		{"second area is damaged", func(d *disk) { second.text = text; d.mdas = append(d.mdas, second) }, func(b []byte) { b[second.off+9] = 0 }, "area 2"},
		{"five areas", func(d *disk) { d.mdas = append(d.mdas, second, second, second, second) }, nil, "5 metadata areas"},
		{"text behind its end", func(d *disk) { d.mdas[0].text += "\x00x" }, nil, "behind its end"},
		{"area over the extents", func(d *disk) { d.mdas[0].size = 2 * mib }, nil, "overlap"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := usual(text)
			if c.edit != nil {
				c.edit(d)
			}
			b := d.bytes()
			if c.raw != nil {
				c.raw(b)
			}
			k, r := scan(t, b)
			if !strings.Contains(r.Whole, c.want) || (r.Whole == "") != (c.want == "") || r.Whole != "" && len(k.free)+len(k.names) > 0 {
				t.Errorf("%q does not say %q; %v, %v", r.Whole, c.want, k.free, k.names)
			}
		})
	}
}

func TestLabel(t *testing.T) {
	text := vgText(7, lv("a", visible, linear(3, "pv0", 0)))
	for sector := range int64(5) {
		d := usual(text)
		d.sector = sector
		err := Scanner{}.Probe(volumeOf(d.bytes()))
		if want := map[bool]error{true: nil, false: blockmap.ErrNotMine}[sector < 4]; err != want {
			t.Errorf("sector %d: %v", sector, err)
		}
	}
	b := usual(text).bytes()
	for _, c := range []struct {
		name string
		edit func(b []byte)
		want string
	}{
		{"two", func(b []byte) { copy(b[1024:1536], b[512:1024]) }, "two LVM labels"},
		{"checksum", func(b []byte) { b[900] = 1 }, "wrong checksum"},
		{"number", func(b []byte) { copy(b[:512], b[512:1024]); clear(b[512:1024]) }, "that of sector 1"},
		{"offset", func(b []byte) { resum(b, 512+20, 600) }, "outside of the sector"},
		{"endless lists", func(b []byte) {
			for i := 512 + 72; i+8 <= 1024; i += 8 {
				b[i] = 1
			}
			resum(b, 1020, 0)
		}, "do not end"},
		{"absurd area", func(b []byte) { b[512+72+7] = 0x80; resum(b, 1020, 0) }, "absurd"},
		{"UUID", func(b []byte) { b[512+32] = ' '; resum(b, 1020, 0) }, "UUID"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bytes.Clone(b)
			c.edit(b)
			if err := (Scanner{}).Probe(volumeOf(b)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
			if _, r := scan(t, b); !strings.Contains(r.Whole, c.want) {
				t.Errorf("%q", r.Whole)
			}
		})
	}
}

// resum sets a number in the label of sector 1, and its checksum.
func resum(b []byte, at int, v uint32) {
	binary.LittleEndian.PutUint32(b[at:], v)
	binary.LittleEndian.PutUint32(b[512+16:], checksum(b[512+20:1024]))
}

// TestNewest: of two areas, the newer text counts; a text may wrap.
func TestNewest(t *testing.T) {
	old := vgText(7, lv("a", visible, linear(3, "pv0", 0)))
	now := vgText(8, lv("a", visible, linear(3, "pv0", 0)), lv("b", visible, linear(2, "pv0", 8)))
	for i, texts := range [][2]string{{old, now}, {now, old}, {now, now}} {
		d := usual(texts[0])
		d.mdas = append(d.mdas, mda{off: 15*mib + 512*kib, size: 512 * kib, text: texts[1], at: 512*kib - 1000})
		d.mdas[0].at = d.mdas[0].size - 512
		k, r := scan(t, d.bytes())
		if r.Whole != "" || !slices.Equal(k.free, extentsAt(3, 5, 10, 4)) {
			t.Errorf("%d: %q %v", i, r.Whole, k.free)
		}
		if got := strings.Contains(strings.Join(r.Warnings, "\n"), "different age"); got != (i < 2) {
			t.Errorf("%d: %q", i, r.Warnings)
		}
	}
}

// TestVolume compares logical volumes with bytes put together by hand.
func TestVolume(t *testing.T) {
	d := usual(vgText(7,
		lv("lin", visible, linear(2, "pv0", 12), linear(1, "pv0", 0), linear(1, "pv0", 1)),
		lv("str", visible, striped(6, `"pv0", 9`, `"pv0", 2`, `"pv0", 5`), linear(1, "pv0", 8))))
	b := d.bytes()
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := mib; i < 15*mib; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], rnd.Uint64())
	}
	at := func(extent, off, n int64) []byte { return b[mib+extent*mib+off:][:n] }
	want := map[string][]byte{"vg--0-lin": bytes.Join([][]byte{at(12, 0, 2*mib), at(0, 0, mib), at(1, 0, mib)}, nil)}
	var str []byte
	for off := int64(0); off < 2*mib; off += 64 * kib {
		for _, e := range []int64{9, 2, 5} {
			str = append(str, at(e, off, 64*kib)...)
		}
	}
	want["vg--0-str"] = append(str, at(8, 0, mib)...)
	outer, err := blockmap.Section(blockmap.Bytes(bytes.NewReader(append(make([]byte, 5*512), b...)), int64(5*512+len(b)), 4096), 5*512, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var k recorder
	if r, err := (Scanner{}).Scan(context.Background(), outer, &k); err != nil || r.Whole != "" {
		t.Fatal(r, err)
	}
	if n := len(slices.Collect(k.inner["vg--0-lin"].Ranges(0, 4*mib))); n != 2 {
		t.Errorf("%d ranges", n)
	}
	for name, want := range want {
		v := k.inner[name]
		if v.Size() != int64(len(want)) || v.SectorSize() != 4096 {
			t.Fatalf("%s: %d bytes, must be %d", name, v.Size(), len(want))
		}
		for i := range 500 {
			off := rnd.Int64N(v.Size())
			n := rnd.Int64N(min(v.Size()-off, 300*kib)) + 1
			if i == 0 {
				off, n = 0, v.Size()
			}
			p := make([]byte, n)
			if got, err := v.ReadAt(p, off); int64(got) != n || err != nil && err != io.EOF || !bytes.Equal(p, want[off:off+n]) {
				t.Fatalf("%s: reading %d at %d: %d, %v", name, n, off, got, err)
			}
			p = p[:0]
			for r := range v.Ranges(off, n) {
				p = append(p, b[r.Off-5*512:r.End()-5*512]...)
			}
			if !bytes.Equal(p, want[off:off+n]) {
				t.Fatalf("%s: the ranges of %d at %d are wrong", name, n, off)
			}
		}
		p := make([]byte, 100)
		if n, err := v.ReadAt(p, v.Size()-40); n != 40 || err != io.EOF {
			t.Errorf("%s: at the end: %d, %v", name, n, err)
		}
		if n, err := v.ReadAt(p, v.Size()); n != 0 || err != io.EOF {
			t.Errorf("%s: behind the end: %d, %v", name, n, err)
		}
	}
}

func TestHolds(t *testing.T) {
	v := volumeOf(usual(vgText(7, lv("a", visible, linear(2, "pv0", 1)))).bytes())
	for off, want := range map[int64]bool{0: false, 512: false, 2*mib - 1: false, 2 * mib: true, 4*mib - 1: true, 4 * mib: false, 16*mib - 1: false} {
		if got := (Scanner{}).Holds(v, off); got != want {
			t.Errorf("byte %d: %v", off, got)
		}
	}
}

// TestManyVolumes holds reading a large group to a second or so.
func TestManyVolumes(t *testing.T) {
	var lvs []string
	for i := range 3000 {
		lvs = append(lvs, lv(fmt.Sprintf("volume%d", i), visible, linear(1, "pv1", i)))
	}
	d := usual(vgText(9, lvs...))
	d.size = 16 * mib
	if k, r := scan(t, d.bytes()); r.Whole != "" || len(k.free) != 1 {
		t.Errorf("%q, %v", r.Whole, k.free)
	}
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

// TestFaults: a read that fails is an error: nothing is freed after it.
func TestFaults(t *testing.T) {
	text := vgText(7, lv("a", visible, linear(3, "pv0", 0)))
	d := usual(text)
	d.mdas[0].at = d.mdas[0].size - 512 // so that it wraps
	d.mdas = append(d.mdas, mda{off: 15*mib + 512*kib, size: 512 * kib, text: text, at: 512})
	b := d.bytes()
	n := 1
	for ; ; n++ {
		f := &failing{ReaderAt: bytes.NewReader(b), n: n}
		var k recorder
		_, err := Scanner{}.Scan(context.Background(), blockmap.Bytes(f, int64(len(b)), 512), &k)
		if f.reads < n {
			break
		}
		if !errors.Is(err, errFault) || len(k.free)+len(k.names) > 0 {
			t.Errorf("read %d fails: %v, %v", n, err, k.free)
		}
	}
	if n != 7 { // the label, then header and text of two areas, one of which wraps
		t.Errorf("%d reads", n-1)
	}
}

func TestHostile(t *testing.T) {
	small := usual(vgText(7, lv("a", visible, linear(2, "pv0", 1)), lv("s", visible, striped(2, `"pv0", 4`, `"pv0", 6`))))
	scantest.Hostile(t, Scanner{}, small.bytes()[:64*kib])
}

// padded is a disk of 16 MiB with zeros behind its bytes.
type padded []byte

func (d padded) ReadAt(p []byte, off int64) (int, error) {
	n := int(max(0, min(int64(len(p)), 16*mib-off)))
	clear(p[:n])
	if off < int64(len(d)) {
		copy(p[:n], d[off:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// FuzzScan changes the text and the label of a sound volume, and makes their
// checksums right again.
func FuzzScan(f *testing.F) {
	good := vgText(7, lv("a", visible, linear(2, "pv0", 1)), lv("s", visible, striped(2, `"pv0", 4`, `"pv0", 6`)))
	f.Add(good, []byte{}, int64(512))
	f.Add(strings.Replace(good, "14", "4294967295", 1), []byte{72, 1}, int64(60*kib-1024))
	f.Add(vgText(7, lv("m", visible, "2 type = \"mirror\"\nmirror_count = 1\nmirrors = [\"pv0\", 4]")), []byte{}, int64(1024))
	f.Add("a { b = [1, \"x\\\"\"] # c\n}", []byte{20, 200}, int64(0))
	f.Fuzz(func(t *testing.T, text string, edits []byte, at int64) {
		if len(text) >= 60*kib-512 {
			return
		}
		d := usual(text)
		d.size, d.mdas[0].size = 64*kib, 60*kib
		d.mdas[0].at = 512 + (at&0xfffff)%(d.mdas[0].size-1024)
		b := d.bytes()
		for ; len(edits) >= 2; edits = edits[2:] {
			b[512+int(edits[0])*2] = edits[1]
		}
		resum(b, 1020, 0)
		var k recorder
		v := blockmap.Bytes(padded(b), 16*mib, 512)
		r, err := Scanner{}.Scan(context.Background(), v, &k)
		at = 0
		for _, x := range k.free {
			if x.Off < max(at, 1024) || x.Len <= 0 || x.End() > v.Size() {
				t.Fatalf("%v is freed behind %d; %+v %v", x, at, r, err)
			}
			at = x.End()
		}
		for name, in := range k.inner {
			for x := range in.Ranges(0, in.Size()) {
				if x.Off < 1024 || x.End() > v.Size() {
					t.Fatalf("%s lies at %v", name, x)
				}
				for _, y := range k.free {
					if x.Off < y.End() && y.Off < x.End() {
						t.Fatalf("%s has %v of what is free", name, x)
					}
				}
			}
			_, _ = in.ReadAt(make([]byte, 4096), in.Size()-100)
		}
	})
}

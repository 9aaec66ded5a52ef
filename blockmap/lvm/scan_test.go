package lvm

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
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

func (*recorder) Data(int64, int64, blockmap.FileID, int64) error { return errors.ErrUnsupported }

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

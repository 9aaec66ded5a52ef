package blockmap

import (
	"bytes"
	"testing"
)

// holder is a scripted Scanner whose inner volumes are ranges.
type holder struct {
	scripted
	holds []Range
}

func (h holder) Holds(_ Volume, off int64) bool {
	for _, r := range h.holds {
		if r.Off <= off && off < r.End() {
			return true
		}
	}
	return false
}

// TestOutermost: which of several formats is that of the volume, and which is
// that of a volume inside it.
func TestOutermost(t *testing.T) {
	const end = testSize - 8192
	b := make([]byte, testSize)
	copy(b, "XFSB")
	copy(b[end:], "\xfc\x4e\x2b\xa9") // md 1.0
	v := Bytes(bytes.NewReader(b), testSize, 512)
	free := frees(Range{1 << 20, 1 << 20})
	named := func(name string) scripted { return scripted{name, nil, free} }
	all := []Range{{0, end}}
	md := func(holds []Range) Scanner { return holder{named("linux_raid_member"), holds} }
	table := func(holds ...Range) Scanner { return holder{named("table"), holds} }
	for _, c := range []struct {
		name     string
		scanners []Scanner
		kind     string // empty: more than one
	}{
		{"a filesystem in a member", []Scanner{named("xfs"), md(all)}, "linux_raid_member"},
		{"without its scanner", []Scanner{md(all)}, "linux_raid_member"},
		{"a member that is not followed", []Scanner{named("xfs"), md(nil)}, ""},
		{"a member that begins later", []Scanner{named("xfs"), md([]Range{{4096, end - 4096}})}, ""},
		{"a member whose data ends before the mark", []Scanner{named("xfs"), md([]Range{{0, 2}})}, "linux_raid_member"},
		{"a member without data", []Scanner{named("xfs"), md([]Range{{0, 0}})}, ""},
		{"a filesystem and another one", []Scanner{named("xfs"), named("b")}, ""},
		{"a filesystem, another one and a member", []Scanner{named("xfs"), named("b"), md(all)}, "linux_raid_member"},
		{"two containers, each in the other", []Scanner{holder{named("xfs"), []Range{{0, testSize}}}, holder{named("b"), []Range{{0, testSize}}}}, ""},
		// The mark at the start is of a filesystem that was on the disk before: no
		// partition begins there.
		{"a table over an old filesystem", []Scanner{table(Range{4096, testSize - 4096})}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, info := mustScan(t, v, c.scanners...)
			if (info.Whole == "") != (c.kind != "") || c.kind != "" && info.Type != c.kind || c.kind == "" && m.Bytes() != testSize {
				t.Errorf("type %q, whole %q", info.Type, info.Whole)
			}
		})
	}
	copy(b, "\x00\x00\x00\x00")
	for _, c := range []struct {
		name     string
		scanners []Scanner
		kind     string
	}{
		{"a member in the last partition", []Scanner{md(all), table(Range{4096, testSize - 4096})}, "table"},
		{"a member that is divided", []Scanner{table(Range{4096, 1 << 20}), md(all)}, "linux_raid_member"},
		{"a member that is not followed, with a table", []Scanner{table(Range{4096, 1 << 20}), md(nil)}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, info := mustScan(t, v, c.scanners...)
			if (info.Whole == "") != (c.kind != "") || c.kind != "" && info.Type != c.kind {
				t.Errorf("type %q, whole %q", info.Type, info.Whole)
			}
		})
	}
}

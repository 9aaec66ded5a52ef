package lvm

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/scantest"
)

// second is pv1 of the group that usual makes pv0 of.
func second(text string) *disk {
	d := usual(text)
	d.uuid = uuid1
	return d
}

// assembled is what came of assembling disks.
type assembled struct {
	sinks   []recorder
	across  recorder
	reports []blockmap.Report
}

func assemble(t *testing.T, disks ...[]byte) (a assembled) {
	t.Helper()
	a.sinks = make([]recorder, len(disks))
	var parts []blockmap.Part
	for i, b := range disks {
		parts = append(parts, blockmap.Part{Volume: volumeOf(b), Sink: &a.sinks[i]})
	}
	var err error
	if a.reports, err = (Scanner{}).Assemble(context.Background(), parts, a.across.Nested); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAssemble(t *testing.T) {
	text := vgText(7,
		lv("one", visible, linear(2, "pv1", 0)),
		lv("lin", visible, linear(2, "pv0", 3), linear(1, "pv1", 5)),
		lv("str", visible, striped(4, `"pv0", 8`, `"pv1", 10`)))
	disks := [][]byte{usual(text).bytes(), second(strings.Replace(text, "1795654011", "1795654012", 1)).bytes()}
	for i, b := range disks {
		for at := int64(mib); at < 15*mib; at += 512 {
			copy(b[at:], []byte{byte(i), byte(at >> 20), byte(at >> 9)})
		}
		if id, of := (Scanner{}).PartOf(volumeOf(b)); id != "vvvvvv-vvvv-vvvv-vvvv-vvvv-vvvv-vvvvvv" || of != 2 {
			t.Errorf("part %q of %d", id, of)
		}
	}
	a := assemble(t, disks...)
	for i, want := range [][]blockmap.Range{extentsAt(0, 3, 5, 3, 10, 4), extentsAt(2, 3, 6, 4, 12, 2)} {
		if r := a.reports[i]; r.Whole != "" || len(r.Warnings) > 0 || !slices.Equal(a.sinks[i].free, want) {
			t.Errorf("disk %d: %+v\nfree    %v\nmust be %v", i, r, a.sinks[i].free, want)
		}
	}
	if !slices.Equal(a.across.names, []string{"vg--0-lin", "vg--0-str"}) || !slices.Equal(a.sinks[1].names, []string{"vg--0-one"}) || a.sinks[0].names != nil {
		t.Fatalf("%q %q %q", a.across.names, a.sinks[0].names, a.sinks[1].names)
	}
	at := func(disk int, extent, off, n int64) []byte { return disks[disk][mib+extent*mib+off:][:n] }
	var striped []byte
	for off := int64(0); off < 2*mib; off += 64 * kib {
		striped = append(append(striped, at(0, 8, off, 64*kib)...), at(1, 10, off, 64*kib)...)
	}
	for name, want := range map[string][]byte{"vg--0-lin": slices.Concat(at(0, 3, 0, 2*mib), at(1, 5, 0, mib)), "vg--0-str": striped} {
		v := a.across.inner[name]
		got := make([]byte, v.Size())
		if n, err := v.ReadAt(got, 0); n != len(want) || err != nil && err != io.EOF || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v, or wrong ones", name, n, err)
		}
	}
}

// TestAssembleRaid1 has the copies of a raid1 on two disks, and on one and both.
func TestAssembleRaid1(t *testing.T) {
	text := vgText(7, mirrored(leg0(), leg1())...)
	disks := func() [][]byte {
		two := [][]byte{usual(text).bytes(), second(text).bytes()}
		copy(two[0][at(2):], scantest.RaidMeta(0, 2, 3*mib))
		copy(two[1][at(0):], scantest.RaidMeta(1, 2, 3*mib))
		return two
	}
	a := assemble(t, disks()...)
	if w := slices.Concat(a.reports[0].Warnings, a.reports[1].Warnings); len(w) > 0 || !slices.Equal(a.across.names, []string{"vg--0-r"}) {
		t.Fatalf("%q %q", a.across.names, w)
	}
	v := a.across.inner["vg--0-r"].(blockmap.Copied)
	if c := v.Copies(); len(c) != 1 || c[0].Size() != v.Size() || !slices.Equal(slices.Collect(c[0].Ranges(0, c[0].Size())), extentsAt(1, 3)) {
		t.Errorf("copies %v", c)
	}
	torn := disks()
	torn[1][at(0)+4096+256] = 1 // the second copy knows of a write
	if a = assemble(t, torn...); len(a.across.names) > 0 || !strings.Contains(strings.Join(a.reports[1].Warnings, ""), "may differ") {
		t.Errorf("%q %q", a.across.names, a.reports[1].Warnings)
	}
}

// TestAssembleRefuses has groups that cannot be trusted: nothing may be freed.
func TestAssembleRefuses(t *testing.T) {
	now, old := vgText(7, lv("a", visible, linear(2, "pv1", 0))), vgText(6, lv("a", visible, linear(2, "pv0", 0)))
	broken := second(now).bytes()
	broken[4*kib+100] ^= 1 // under the header's checksum
	for name, c := range map[string]struct {
		disks [][]byte
		why   string
	}{
		"one was away": {[][]byte{usual(old).bytes(), second(now).bytes()}, "numbers 6 and 7"},
		"a clone":      {[][]byte{usual(now).bytes(), usual(now).bytes()}, "one is a copy of the other"},
		"damaged":      {[][]byte{usual(now).bytes(), broken}, "wrong checksum"},
	} {
		a := assemble(t, c.disks...)
		for i, r := range a.reports {
			if !strings.Contains(r.Whole, c.why) || len(a.sinks[i].free)+len(a.sinks[i].names)+len(a.across.names) > 0 {
				t.Errorf("%s: disk %d: %q, %v", name, i, r.Whole, a.sinks[i])
			}
		}
	}
}

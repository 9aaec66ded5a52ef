package lvm

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
)

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

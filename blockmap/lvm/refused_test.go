package lvm

import (
	"encoding/binary"
	"strings"
	"testing"
)

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

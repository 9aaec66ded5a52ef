package lvm

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/scantest"
)

// mirrored is a raid1 r of 3 extents, with its copies where the pairs say: the
// metadata's volume and extent, then the image's segments.
func mirrored(legs ...[]string) []string {
	var names []string
	var lvs []string
	for i, l := range legs {
		names = append(names, fmt.Sprintf("%q, %q", fmt.Sprintf("r_rmeta_%d", i), fmt.Sprintf("r_rimage_%d", i)))
		lvs = append(lvs, lv(fmt.Sprintf("r_rmeta_%d", i), hidden, l[0]), lv(fmt.Sprintf("r_rimage_%d", i), hidden, l[1:]...))
	}
	body := fmt.Sprintf("3 type = \"raid1\"\ndevice_count = %d\nregion_size = 1024\nraids = [%s]", len(legs), strings.Join(names, ", "))
	return append([]string{lv("r", visible, body)}, lvs...)
}

// leg0 lies on pv0 in two pieces, leg1 on pv1, leg2 on pv0.
func leg0() []string { return []string{linear(1, "pv0", 2), linear(2, "pv0", 5), linear(1, "pv0", 3)} }
func leg1() []string { return []string{linear(1, "pv1", 0), linear(3, "pv1", 1)} }
func leg2() []string { return []string{linear(1, "pv0", 8), linear(3, "pv0", 9)} }

// at is where extent n of the usual disk begins.
func at(n int64) int64 { return mib + n*mib }

func TestRaid1(t *testing.T) {
	free := extentsAt(0, 2, 4, 1, 7, 7)
	for _, c := range []struct {
		name string
		lvs  []string
		edit func(b []byte)
		why  string // empty: followed
		free []blockmap.Range
	}{
		{"in sync", mirrored(leg0(), leg1()), nil, "", free},
		{"the second copy", mirrored(leg1(), leg0()), func(b []byte) { copy(b[at(2):], scantest.RaidMeta(1, 2, 3*mib)) }, "", free},
		{"before 1.9.0", mirrored(leg0(), leg1()), func(b []byte) { clear(b[at(2)+60:][:88]); b[at(2)+4] = 0 }, "", free},
		{"old size", mirrored(leg0(), leg1()), func(b []byte) { b[at(2)+112] ^= 0xff }, "", free},
		{"ones behind the last region", mirrored(leg0(), leg1()), func(b []byte) { b[at(2)+4096+256] = 0xc0; b[at(2)+4096+257] = 0xff }, "", free},
		{"two copies here", mirrored(leg0(), leg2()), func(b []byte) { copy(b[at(8):], scantest.RaidMeta(1, 2, 3*mib)) }, "", extentsAt(0, 2, 4, 1, 7, 1, 12, 2)},
		{"three copies", mirrored(leg0(), leg1(), leg2()), func(b []byte) {
			copy(b[at(2):], scantest.RaidMeta(0, 3, 3*mib))
			copy(b[at(8):], scantest.RaidMeta(2, 3, 3*mib))
		}, "", extentsAt(0, 2, 4, 1, 7, 1, 12, 2)},

		{"not activated yet", mirrored(leg0(), leg1()), func(b []byte) { clear(b[at(2):][:mib]) }, "no RAID superblock", free},
		{"first region written to", mirrored(leg0(), leg1()), func(b []byte) { b[at(2)+4096+256] = 1 }, "may differ", free},
		{"last region written to", mirrored(leg0(), leg1()), func(b []byte) { b[at(2)+4096+256] = 0x20 }, "may differ", free},
		{"a copy failed", mirrored(leg0(), leg1()), func(b []byte) { b[at(2)+24] = 2 }, "as failed", free},
		{"copy 200 failed", mirrored(leg0(), leg1()), func(b []byte) { b[at(2)+143] = 1 }, "as failed", free},
		{"recovering", mirrored(leg0(), leg1()), func(b []byte) { clear(b[at(2)+32:][:8]) }, "being recovered", free},
		{"half recovered", mirrored(leg0(), leg1()), func(b []byte) { b[at(2)+32] = 0 }, "being recovered", free},
		{"first synchronisation", mirrored(leg0(), leg1()), func(b []byte) { clear(b[at(2)+40:][:8]) }, "being synchronised", free},
		{"reshape", mirrored(leg0(), leg1()), func(b []byte) { b[at(2)+60] = 1 }, "reshaped", free},
		{"reshape position", mirrored(leg0(), leg1()), func(b []byte) { clear(b[at(2)+64:][:8]) }, "reshaped", free},
		{"more devices", mirrored(leg0(), leg1()), func(b []byte) { b[at(2)+84] = 1 }, "reshaped", free},
		{"level 5", mirrored(leg0(), leg1()), func(b []byte) { b[at(2)+48] = 5 }, "another level", free},
		{"becomes level 5", mirrored(leg0(), leg1()), func(b []byte) { b[at(2)+72] = 5 }, "another level", free},
		{"another position", mirrored(leg0(), leg1()), func(b []byte) { b[at(2)+12] = 1 }, "copy 1 of 2", free},
		{"of three", mirrored(leg0(), leg1()), func(b []byte) { b[at(2)+8] = 3 }, "copy 0 of 3", free},
		{"unknown feature", mirrored(leg0(), leg1()), func(b []byte) { b[at(2)+4] = 3 }, "features that are not known", free},
		{"incompatible feature", mirrored(leg0(), leg1()), func(b []byte) { b[at(2)+144] = 1 }, "features that are not known", free},
		{"more contents", mirrored(leg0(), leg1()), func(b []byte) { b[at(2)+500] = 1 }, "contents that are not known", free},
		{"more contents before 1.9.0", mirrored(leg0(), leg1()), func(b []byte) { b[at(2)+4] = 0 }, "contents that are not known", free},
		{"data offset", mirrored(leg0(), leg1()), func(b []byte) { b[at(2)+96] = 8 }, "does not begin", free},
		{"another size", mirrored(leg0(), leg1()), func(b []byte) { b[at(2)+89] ^= 1 }, "not 6144", free},
		{"no bitmap", mirrored(leg0(), leg1()), func(b []byte) { b[at(2)+4096] = 0 }, "no bitmap", free},
		{"bitmap of clusters", mirrored(leg0(), leg1()), func(b []byte) { b[at(2)+4096+4] = 5 }, "no bitmap", free},
		{"old bitmap", mirrored(leg0(), leg1()), func(b []byte) { b[at(2)+4096+24] = 19 }, "out of date", free},
		{"stale bitmap", mirrored(leg0(), leg1()), func(b []byte) { b[at(2)+4096+48] = 2 }, "out of date", free},
		{"bitmap of another size", mirrored(leg0(), leg1()), func(b []byte) { b[at(2)+4096+40] ^= 8 }, "another size", free},
		{"no chunks", mirrored(leg0(), leg1()), func(b []byte) { clear(b[at(2)+4096+52:][:4]) }, "another size", free},
		{"odd chunks", mirrored(leg0(), leg1()), func(b []byte) { b[at(2)+4096+52] = 1 }, "another size", free},
		{"copies of different age", mirrored(leg0(), leg2()), func(b []byte) {
			m := scantest.RaidMeta(1, 2, 3*mib)
			m[16], m[4096+24] = 21, 21
			copy(b[at(8):], m)
		}, "of different age", extentsAt(0, 2, 4, 1, 7, 1, 12, 2)},
		{"the other copy here is not in sync", mirrored(leg0(), leg2()), func(b []byte) {
			copy(b[at(8):], scantest.RaidMeta(1, 2, 3*mib))
			clear(b[at(8)+32:][:8])
		}, "being recovered", extentsAt(0, 2, 4, 1, 7, 1, 12, 2)},
		{"the metadata is elsewhere", mirrored(append([]string{linear(1, "pv1", 9)}, leg0()[1:]...), leg1()), nil, "no copy of it lies on this disk", extentsAt(0, 3, 4, 1, 7, 7)},
		{"the image is elsewhere", mirrored(append(leg0()[:1:1], linear(3, "pv1", 9)), leg1()), nil, "no copy of it lies on this disk", extentsAt(0, 2, 3, 11)},
		{"one piece is elsewhere", mirrored(append(leg0()[:2:2], linear(1, "pv1", 9)), leg1()), nil, "no copy of it lies on this disk", extentsAt(0, 2, 3, 2, 7, 7)},
		{"a smaller image", mirrored(leg0()[:2], leg1()), nil, "another size", extentsAt(0, 2, 3, 2, 7, 7)},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := usual(vgText(7, c.lvs...)).bytes()
			copy(b[at(2):], scantest.RaidMeta(0, 2, 3*mib))
			if c.edit != nil {
				c.edit(b)
			}
			k, r := scan(t, b)
			said := strings.Join(r.Warnings, "\n")
			if r.Whole != "" || !slices.Equal(k.free, c.free) {
				t.Errorf("whole %q\nfree    %v\nmust be %v", r.Whole, k.free, c.free)
			}
			if c.why != "" {
				if len(k.names) > 0 || !strings.Contains(said, "r is carried whole: it is a RAID (raid1): ") || !strings.Contains(said, c.why) || strings.Contains(said, "is followed") {
					t.Errorf("%q, %q does not say %q", k.names, said, c.why)
				}
				return
			}
			missing := strings.Contains(strings.Join(c.lvs, ""), `"pv1"`)
			if !slices.Equal(k.names, []string{"vg--0-r"}) || strings.Contains(said, "r_rimage_") != missing || strings.Contains(said, "is carried whole:") {
				t.Fatalf("%q %q", k.names, said)
			}
			v := k.inner["vg--0-r"]
			if got, want := slices.Collect(v.Ranges(0, v.Size())), extentsAt(5, 2, 3, 1); !slices.Equal(got, want) {
				t.Errorf("%v, must be %v", got, want)
			}
		})
	}
}

// TestRaid1Text has descriptions that are followed by nobody.
func TestRaid1Text(t *testing.T) {
	good := strings.Join(mirrored(leg0(), leg1()), "\n")
	rimage0 := "r_rimage_0 {\nid = \"x\"\nstatus = ["
	for _, c := range []struct{ name, old, new, why string }{
		{"as it is", "", "", ""},
		{"write behind", "region_size = 1024", "region_size = 1024\nwritebehind = 100", ""},
		{"data offset", "region_size = 1024", "region_size = 1024\ndata_offset = 0", "not known"},
		{"reshape space", "region_size = 1024", "region_size = 1024\nreshape_count = 1", "not known"},
		{"a section", "region_size = 1024", "x {\n}", "not known"},
		{"flags", `"raid1"`, `"raid1+RESHAPE"`, "not known"},
		{"more devices", "device_count = 2", "device_count = 3", "not known"},
		{"no devices", "device_count = 2", "device_count = 0", "not known"},
		{"no list", "raids =", "region_size2 =", "not known"},
		{"a part that is none", `"r_rmeta_1", "r_rimage_1"]`, `"r_rmeta_1", "r_rimage_9"]`, "r_rimage_9 is not described"},
		{"the same part twice", `"r_rmeta_1", "r_rimage_1"]`, `"r_rmeta_1", "r_rimage_0"]`, "in use by itself"},
		{"not in sync", `status = ["READ", "WRITE", "VISIBLE"]`, `status = ["READ", "WRITE", "VISIBLE", "NOTSYNCED"]`, "the flag NOTSYNCED"},
		{"write mostly", rimage0, rimage0 + `"WRITEMOSTLY", `, "r_rimage_0 has the flag WRITEMOSTLY"},
		{"rebuild", rimage0, rimage0 + `"REBUILD", `, "r_rimage_0 has the flag REBUILD"},
		{"split off", rimage0, rimage0 + `"VISIBLE", `, "r_rimage_0 is in use by itself"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(good, c.old) {
				t.Fatalf("%q is not in the text", c.old)
			}
			b := usual(vgText(7, strings.Replace(good, c.old, c.new, 1))).bytes()
			copy(b[at(2):], scantest.RaidMeta(0, 2, 3*mib))
			k, r := scan(t, b)
			if said := strings.Join(r.Warnings, "\n"); r.Whole != "" || (len(k.names) == 1) != (c.why == "") || !strings.Contains(said, c.why) {
				t.Errorf("whole %q, followed %q, %q does not say %q", r.Whole, k.names, said, c.why)
			}
		})
	}
	// A part of something else.
	lvs := append(mirrored(leg0(), leg1()), lv("pool", visible, "3 type = \"thin-pool\"\nmetadata = \"pool_tmeta\"\npool = \"r\""), lv("pool_tmeta", hidden, linear(1, "pv0", 12)))
	b := usual(vgText(7, lvs...)).bytes()
	copy(b[at(2):], scantest.RaidMeta(0, 2, 3*mib))
	if k, r := scan(t, b); len(k.names) > 0 || !strings.Contains(strings.Join(r.Warnings, "\n"), "pool is carried whole: it is thin provisioned") {
		t.Errorf("%q %q", k.names, r.Warnings)
	}
}

// TestRaid1Fault: metadata that cannot be read costs the volume, and says so.
func TestRaid1Fault(t *testing.T) {
	b := usual(vgText(7, mirrored(leg0(), leg1())...)).bytes()
	copy(b[at(2):], scantest.RaidMeta(0, 2, 3*mib))
	for _, bad := range []int64{at(2), at(2) + 4096 + 256} {
		var k recorder
		r, err := Scanner{}.Scan(t.Context(), blockmap.Bytes(badSector{b, bad}, int64(len(b)), 512), &k)
		if err != nil || len(k.names) > 0 || len(k.free) == 0 || !strings.Contains(strings.Join(r.Warnings, "\n"), errFault.Error()) {
			t.Errorf("%v %q %q", err, k.names, r.Warnings)
		}
	}
}

// badSector fails to read byte at.
type badSector struct {
	b  []byte
	at int64
}

func (s badSector) ReadAt(p []byte, off int64) (int, error) {
	if off <= s.at && s.at < off+int64(len(p)) {
		return 0, errFault
	}
	return copy(p, s.b[off:]), nil
}

// TestRealSuperblock reads the metadata volume of the first of four devices of a
// RAID5, as Linux 4.19 wrote it (printed in "md/raid:mdX: cannot start dirty degraded
// array", linux-raid@vger.kernel.org, 8 October 2021), with nothing but its level
// changed.
func TestRealSuperblock(t *testing.T) {
	b := make([]byte, 4<<20)
	for at, s := range map[int]string{
		0:    "446d5264010000000400000000000000ce0b0000000000000000000000000000ffffffffffffffffffffffffffffffff",
		48:   "05000000020000000001000000000000ffffffffffffffff050000000200000000010000000000000000" + "00cb01000000",
		112:  "0000008000000000",
		4096: "6269746d040000000000000000000000" + "0000000000000000ce0b000000000000" + "ce0b0000000000000000009900000000" + "00000000000020000500000000000000",
	} {
		p, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		copy(b[at:], p)
	}
	const devSectors = 0x99000000 // by the bitmap
	read := func() raidMeta {
		m, err := readRaidMeta(volumeOf(b), 0, 4, devSectors*512)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	if m := read(); !strings.Contains(m.doubt, "another level") || m.events != 0xbce {
		t.Errorf("%+v", m)
	}
	if got := binary.LittleEndian.Uint64(b[88:]); got != 3*devSectors {
		t.Fatalf("%#x", got)
	}
	b[48], b[72] = 1, 1
	binary.LittleEndian.PutUint64(b[88:], devSectors) // of a RAID1
	if m := read(); m.doubt != "" {
		t.Errorf("%+v", m)
	}
	b[4096+256+1000] = 4
	if m := read(); !strings.Contains(m.doubt, "may differ") {
		t.Errorf("%+v", m)
	}
}

// FuzzRaidMeta changes a sound metadata volume: one that is believed still says
// that nothing failed and nothing is being written.
func FuzzRaidMeta(f *testing.F) {
	f.Add([]byte{}, []byte{}, int64(3*mib))
	f.Add([]byte{40, 0}, []byte{52, 0, 48, 1}, int64(100*mib))
	f.Add([]byte{4, 0, 12, 7}, []byte{54, 1}, int64(512))
	f.Fuzz(func(t *testing.T, super, bits []byte, size int64) {
		size = (size&(1<<50-1) + 511) &^ 511
		b := scantest.RaidMeta(0, 2, size)
		for at, edits := range map[int64][]byte{0: super, 4096: bits} {
			for ; len(edits) >= 2; edits = edits[2:] {
				b[at+2*int64(edits[0])] = edits[1]
			}
		}
		m, err := readRaidMeta(volumeOf(b), 0, 2, size)
		if err != nil || m.doubt != "" {
			return
		}
		if b[24] != 0 || b[32] != 0xff || b[40] != 0xff || b[4096+48] != 0 || size > 0 && b[4096+256]&1 != 0 {
			t.Fatalf("% x", b[:160])
		}
	})
}

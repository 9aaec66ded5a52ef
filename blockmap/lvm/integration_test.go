//go:build integration

package lvm_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/lvm"
	"migimg/blockmap/scantest"
)

// TestGroups compares with what lvm2 says of groups that it has made. Their
// volumes are empty, so all that is free are the extents that none has.
func TestGroups(t *testing.T) {
	for _, c := range []struct {
		name     string
		disks    int
		script   string
		whole    string
		followed []string
		warn     string
	}{
		{"default", 1, `pvcreate -q $D0; vgcreate -q vg0 $D0; lvnew -L20M -n root vg0; lvnew -L20M -n home vg0; lvextend -q --driverloaded n -L+12M vg0/root; lvremove -qf --driverloaded n vg0/home`, "", []string{"vg0-root"}, ""},
		{"two metadata areas", 1, `pvcreate -q --pvmetadatacopies 2 $D0; vgcreate -q -s1M a-b $D0; lvnew -L5M -n c-d a-b`, "", []string{"a--b-c--d"}, ""},
		{"small extents, boot loader's area", 1, `pvcreate -q --bootloaderareasize 2M --dataalignment 1M $D0; vgcreate -q -s128K vg0 $D0; lvnew -L1M -n a vg0; lvnew -l100%FREE -n b vg0`, "", []string{"vg0-a", "vg0-b"}, ""},
		{"label in sector 3", 1, `pvcreate -q --labelsector 3 $D0; vgcreate -q vg0 $D0; lvnew -L20M -n a vg0`, "", []string{"vg0-a"}, ""},
		{"the ring goes round", 1, `pvcreate -q --metadatasize 64K $D0; vgcreate -q -s1M vg0 $D0; for i in 1 2 3 4 5 6 7 8; do lvnew -L1M -n v$i vg0; done; for i in $(seq 30); do vgchange -q --addtag t$i vg0; vgchange -q --deltag t$i vg0; done`, "",
			[]string{"vg0-v1", "vg0-v2", "vg0-v3", "vg0-v4", "vg0-v5", "vg0-v6", "vg0-v7", "vg0-v8"}, ""},
		{"two disks", 2, `pvcreate -q $D0 $D1; vgcreate -q vg0 $D0 $D1; lvnew -i2 -L40M -n s vg0; lvnew -L12M -n a vg0 $D0; lvnew -L160M -n big vg0`, "", []string{"vg0-a"}, "parts of it lie on other physical volumes (pv1)"},
		{"striped on one disk", 1, `pvcreate -q $D0; vgcreate -q vg0 $D0; lvnew -i2 -I8k -L24M --alloc anywhere -n s vg0 $D0:0-5 $D0:9-20`, "", []string{"vg0-s"}, ""},
		{"one disk without metadata", 2, `pvcreate -q --pvmetadatacopies 0 $D0; pvcreate -q $D1; vgcreate -q vg0 $D0 $D1; lvnew -L40M -n s vg0`, "on other disks", nil, ""},
		{"metadata ignored", 2, `pvcreate -q $D0 $D1; vgcreate -q vg0 $D0 $D1; pvchange -q --metadataignore y $D0`, "ignored", nil, ""},
		{"orphan", 1, `pvcreate -q $D0`, "no volume group", nil, ""},
		{"removed group", 1, `pvcreate -q $D0; vgcreate -q vg0 $D0; vgremove -q vg0`, "no volume group", nil, ""},
		{"exported", 1, `pvcreate -q $D0; vgcreate -q vg0 $D0; vgexport -q --driverloaded n vg0`, "vgimport", nil, ""},
		{"grown", 1, `pvcreate -q --setphysicalvolumesize 60M --pvmetadatacopies 2 -y $D0; vgcreate -q vg0 $D0; lvnew -L20M -n a vg0`, "", []string{"vg0-a"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			const size = 120 * mib
			for i := range c.disks {
				b.loop(b.image("disk"+string('0'+rune(i)), size), 0, size)
			}
			b.script(c.script)
			b.compare(b.path("disk0"), b.loops[0], size, c.whole, c.followed, c.warn)
		})
	}
}

// compare compares the free extents with lvm2's.
func (b *bench) compare(img, dev string, size int64, whole string, followed []string, warn string) {
	b.t.Helper()
	m, info := scanFile(b.t, img, 0, size, lvm.Scanner{})
	if whole != "" {
		if !strings.Contains(info.Whole, whole) || m.Bytes() != size {
			b.t.Errorf("whole %q, %d bytes carried", info.Whole, m.Bytes())
		}
		return
	}
	var free []blockmap.Range
	for _, s := range b.segments(dev) {
		if s.lv == "" {
			free = append(free, blockmap.Range{Off: s.at, Len: s.n})
		}
	}
	var names []string
	for _, k := range info.Children {
		names = append(names, k.Name)
	}
	slices.Sort(names)
	if info.Whole != "" || !slices.Equal(freeOf(m), joined(free)) || !slices.Equal(names, followed) {
		b.t.Errorf("whole %q\nfree     %v\nlvm says %v\nfollowed %q", info.Whole, freeOf(m), joined(free), names)
	}
	if !strings.Contains(strings.Join(info.Warnings, "\n"), warn) || warn == "" && len(info.Warnings) > 0 {
		b.t.Errorf("warnings %q", info.Warnings)
	}
	if id := strings.TrimSpace(b.run("pvs", "--noheadings", "-o", "pv_uuid", dev)); id != info.UUID {
		b.t.Errorf("UUID %s, lvm says %s", info.UUID, id)
	}
	b.t.Logf("%d of %d KiB carried; %q", m.Bytes()>>10, size>>10, info.Features)
}

// TestRestoredGroups has volumes that lvm2 makes with device-mapper only: their
// description is restored from a text, and lvm2 says what of it is free.
func TestRestoredGroups(t *testing.T) {
	const hidden, shown = `status = ["READ", "WRITE"]`, `status = ["READ", "WRITE", "VISIBLE"]`
	vol := func(id, name, status string, count int, body string) string {
		return name + " {\nid = \"aaaaaa-bbbb-cccc-dddd-eeee-ffff-00000" + id + "\"\n" + status + "\nflags = []\nsegment_count = 1\nsegment1 {\nstart_extent = 0\nextent_count = " + string('0'+rune(count)) + "\n" + body + "\n}\n}\n"
	}
	lin := func(id, name, status string, count int, pv, at string) string {
		return vol(id, name, status, count, "type = \"striped\"\nstripe_count = 1\nstripes = [\""+pv+"\", "+at+"]")
	}
	raid1 := vol("1", "r", shown, 4, `type = "raid1"
device_count = 2
region_size = 1024
raids = ["r_rmeta_0", "r_rimage_0", "r_rmeta_1", "r_rimage_1"]`) +
		lin("2", "r_rmeta_0", hidden, 1, "pv0", "3") + lin("3", "r_rimage_0", hidden, 4, "pv0", "4") +
		lin("4", "r_rmeta_1", hidden, 1, "pv1", "0") + lin("5", "r_rimage_1", hidden, 4, "pv1", "1")
	for _, c := range []struct{ name, lvs, warn string }{
		{"raid1", raid1, "r is carried whole: it is a RAID (raid1): it has no RAID superblock"},
		{"raid1 in sync", raid1, "the copy r_rimage_0 is followed"},
		{"mirror", vol("1", "m", shown, 4, `type = "mirror"
mirror_count = 2
mirror_log = "m_mlog"
region_size = 1024
mirrors = ["m_mimage_0", 0, "m_mimage_1", 0]`) +
			lin("2", "m_mlog", hidden, 1, "pv1", "9") + lin("3", "m_mimage_0", hidden, 4, "pv0", "2") + lin("4", "m_mimage_1", hidden, 4, "pv1", "3"), "m is carried whole: it is a mirror"},
		{"thin", vol("1", "pool", shown, 6, `type = "thin-pool"
metadata = "pool_tmeta"
pool = "pool_tdata"
transaction_id = 1
chunk_size = 128
discards = "passdown"
zero_new_blocks = 1`) + vol("2", "t", shown, 9, `type = "thin"
thin_pool = "pool"
transaction_id = 0
device_id = 1`) + lin("3", "pool_tmeta", hidden, 1, "pv0", "0") + lin("4", "pool_tdata", hidden, 6, "pv0", "5") + lin("5", "lvol0_pmspare", hidden, 1, "pv0", "1"), "t is carried whole: it is thin provisioned"},
		{"snapshot", lin("1", "o", shown, 5, "pv0", "2") + lin("2", "s", shown, 2, "pv0", "9") + vol("3", "snapshot0", hidden, 5, `type = "snapshot"
chunk_size = 8
origin = "o"
cow_store = "s"`), "o is carried whole: it has a snapshot or is one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			const size = 120 * mib
			for _, name := range []string{"disk0", "disk1"} {
				b.loop(b.image(name, size), 0, size)
			}
			b.script(`pvcreate -q $D0 $D1; vgcreate -q vg0 $D0 $D1; vgcfgbackup -q -f ` + b.path("text") + ` vg0`)
			text, err := os.ReadFile(b.path("text"))
			if err != nil {
				t.Fatal(err)
			}
			s := strings.TrimRight(string(text), " \n}") + "\n\t}\nlogical_volumes {\n" + c.lvs + "}\n}\n"
			if err := os.WriteFile(b.path("text"), []byte(s), 0o600); err != nil {
				t.Fatal(err)
			}
			b.script(`vgcfgrestore -q --driverloaded n --force -f ` + b.path("text") + ` vg0`)
			var followed []string
			if c.name == "raid1 in sync" {
				followed = []string{"vg0-r"}
				for i, dev := range b.loops {
					for _, s := range b.segments(dev) {
						if strings.HasPrefix(s.lv, "r_rmeta_") {
							if _, err := open(t, b.path(fmt.Sprint("disk", i))).WriteAt(scantest.RaidMeta(i, 2, 16*mib), s.at); err != nil {
								t.Fatal(err)
							}
						}
					}
				}
			}
			b.compare(b.path("disk0"), b.loops[0], size, "", followed, c.warn)
			b.compare(b.path("disk1"), b.loops[1], size, "", followed, "has other physical volumes, too")
		})
	}
}

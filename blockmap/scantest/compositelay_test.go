//go:build integration

package scantest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"migimg/blockmap"
	"migimg/internal/shell"
)

// onLoop calls f with a loop device of a part of the disk.
func (d *compositeCase) onLoop(r blockmap.Range, f func(dev string)) {
	d.t.Helper()
	dev := strings.TrimSpace(shell.Run(d.t, `losetup --find --show --sector-size "$S" -o "$O" --sizelimit "$N" "$IMG"`,
		"S="+strconv.FormatInt(d.sector, 10), "O="+strconv.FormatInt(r.Off, 10), "N="+strconv.FormatInt(r.Len, 10), "IMG="+d.img))
	done := false
	detach := func() {
		if !done {
			done = true
			shell.Run(d.t, `losetup -d "$D"`, "D="+dev)
		}
	}
	d.t.Cleanup(detach)
	f(dev)
	detach()
	released(d.t, d.img)
}

// table makes the disk's partition table by sfdisk's script, and returns where
// sfdisk says that the partitions are, by their numbers.
func (d *compositeCase) table(script string) map[int]blockmap.Range {
	d.t.Helper()
	parts := map[int]blockmap.Range{}
	d.onLoop(blockmap.Range{Len: d.size}, func(dev string) {
		said := shell.Run(d.t, `printf "%s" "$SCRIPT" | sfdisk -q --no-reread --no-tell-kernel "$D"; sfdisk -J "$D"`, "SCRIPT="+script, "D="+dev)
		var doc struct {
			PartitionTable struct {
				Partitions []struct {
					Node        string
					Start, Size int64
				}
			}
		}
		if err := json.Unmarshal([]byte(said), &doc); err != nil {
			d.t.Fatalf("%v\n%s", err, said)
		}
		for _, p := range doc.PartitionTable.Partitions {
			n, err := strconv.Atoi(strings.TrimPrefix(p.Node, dev+"p"))
			d.must(err)
			parts[n] = blockmap.Range{Off: p.Start * d.sector, Len: p.Size * d.sector}
		}
	})
	return parts
}

// copied says that another copy of a content fills a range of the disk, and is
// followed, too.
func (d *compositeCase) copied(volume string, on blockmap.Range) {
	d.copies[volume] = []place{{0, on.Off, on.Len}}
	d.followed[volume] = true
}

// at says that a content fills ranges of the disk.
func (d *compositeCase) at(volume string, on ...blockmap.Range) {
	first := int64(0)
	for _, r := range on {
		d.places[volume] = append(d.places[volume], place{first, r.Off, r.Len})
		first += r.Len
	}
}

// member makes a part of the disk a member of a RAID1 of md, and returns where the
// array's data is. mdadm must find nothing wrong with it.
func (d *compositeCase) member(r blockmap.Range, version string, number int) blockmap.Range {
	d.t.Helper()
	super, at, data := RaidMember(version, number, r.Len)
	d.write(r.Off+at, super)
	d.onLoop(r, func(dev string) {
		said := shell.Run(d.t, `mdadm --examine "$D"`, "D="+dev)
		if want := fmt.Sprintf("Data Offset : %d sectors", data.Off/sector); data.Off > 0 && !strings.Contains(said, want) {
			d.t.Fatalf("mdadm does not say %q:\n%s", want, said)
		}
		for _, want := range []string{"Raid Level : raid1", "State : clean", " - correct", "Version : " + version, fmt.Sprintf("Avail Dev Size : %d sectors", data.Len/sector)} {
			if !strings.Contains(said, want) {
				d.t.Fatalf("mdadm does not say %q:\n%s", want, said)
			}
		}
	})
	return blockmap.Range{Off: r.Off + data.Off, Len: data.Len}
}

func (d *compositeCase) write(at int64, b []byte) {
	d.t.Helper()
	with(d.t, d.img, func(f *os.File) {
		if _, err := f.WriteAt(b, at); err != nil {
			d.t.Fatal(err)
		}
	})
}

// lvmScript is shell that lets lvm2 see only the devices that lvmsee names, and use
// no device-mapper: lvnew is lvcreate.
const lvmScript = `export PATH="$PATH:/sbin:/usr/sbin" LVM_SUPPRESS_FD_WARNINGS=1 LVM_SYSTEM_DIR=$(mktemp -d)
lvmsee() { a=; for d; do a="$a\"a|^$d\$|\", "; done; cat >"$LVM_SYSTEM_DIR/lvm.conf" <<CONF
devices { use_devicesfile=0 obtain_device_list_from_udev=0 external_device_info_source="none" scan=["/dev"] filter=[$a"r|.*|"] }
activation { udev_sync=0 udev_rules=0 monitoring=0 }
backup { backup=0 archive=0 }
global { use_lvmpolld=0 wait_for_locks=1 }
CONF
}
lvnew() { lvcreate -q --driverloaded n -an -Zn -Wn "$@"; }
`

// group makes a part of the disk a physical volume, runs a script in which D is its
// device, and returns where pvs says that the logical volumes lie, with hidden ones.
func (d *compositeCase) group(r blockmap.Range, script string) map[string][]place {
	d.t.Helper()
	all := map[string][]place{}
	d.onLoop(r, func(dev string) {
		said := shell.Run(d.t, lvmScript+`trap 'rm -r "$LVM_SYSTEM_DIR"' EXIT; lvmsee "$D"; { `+script+`
			} >"$TMP/lvm.log" 2>&1 || { cat "$TMP/lvm.log"; exit 1; }
			pvs 2>/dev/null --segments --noheadings --units b --nosuffix --separator , -o pe_start,vg_extent_size,pvseg_start,pvseg_size,seg_start_pe,lv_name "$D"`,
			"D="+dev, "TMP="+d.dir)
		for line := range strings.Lines(said) {
			f := strings.Split(strings.TrimSpace(line), ",")
			if len(f) != 6 {
				d.t.Fatalf("pvs says %q", line)
			}
			if f[5] == "" {
				continue
			}
			var n [5]int64
			for i := range n {
				var err error
				n[i], err = strconv.ParseInt(f[i], 10, 64)
				d.must(err)
			}
			lv := strings.Trim(f[5], "[]")
			all[lv] = append(all[lv], place{n[4] * n[1], r.Off + n[0] + n[2]*n[1], n[3] * n[1]})
		}
	})
	return all
}

// restored is shell that gives the group vg0 of D the logical volumes of a text, as
// lvm2 cannot make some of them without device-mapper. A text's path must not have a
// percent sign.
func (d *compositeCase) restored(lvs string) string {
	d.must(os.WriteFile(filepath.Join(d.dir, "lvs"), []byte("logical_volumes {\n"+lvs+"}\n}\n"), 0o600))
	return `cd "$TMP"; pvcreate -q "$D"; vgcreate -q vg0 "$D"; vgcfgbackup -q -f text vg0
		{ sed '/^vg0 {/,$d' text; sed -n '/^vg0 {/,/^}/p' text | sed '$d'; cat lvs; } >new
		vgcfgrestore -q --driverloaded n --force -f new vg0`
}

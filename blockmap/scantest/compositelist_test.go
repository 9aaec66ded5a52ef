//go:build integration

package scantest

import (
	"fmt"
	"math/rand/v2"
)

// composites are the disks that the matrix makes; "disks" is all of them. To add
// one, add a struct. The first one, half full, is the one that every test run makes.
func composites() []*composite {
	most := []Fill{Half, Empty, Full, Fragmented}
	some := []Fill{Half, Fragmented}
	lvm := []string{"lvm", "mdadm", "cryptsetup"}
	return []*composite{
		{
			name: "gpt-md-lvm", variant: "part > md 1.2 > LVM > ext4", size: 208 * mib, sector: 512, fills: some, tools: lvm,
			contents: []content{
				{volume: "1/md/vg0-root", fs: "ext4", size: 64 * mib},
				{volume: "1/md/vg0-var", fs: "ext4", variant: "newest", size: 48 * mib},
				{volume: "1/md/vg0-swap", fs: "swap", size: 16 * mib},
				{volume: "2", fs: "unknown", size: 12 * mib},
			},
			lay: func(d *compositeCase) {
				p := d.table("label: gpt\nstart=1MiB, size=160MiB, type=raid\nsize=12MiB, type=linux\n")
				d.at("2", p[2])
				d.volumes("1/md/vg0-", d.group(d.member(p[1], "1.2", 0), `pvcreate -q "$D"; vgcreate -q vg0 "$D"
					lvnew -L32M -n root vg0; lvnew -L48M -n var vg0; lvextend -q --driverloaded n -L+32M vg0/root; lvnew -L16M -n swap vg0`))
			},
		},
		{
			name: "gpt-lvm", variant: "ESP, /boot, LVM (root, home, swap), unknown, gap", size: 640 * mib, sector: 512, fills: most, tools: lvm,
			contents: []content{
				{volume: "1", fs: "vfat", size: 48 * mib},
				{volume: "2", fs: "ext2", size: 48 * mib},
				{volume: "3/vg0-root", fs: "ext4", size: 96 * mib},
				{volume: "3/vg0-home", fs: "btrfs", size: 160 * mib},
				{volume: "3/vg0-swap", fs: "swap", size: 24 * mib},
				{volume: "4", fs: "unknown", size: 16 * mib},
			},
			lay: func(d *compositeCase) {
				p := d.table("label: gpt\nstart=1MiB, size=48MiB, type=uefi\nsize=48MiB, type=linux\nsize=380MiB, type=lvm\nstart=540MiB, size=16MiB, type=linux\n")
				d.at("1", p[1])
				d.at("2", p[2])
				d.at("4", p[4])
				d.volumes("3/vg0-", d.group(p[3], `pvcreate -q --pvmetadatacopies 2 "$D"; vgcreate -q vg0 "$D"
					lvnew -L64M -n root vg0; lvnew -L160M -n home vg0; lvextend -q --driverloaded n -L+32M vg0/root; lvnew -L24M -n swap vg0`))
				d.litter(p[3].End(), p[4].Off) // of 62 MiB
				d.litter(p[4].End(), d.size-mib)
			},
		},
		{
			name: "mbr-logical", variant: "primary, logical (ext3, vfat, swap, xfs)", size: 544 * mib, sector: 512, fills: most,
			contents: []content{
				{volume: "1", fs: "ext4", variant: "oldest: as of 2.6.28", size: 48 * mib},
				{volume: "5", fs: "ext3", size: 64 * mib},
				{volume: "6", fs: "vfat", size: 32 * mib},
				{volume: "7", fs: "swap", size: 16 * mib},
				{volume: "8", fs: "xfs", size: 320 * mib},
			},
			lay: func(d *compositeCase) {
				p := d.table("label: dos\nstart=1MiB, size=48MiB, type=83, bootable\nstart=50MiB, type=5\n" +
					"start=51MiB, size=64MiB, type=83\nstart=116MiB, size=32MiB, type=c\nstart=149MiB, size=16MiB, type=82\nstart=200MiB, size=320MiB, type=83\n")
				for _, n := range []int{1, 5, 6, 7, 8} {
					d.at(fmt.Sprint(n), p[n])
				}
				d.litter(p[7].End(), p[8].Off-mib) // inside of the extended partition
			},
		},
		{
			name: "gpt-ntfs", variant: "ESP, MSR, NTFS", size: 160 * mib, sector: 512, fills: some,
			contents: []content{
				{volume: "1", fs: "vfat", size: 48 * mib},
				{volume: "2", fs: "zeros", size: 16 * mib},
				{volume: "3", fs: "ntfs", size: 80 * mib},
			},
			lay: func(d *compositeCase) {
				p := d.table("label: gpt\nstart=1MiB, size=48MiB, type=uefi\nsize=16MiB, type=E3C9E316-0B5C-4DB8-817D-F92DF00215AE\nsize=80MiB, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7\n")
				d.at("1", p[1])
				d.at("2", p[2])
				d.at("3", p[3])
			},
		},
		{
			name: "gpt-4k", variant: "ESP, /boot, LVM (root, swap)", size: 288 * mib, sector: 4096, fills: most, tools: lvm,
			contents: []content{
				{volume: "1", fs: "vfat", size: 48 * mib},
				{volume: "2", fs: "ext4", size: 48 * mib},
				{volume: "3/vg0-root", fs: "ext4", size: 128 * mib},
				{volume: "3/vg0-swap", fs: "swap", size: 16 * mib},
			},
			lay: func(d *compositeCase) {
				p := d.table("label: gpt\nstart=1MiB, size=48MiB, type=uefi\nsize=48MiB, type=linux\nsize=180MiB, type=lvm\n")
				d.at("1", p[1])
				d.at("2", p[2])
				d.volumes("3/vg0-", d.group(p[3], `pvcreate -q "$D"; vgcreate -q vg0 "$D"; lvnew -L128M -n root vg0; lvnew -L16M -n swap vg0`))
			},
		},
		{
			name: "gpt-md", variant: "md 1.0 /boot, md 1.1, both members", size: 240 * mib, sector: 512, fills: some, tools: lvm,
			contents: []content{
				{volume: "1/md", fs: "ext4", size: 47 * mib},
				{volume: "2/md", fs: "ext3", size: 79 * mib},
			},
			lay: func(d *compositeCase) {
				p := d.table("label: gpt\nstart=1MiB, size=48MiB, type=raid\nsize=80MiB, type=raid\nsize=80MiB, type=raid\n")
				d.at("1/md", d.member(p[1], "1.0", 1))
				d.at("2/md", d.member(p[2], "1.1", 0))
				d.copied("2/md", d.member(p[3], "1.1", 1))
			},
		},
		{
			name: "gpt-raid1", variant: "LVM raid1, both copies here", size: 192 * mib, sector: 512, fills: some, tools: lvm,
			contents: []content{{volume: "1/vg0-r", fs: "ext4", size: 64 * mib}},
			lay:      layRaid1,
		},
		{
			name: "gpt-luks", variant: "/boot, LUKS, LVM on LUKS", size: 192 * mib, sector: 512, fills: []Fill{Half}, tools: lvm,
			contents: []content{
				{volume: "1", fs: "ext4", size: 48 * mib},
				{volume: "2", fs: "LUKS", size: 64 * mib},
				{volume: "3", fs: "LVM on LUKS", size: 64 * mib},
			},
			lay: func(d *compositeCase) {
				p := d.table("label: gpt\nstart=1MiB, size=48MiB, type=linux\nsize=64MiB, type=linux\nsize=64MiB, type=linux\n")
				for n, r := range p {
					d.at(fmt.Sprint(n), r)
				}
			},
		},
	}
}

// volumes places the logical volumes of a group.
func (d *compositeCase) volumes(prefix string, lvs map[string][]place) {
	for name, p := range lvs {
		d.places[prefix+name] = p
	}
}

// litter fills a gap with what is of no use to anybody.
func (d *compositeCase) litter(from, to int64) {
	d.t.Helper()
	b := make([]byte, to-from)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(b)
	d.write(from, b)
}

// layRaid1 has a raid1 with both copies in one group, which lvm2 makes only where it
// is told to: so that what a kernel reads from either, or from both in turns, can be
// compared.
func layRaid1(d *compositeCase) {
	lv := func(name, status string, count int, body string) string {
		return fmt.Sprintf("%s {\nid = \"%s\"\nstatus = [\"READ\", \"WRITE\"%s]\nflags = []\nsegment_count = 1\nsegment1 {\nstart_extent = 0\nextent_count = %d\n%s\n}\n}\n",
			name, lvID(name), status, count, body)
	}
	on := func(at int) string {
		return fmt.Sprintf("type = \"striped\"\nstripe_count = 1\nstripes = [\"pv0\", %d]", at)
	}
	p := d.table("label: gpt\nstart=1MiB, size=180MiB, type=lvm\n")
	lvs := d.group(p[1], d.restored(
		lv("r", `, "VISIBLE"`, 16, "type = \"raid1\"\ndevice_count = 2\nregion_size = 1024\nraids = [\"r_rmeta_0\", \"r_rimage_0\", \"r_rmeta_1\", \"r_rimage_1\"]")+
			lv("r_rmeta_0", "", 1, on(2))+lv("r_rimage_0", "", 16, on(4))+lv("r_rmeta_1", "", 1, on(3))+lv("r_rimage_1", "", 16, on(22))))
	for i := range 2 {
		d.write(lvs[fmt.Sprintf("r_rmeta_%d", i)][0].at, RaidMeta(i, 2, 64*mib))
	}
	d.places["1/vg0-r"], d.copies["1/vg0-r"] = lvs["r_rimage_0"], lvs["r_rimage_1"]
	for _, whole := range []string{"r_rmeta_0", "r_rmeta_1", "r_rimage_1"} {
		d.out.used += total(ranges(lvs[whole]))
	}
}

// lvID is a UUID of lvm2 for a name.
func lvID(name string) string {
	s := fmt.Sprintf("%032x", []byte(name))
	s = s[len(s)-32:]
	return s[:6] + "-" + s[6:10] + "-" + s[10:14] + "-" + s[14:18] + "-" + s[18:22] + "-" + s[22:26] + "-" + s[26:]
}

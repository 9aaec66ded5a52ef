package checks

import (
	"fmt"
	"slices"
	"strings"

	"migimg/blockmap/ptable"
	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

var diskPartitionTable = Check{
	ID: "disk.partition-table", Code: "MIG1101", Title: "The target takes the disk's partition table", Category: "disk", Severity: Blocker,
	Impact: "The importer finds no partitions, or refuses the image.",
	Run: ofEach(func(f *facts.Facts, t *targets.Target) Result {
		d := f.Disk
		kind := string(d.Table.Kind)
		ev := value("partition table", kind, strings.Join(t.Tables.Values, "|"))
		ev.Detail = map[string]string{"id": d.Table.ID, "partitions": fmt.Sprint(len(d.Table.Partitions))}
		if d.Table.Broken != "" {
			return unknown("the partition table cannot be trusted: %s", d.Table.Broken).with(ev)
		}
		if d.Table.Kind == ptable.KindNone {
			a, absent := f.Absent(facts.KeyGuest)
			switch {
			case absent && a.NotApplicable || d.Data:
				return pass("no partition table, on a data disk").with(ev)
			case absent:
				return unknown("no partition table, and %s", a.Reason).with(ev)
			}
			return fail("", "no partition table: the filesystem lies directly on the disk, so that nothing can start from it").with(ev).
				hint("Copy the system to a partitioned disk and install its boot loader there.")
		}
		r := pass("%s with %d partitions", strings.ToUpper(kind), len(d.Table.Partitions)).with(ev)
		switch known := len(t.Tables.Values) > 0; {
		case known && !slices.Contains(t.Tables.Values, kind):
			r = outside(t.Tables.Otherwise, "%s is not what the target's documents name (%s)", strings.ToUpper(kind), words(t.Tables.Values)).
				with(ev, sourced(t, t.Tables.Fact, "partition tables", kind, words(t.Tables.Values))).advise(t.Tables.Advice, t.Tables.Error)
		case d.Table.Kind == ptable.KindHybrid:
			r = warn(Medium, "a hybrid of MBR and GPT: importers and firmware may read either").with(ev)
		}
		if d.Data {
			return r
		}
		return worst(r, onePartition(f, t))
	}),
}

var diskSectorSize = Check{
	ID: "disk.sector-size", Code: "MIG1102", Title: "The disk's sectors are as large as the target's", Category: "disk", Severity: Blocker,
	Impact: "The target's disk has sectors of another size, so that it finds neither partition table nor filesystems.",
	Run: ofEach(func(f *facts.Facts, t *targets.Target) Result {
		d := f.Disk
		n := d.SectorSize
		if n == 0 && d.Table.Kind != ptable.KindNone {
			n = d.Table.SectorSize
		}
		if t.SectorSize == nil {
			return skip("the target's documents do not say what sectors it has")
		}
		ev := value("logical sector size", fmt.Sprint(n), fmt.Sprint(t.SectorSize.Value))
		switch {
		case n == 0:
			return pass("an image without a partition table: sectors of %d bytes are assumed", t.SectorSize.Value).with(ev)
		case n == t.SectorSize.Value:
			return pass("%d bytes", n).with(ev)
		}
		return fail("", "sectors of %d bytes, the target's disks have %d: the partition table counts in other units", n, t.SectorSize.Value).with(ev).
			hint("Copy the files to a disk with sectors of %d bytes that was partitioned there.", t.SectorSize.Value)
	}),
}

var diskGPTIntegrity = Check{
	ID: "disk.gpt-integrity", Code: "MIG1103", Title: "The partition table is sound", Category: "disk", Severity: Medium,
	Impact: "Tools that grow or change partitions on the target may refuse, and one more defect makes the table unreadable.",
	Run: ofEach(func(f *facts.Facts, _ *targets.Target) Result {
		d := f.Disk
		if d.Table.Kind == ptable.KindNone {
			return skip("no partition table")
		}
		r := pass("no inconsistencies")
		if g := d.Table.GPT; g != nil && !g.BackupOK {
			r = warn("", "the backup GPT is missing or damaged: %s", g.BackupError).
				command([]string{"sgdisk", "-e", d.Device})
		}
		if len(d.Table.Problems) > 0 && r.Status == Pass {
			r = warn("", "%s", d.Table.Problems[0])
		}
		if d.Table.Broken != "" {
			r = fail(High, "%s", d.Table.Broken)
		}
		for _, p := range d.Table.Problems {
			r = r.with(value("partition table", p, ""))
		}
		return r
	}),
}

var diskStack = Check{
	ID: "disk.stack", Code: "MIG1106", Title: "Nothing on the disk needs other disks or keys", Category: "disk", Severity: High,
	Impact: "Volumes that are spread over several disks, encrypted or mirrored do not come up from this disk alone.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		r := pass("plain partitions")
		for _, v := range f.Disk.Volumes {
			ev := Evidence{Kind: "volume", Key: v.Name, Actual: v.Type}
			r = worst(r, refusedVolume(t, v))
			switch v.Type {
			case "LVM2_member":
				if whole(f.Disk, v, "vg_uuid=", "pvs=") {
					r = worst(r, pass("the volume group of %s is here whole", v.Title()).with(ev))
					continue
				}
				r = worst(r, warn(Medium, "%s belongs to LVM: its volume group has to be on this disk whole, which was not checked", v.Title()).with(ev))
			case "linux_raid_member":
				if whole(f.Disk, v, "", "raid_devices=") {
					r = worst(r, warn(Low, "%s is a member of %s, all of which are here", v.Title(), v.Type).with(ev))
					continue
				}
				fallthrough
			case "ddf_raid_member", "isw_raid_member", "DRBD", "bcache", "zfs_member":
				r = worst(r, fail("", "%s is a member of %s: the target has only this one disk", v.Title(), v.Type).with(ev).
					hint("Remove the disk from the array, or copy the files to plain partitions."))
			case "crypto_LUKS", "BitLocker":
				r = worst(r, warn(High, "%s is encrypted: the target needs the passphrase at its console, and many importers refuse", v.Title()).with(ev))
			}
		}
		return r
	},
}

// whole says that all parts of what a volume is a part of are on the machine's disks: as
// many have its group's id as its features say that there are. Without a name for the id
// it is the volume's UUID.
func whole(d facts.Disk, v facts.Volume, id, count string) bool {
	of := func(v facts.Volume) string {
		if id == "" {
			return v.UUID
		}
		return feature(v, id)
	}
	here := 0
	for _, x := range d.Volumes {
		if x.Type == v.Type && of(x) == of(v) {
			here++
		}
	}
	return len(d.Others) > 0 && of(v) != "" && fmt.Sprint(here) == feature(v, count)
}

// feature is the value of one of a volume's features.
func feature(v facts.Volume, name string) string {
	for _, f := range v.Features {
		if s, ok := strings.CutPrefix(f, name); ok {
			return s
		}
	}
	return ""
}

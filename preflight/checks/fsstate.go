package checks

import (
	"fmt"
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

var fsLiveConsistency = Check{
	ID: "fs.live-consistency", Code: "MIG1203", Title: "The image stands for one moment", Category: "disk", Severity: High,
	Impact: "Files that were written during the copy are torn in the image; it is at best like a disk after a power cut.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		d := f.Disk
		var ev []Evidence
		for _, m := range d.Mounts {
			if m.ReadWrite {
				ev = append(ev, value("mounted read-write", m.Point, ""))
			}
		}
		if len(ev) == 0 {
			return pass("no filesystem of the disk is mounted read-write")
		}
		if f.Load.WriteRate >= 0 {
			ev = append(ev, value("written since the start", size(f.Load.WriteRate)+"/s on average", ""))
		}
		for _, db := range f.Load.Databases {
			ev = append(ev, value("running", db, ""))
		}
		busy := ""
		if len(f.Load.Databases) > 0 {
			busy = "; " + strings.Join(f.Load.Databases, ", ") + " is running"
		}
		var r Result
		switch d.Consistency {
		case "frozen":
			return pass("%s mounted read-write, and frozen for the copy", plural(mountedRW(d), "filesystem")).with(ev...)
		case "pinned":
			r = oneMoment(d.Drift, busy)
			if r.Status == Pass {
				return r.with(ev...)
			}
		case "offline":
			return unknown("%s mounted read-write, yet the disk is read as if it were not", plural(mountedRW(d), "filesystem")).with(ev...)
		case "live":
			r = fail("", "%s mounted read-write and not frozen%s", plural(mountedRW(d), "filesystem"), busy)
		default:
			return unknown("%s mounted read-write, and how the image is kept consistent is not known", plural(mountedRW(d), "filesystem")).with(ev...)
		}
		return r.with(ev...).hint("%s", stopAdvice(f))
	},
}

// oneMoment judges an image whose structures are those of one moment by which files'
// contents are not.
func oneMoment(d *facts.Drift, busy string) Result {
	const structures = "structures are those of one moment"
	switch {
	case d == nil:
		return warn(Medium, "%s; files are copied while they are written, and which is not known%s", structures, busy)
	case d.Unknown != "":
		return warn(Medium, "%s; which files were written since is not known (%s)%s", structures, d.Unknown, busy)
	case len(d.Files) > 0:
		some := d.Files
		more := ""
		if n := len(some) - 3; n > 0 {
			some, more = some[:3], fmt.Sprintf(" and %d more", n)
		}
		r := warn(Medium, "what was read is exact but for %s: %s%s%s", plural(len(d.Files), "file"), strings.Join(some, ", "), more, busy)
		for _, db := range d.Databases {
			r = r.with(value("a database moved", db, ""))
		}
		return r
	case d.NoFile > 0:
		return warn(Medium, "%s; %s of what was read belongs to no file that is known, and moved%s", structures, size(d.NoFile), busy)
	case busy != "":
		return warn(Medium, "%s; what was read so far is exact, but files are copied while they are written%s", structures, busy)
	}
	return pass("%s, and so far no file that was read had moved; .migimg/drift.json says so to the end", structures)
}

func mountedRW(d facts.Disk) (n int) {
	seen := map[string]bool{}
	for _, m := range d.Mounts {
		if m.ReadWrite && !seen[m.Partition] {
			seen[m.Partition] = true
			n++
		}
	}
	return n
}

func stopAdvice(f *facts.Facts) string {
	s := "Export with --freeze; or stop the services that write and export again; or shut down and export from a rescue system."
	if len(f.Load.Databases) > 0 {
		s = "Stop " + strings.Join(f.Load.Databases, ", ") + " for the copy, or take a dump of it. " + s
	}
	if rootOn(f, "LVM2_member") {
		s += " With free space in the volume group: lvcreate -s -L 10G -n migimg VG/LV, and export the snapshot."
	}
	return s
}

// Thresholds of free space: what a conversion needs to make an initramfs and
// its configuration anew (virt-v2v's own limits), and where a filesystem counts
// as full.
const (
	freeBoot, freeRoot, freeOther = 50 << 20, 100 << 20, 10 << 20
	freeInodes                    = 100
	usedWarn, usedFail            = 90, 99 // percent
)

var fsSpace = Check{
	ID: "fs.space", Code: "MIG1204", Title: "There is room for what the move writes", Category: "disk", Severity: Medium,
	Needs:  needGuest,
	Impact: "A new initramfs, cloud-init and logs do not fit: the importer or the first boot fails half-way.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		r := pass("")
		n := 0
		for _, s := range f.Space {
			if s.Point == "" || s.FSType == "squashfs" || s.FSType == "iso9660" || s.FSType == "erofs" {
				continue
			}
			n++
			r = worst(r, spaceOf(s))
		}
		if n == 0 {
			return unknown("the free space of no filesystem of the system is known")
		}
		if r.Summary == "" {
			r = r.saying("enough on %s", plural(n, "filesystem"))
		}
		return r
	},
}

func spaceOf(s facts.Space) Result {
	ev := Evidence{Kind: "volume", Key: s.Volume, Detail: map[string]string{"mount point": s.Point}}
	if s.Err != "" {
		return unknown("%s: %s", s.Point, s.Err).with(ev)
	}
	if s.Size == 0 {
		return Result{Status: Pass}
	}
	used := int(100 - float64(s.Free)/float64(s.Size)*100)
	ev.Actual = size(s.Free) + " free"
	least := int64(freeOther)
	switch s.Point {
	case "/boot":
		least = freeBoot
	case "/":
		least = freeRoot
	}
	if s.FreeInodes >= 0 && s.Inodes > 0 {
		ev.Detail["inodes"] = fmt.Sprintf("%d of %d free", s.FreeInodes, s.Inodes)
	}
	least = min(least, s.Size/2) // a filesystem that small was made so
	switch {
	case used >= usedFail:
		return fail("", "%s is full: %s free (%d %%)", s.Point, size(s.Free), 100-used).with(ev)
	case s.Inodes > 0 && s.FreeInodes >= 0 && s.FreeInodes < freeInodes:
		return fail("", "%s has %d inodes left", s.Point, s.FreeInodes).with(ev)
	case s.Free < least:
		ev.Expected = size(least)
		return warn("", "%s has %s free, %s are wanted", s.Point, size(s.Free), size(least)).with(ev)
	case used > usedWarn:
		return warn(Low, "%s is %d %% full", s.Point, used).with(ev)
	}
	return Result{Status: Pass, Evidence: []Evidence{ev}}
}

var fsAmbiguousIDs = Check{
	ID: "fs.ambiguous-ids", Code: "MIG1205", Title: "No two filesystems have one name", Category: "disk", Severity: High,
	Impact: "Which of the two is mounted is a matter of chance.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		r := pass("every UUID and label is there once")
		for _, k := range []struct {
			kind string
			of   func(facts.Volume) string
		}{
			{"UUID", func(v facts.Volume) string { return v.UUID }}, {"LABEL", func(v facts.Volume) string { return v.Label }},
			{"PARTUUID", func(v facts.Volume) string { return v.PartUUID }}, {"PARTLABEL", func(v facts.Volume) string { return v.PartLabel }},
		} {
			seen := map[string]int{}
			for i, v := range f.Disk.Volumes {
				id := k.of(v)
				if id == "" || (v.Type == "linux_raid_member" || v.Type == "zfs_member") && !strings.HasPrefix(k.kind, "PART") {
					continue // members of one array or pool share its name
				}
				j, twice := seen[id]
				seen[id] = i
				if !twice {
					continue
				}
				r = worst(r, sameID(f, k.kind, id, f.Disk.Volumes[j], v))
			}
		}
		return r
	},
}

func sameID(f *facts.Facts, kind, id string, a, b facts.Volume) Result {
	if kind == "UUID" && a.Type == "btrfs" && b.Type == "btrfs" {
		return warn(Low, "%s and %s are parts of one btrfs, or copies of it", a.Title(), b.Title()).with(value(kind, id, ""))
	}
	ev := []Evidence{value(kind, id, "once"), {Kind: "volume", Key: a.Name, Actual: a.Type}, {Kind: "volume", Key: b.Name, Actual: b.Type}}
	used := slices.ContainsFunc(f.Fstab.Lines, func(l facts.FstabLine) bool {
		return l.Resolved.Kind == kind && strings.EqualFold(l.Resolved.Value, id)
	})
	for _, e := range f.Boot.Entries {
		used = used || e.RootSet && e.Root.Kind == kind && strings.EqualFold(e.Root.Value, id)
	}
	fix := "Give one of them another: tune2fs -U random, xfs_admin -U generate, mkswap -U random, or e2label."
	switch {
	case used:
		return fail("", "%s and %s have the same %s, by which one of them is mounted", a.Title(), b.Title(), kind).with(ev...).hint("%s", fix)
	case kind == "PARTLABEL" || kind == "LABEL":
		return Result{Status: Pass} // the same label twice harms nobody who does not go by it
	}
	return warn(Medium, "%s and %s have the same %s", a.Title(), b.Title(), kind).with(ev...).hint("%s", fix)
}

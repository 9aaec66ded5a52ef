package checks

import (
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

var fsTypes = Check{
	ID: "fs.type-and-features", Code: "MIG1201", Title: "The root filesystem is of a kind that targets read", Category: "disk", Severity: Medium,
	Needs:  needGuest,
	Impact: "The importer cannot look into the image, or inject its configuration.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		ev := Evidence{Kind: "volume", Key: f.Guest.Root, Actual: f.Guest.RootType, Expected: "ext3|ext4|xfs"}
		for _, v := range f.Disk.Volumes {
			if v.Name == f.Guest.Root && len(v.Features) > 0 {
				ev.Detail = map[string]string{"features": strings.Join(v.Features, " ")}
			}
		}
		switch f.Guest.RootType {
		case "ext2", "ext3", "ext4", "xfs":
			return worst(pass("the root is %s", f.Guest.RootType).with(ev), rootFilesystem(f, t))
		case "":
			return unknown("the root filesystem's type is not known").with(ev)
		}
		if t.Filesystems != nil && slices.Contains(t.Filesystems.Values, f.Guest.RootType) {
			return worst(pass("the root is %s", f.Guest.RootType).with(ev), rootFilesystem(f, t))
		}
		return worst(warn(Medium, "the root is %s, which few importers read", f.Guest.RootType).with(ev), rootFilesystem(f, t))
	},
}

var fsClean = Check{
	ID: "fs.clean", Code: "MIG1202", Title: "The filesystems are clean", Category: "disk", Severity: High,
	Impact: "The first boot repairs the filesystem, or stops for somebody to do it.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		r := pass("no filesystem has its error mark set")
		known := false
		for _, v := range f.Disk.Volumes {
			ev := Evidence{Kind: "volume", Key: v.Name, Actual: v.Clean, Expected: "clean"}
			mounted := false
			for _, m := range f.Disk.Mounts {
				mounted = mounted || m.Partition == v.Name
			}
			if v.Type == "swsuspend" {
				r = worst(r, fail("", "%s holds the image of a hibernated system: the files on the disk are older than its memory", v.Title()).with(Evidence{Kind: "volume", Key: v.Name, Actual: v.Type}).
					hint("Start the system and shut it down."))
			}
			switch {
			case v.Clean == "":
				continue
			case v.Clean == "errors":
				r = worst(r, fail("", "%s (%s) has its error mark set", v.Title(), v.Type).with(ev).hint("Unmount it and run e2fsck -f on it."))
			case mounted:
			case v.Clean == "recover":
				r = worst(r, warn(Low, "%s (%s) was not unmounted: its journal is replayed at the first boot", v.Title(), v.Type).with(ev))
			case v.Clean == "dirty":
				r = worst(r, warn(Medium, "%s (%s) was not unmounted and has no journal: the first boot checks it", v.Title(), v.Type).with(ev).hint("Run e2fsck -f on it."))
			}
			known = true
		}
		if !known && r.Status == Pass {
			return skip("no filesystem whose state is known here")
		}
		return r
	},
}

package checks

import (
	"fmt"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

var needFstab = []facts.Key{facts.KeyGuest, facts.KeyFstab}

func lineOf(l facts.FstabLine) Evidence { return file("/etc/fstab", l.Line, l.Text) }

// point names an fstab line for people.
func point(l facts.FstabLine) string {
	if l.Swap() {
		return "swap"
	}
	return l.Point
}

var diskRequiredMounts = Check{
	ID: "disk.required-mounts", Code: "MIG1105", Title: "Everything the system mounts is on this disk", Category: "disk", Severity: Blocker,
	Needs:  needFstab,
	Impact: "The system does not boot, or misses its data: the image holds this disk alone.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		r := pass("all of %d mounts are on this disk", len(f.Fstab.Lines))
		seen := map[string]bool{}
		for _, l := range f.Fstab.Lines {
			seen[l.Point] = true
			needed := facts.Needed(l.Point) && !l.Swap() && !l.Has("nofail")
			switch l.Resolved.Place {
			case facts.Elsewhere:
				r = worst(r, elsewhere(needed, l.Swap(), point(l), l.Spec).with(lineOf(l)))
			case facts.Unsure:
				if needed && l.Resolved.Kind != "device" {
					r = worst(r, unknown("%s: %s", l.Point, l.Resolved.Why).with(lineOf(l)))
				}
			}
		}
		for _, m := range f.OtherMounts {
			if !seen[m.Point] {
				r = worst(r, elsewhere(facts.Needed(m.Point), false, m.Point, m.Source).with(value("mount "+m.Point, m.Source, f.Disk.Device)))
			}
		}
		return r
	},
}

func elsewhere(needed, swap bool, at, spec string) Result {
	switch {
	case needed:
		return fail("", "%s is on another disk (%s)", at, spec).
			hint("Copy it onto this disk, or export the other disk too and attach it to the new machine.")
	case swap:
		return warn(Low, "swap is on another disk (%s)", spec)
	}
	return warn(Medium, "%s is on another disk (%s): its data is not in the image", at, spec).
		hint("Export the other disk too, or add nofail,x-systemd.device-timeout=10s to its line in /etc/fstab.")
}

var mountFstabSyntax = Check{
	ID: "mount.fstab-syntax", Code: "MIG4101", Title: "/etc/fstab is well formed", Category: "mounts", Severity: Medium,
	Needs:  needFstab,
	Impact: "Lines are not mounted, or the importer cannot read the file.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		t := f.Fstab
		if t.Missing {
			return warn("", "there is no /etc/fstab")
		}
		r := pass("%d lines", len(t.Lines))
		root := false
		points := map[string]int{}
		for _, l := range t.Lines {
			root = root || l.Point == "/"
			if strings.HasPrefix(l.Point, "/") && !l.Has("noauto") {
				if first, twice := points[l.Point]; twice {
					r = worst(r, warn(Low, "%s is mounted twice, in lines %d and %d", l.Point, first, l.Line).with(lineOf(l)))
				}
				points[l.Point] = l.Line
			}
		}
		for _, e := range t.Errors {
			one := fail("", "line %d: %s", e.Line, e.Why)
			if rootBroken(e) {
				root, one.Severity = true, High // the root stays read-only
			}
			r = worst(r, one.with(file("/etc/fstab", e.Line, e.Text)))
		}
		if t.CRLF {
			r = worst(r, fail(High, "lines end with CR LF: the last field of each has a character too many").command([]string{"sed", "-i", `s/\r$//`, "/etc/fstab"}))
		}
		if t.NoNewline {
			r = worst(r, warn(Low, "the last line does not end, so what is appended breaks it"))
		}
		r = worst(worst(r, fstabTypes(t)), fstabOrder(f))
		if !root && r.Status == Pass {
			r = warn(Low, "no line mounts /")
		}
		return r
	},
}

// hardwareName says that a line goes by a name which the hardware gives.
func hardwareName(s facts.Spec) bool {
	return s.Kind == "device" || s.Kind == "by-id" || s.Kind == "by-path"
}

var mountFstabDeviceNames = Check{
	ID: "mount.fstab-device-names", Code: "MIG4102", Title: "/etc/fstab does not go by device names", Category: "mounts", Severity: Blocker,
	Needs:  needFstab,
	Impact: "The system waits for a disk that has another name now, and stops in emergency mode.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		r := pass("no line goes by a device name")
		for _, l := range f.Fstab.Lines {
			if !hardwareName(l.Resolved) {
				continue
			}
			one := fail("", "%s (%s): made of this machine's hardware", l.Spec, point(l))
			if l.Resolved.Kind == "device" {
				if one = deviceName(f, t, "", l.Resolved); one.Status == Pass {
					continue
				}
				one = one.more(" (%s)", point(l))
			}
			if one.Severity == "" && one.Status != Unknown {
				one.Severity = lineSeverity(l)
				switch {
				case one.Severity == Low:
					one.Status = Warn
				case l.Point == "/":
					// The initramfs has mounted it by root= already, and systemd mounts it
					// again without looking at the device: a Debian 12 reaches its login.
					// Older inits check the device that is named, and stop.
					one.Severity = High
				}
			}
			r = worst(r, byUUID(f, l, one.with(lineOf(l))))
		}
		return r
	},
}

// lineSeverity is what an fstab line costs whose device does not appear.
func lineSeverity(l facts.FstabLine) Severity {
	switch {
	case l.Optional():
		return Low
	case l.Swap():
		return Medium // systemd waits 90 seconds, then goes on
	case facts.Needed(l.Point):
		return Blocker
	case l.Remote():
		return Medium // remote-fs.target: logging in waits, and no emergency mode follows
	}
	return High // emergency mode
}

// byUUID adds the line that would do.
func byUUID(f *facts.Facts, l facts.FstabLine, r Result) Result {
	i := l.Resolved.Volume
	if l.Point == "/" && i < 0 {
		for k, v := range f.Disk.Volumes {
			if v.Name == f.Guest.Root {
				i = k
			}
		}
	}
	if i < 0 || f.Disk.Volumes[i].UUID == "" {
		return r.hint("Find the UUID with blkid and write UUID=... in line %d of /etc/fstab.", l.Line)
	}
	uuid := f.Disk.Volumes[i].UUID
	fix := [][]string{{"sed", "-i", fmt.Sprintf("%ds|^%s|UUID=%s|", l.Line, l.Spec, uuid), "/etc/fstab"}}
	if f.Services.Init == "systemd" {
		fix = append(fix, []string{"systemctl", "daemon-reload"}, []string{"findmnt", "--verify"})
	}
	return r.command(fix...)
}

var mountFstabResolves = Check{
	ID: "mount.fstab-resolves", Code: "MIG4103", Title: "Every device in /etc/fstab is in the image", Category: "mounts", Severity: Blocker,
	Needs:  needFstab,
	Impact: "The system waits 90 seconds for the missing device, and stops in emergency mode.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		r := pass("all are")
		for _, l := range f.Fstab.Lines {
			switch l.Resolved.Place {
			case facts.Elsewhere:
				one := fail(lineSeverity(l), "%s (%s): %s", l.Spec, point(l), l.Resolved.Why).with(lineOf(l))
				if forEver(l) {
					one = one.more("; the boot waits for it without an end (x-systemd.device-timeout)")
				}
				one = one.
					hint("Comment line %d of /etc/fstab out, or add nofail,x-systemd.device-timeout=10s to its options.", l.Line)
				if one.Severity == Low {
					one.Status = Warn
				}
				r = worst(r, one)
			case facts.Unsure:
				if hardwareName(l.Resolved) {
					continue // the other check's
				}
				one := unknown("%s (%s): %s", l.Spec, point(l), l.Resolved.Why).with(lineOf(l))
				one.Severity = lineSeverity(l)
				r = worst(r, one)
			case facts.OnDisk:
				r = worst(r, exactTag(f, l))
			}
		}
		return r
	},
}

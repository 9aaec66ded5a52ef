package checks

import (
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

var needRAID = []facts.Key{facts.KeyGuest, facts.KeyRAID}

var diskMDRAID = Check{
	ID: "disk.mdraid", Code: "MIG1109", Title: "Arrays of md are found by their identity", Category: "disk", Severity: Medium,
	Needs:  needRAID,
	Impact: "The array does not assemble, or under another name, and what lies on it is not mounted.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		members := 0
		for _, v := range f.Disk.Volumes {
			if v.Type == "linux_raid_member" {
				members++
			}
		}
		c := f.RAID
		if members == 0 && len(c.MD.Arrays) == 0 {
			return skip("no array, and none in mdadm.conf")
		}
		r := pass("%d arrays in %s, each by its UUID", len(c.MD.Arrays), or(c.MDFile, "no mdadm.conf"))
		if len(c.Problems) > 0 {
			r = unknown("%s", c.Problems[0])
		}
		sev := Medium
		if rootOn(f, "linux_raid_member") {
			sev = High
		}
		if members == 0 {
			r = worst(r, warn(Low, "%s names %d arrays, of which this disk has no member: the boot may wait for them", c.MDFile, len(c.MD.Arrays)).with(file(c.MDFile, c.MD.Arrays[0].Line, "ARRAY "+c.MD.Arrays[0].Device)))
		}
		for _, a := range c.MD.Arrays {
			if a.Device != "<ignore>" && a.UUID == "" && members > 0 {
				r = worst(r, warn(sev, "%s has no UUID: it is found by the names of devices", or(a.Device, "an array")).with(file(c.MDFile, a.Line, "ARRAY "+a.Device+" devices="+strings.Join(a.Members, ","))).
					hint("Replace the ARRAY lines by what mdadm --detail --scan prints."))
			}
		}
		for _, d := range c.MD.Devices {
			if members > 0 && narrow(d.Words) {
				r = worst(r, warn(sev, "DEVICE %s leaves the target's disk out", strings.Join(d.Words, " ")).with(file(c.MDFile, d.Line, "DEVICE "+strings.Join(d.Words, " "))).
					hint("Write DEVICE partitions in line %d of %s.", d.Line, c.MDFile))
			}
		}
		for _, a := range c.Arguments {
			if (a == "rd.md=0" || a == "rd_NO_MD") && rootOn(f, "linux_raid_member") {
				r = worst(r, fail(High, "%s on the kernel's command line, and the root lies on an array", a).with(value("argument", a, "")))
			}
		}
		if r.Status != Pass && r.Status != Unknown {
			r.Remediation = append(r.Remediation, rebuild(f).Remediation...)
		}
		return r
	},
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// narrow says that a DEVICE line names kinds of disks and leaves others out.
func narrow(words []string) bool {
	for _, w := range words {
		if w == "partitions" || w == "containers" || w == "/dev/*" || strings.Contains(w, "vd") || strings.Contains(w, "/disk/by-uuid") {
			return false
		}
	}
	return len(words) > 0
}

var diskMultipath = Check{
	ID: "disk.multipath", Code: "MIG1110", Title: "No multipath devices stand between the system and its disk", Category: "disk", Severity: Medium,
	Needs:  needRAID,
	Impact: "The disk of the target has one path and another identity: names below /dev/mapper/mpath do not appear, or multipathd takes the disk.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		c := f.RAID
		m := c.Multipath
		if len(c.MultipathFiles) == 0 && c.WWIDs == 0 && c.MultipathOn.On == facts.AnswerNo {
			return skip("no multipath")
		}
		r := pass("multipath takes disks with several paths alone")
		if len(c.Problems) > 0 {
			r = unknown("%s", c.Problems[0])
		}
		for _, l := range f.Fstab.Lines {
			if name, ok := strings.CutPrefix(l.Spec, "/dev/mapper/"); ok && mpathName(name, m.Maps) {
				sev := lineSeverity(l)
				if sev == Blocker {
					sev = High // dracut's multipath may still make the name
				}
				r = worst(r, byUUID(f, l, warn(sev, "%s (%s) is a multipath device's name", l.Spec, point(l)).with(lineOf(l))))
			}
		}
		if e, ok := f.Boot.DefaultEntry(); ok {
			if name, ok := strings.CutPrefix(e.RootArg, "/dev/mapper/"); ok && mpathName(name, m.Maps) {
				r = worst(r, fixRoot(f, warn(High, "root=%s is a multipath device's name", e.RootArg).with(value("argument", "root="+e.RootArg, ""))))
			}
		}
		off := slices.Contains(c.Arguments, "multipath=off") || slices.Contains(c.Arguments, "nompath")
		if off || c.MultipathOn.On == facts.AnswerNo && c.EarlyMultipath != facts.AnswerYes {
			return r
		}
		if c.EarlyMultipath == facts.AnswerYes {
			r = r.with(value("initramfs", "multipath is in it", ""))
		}
		if m.Greedy() {
			ev := Evidence{Kind: "file", Path: m.FindFile, Line: m.FindLine, Text: "find_multipaths " + m.FindMultipaths}
			r = worst(r, warn("", "find_multipaths %s: multipathd takes every disk, the target's too", m.FindMultipaths).with(ev).
				hint("Set find_multipaths strict in the section defaults, and make the initramfs anew."))
		}
		if len(m.Maps) > 0 {
			r = worst(r, warn(Low, "%s names %s of this machine", m.Maps[0].File, plural(len(m.Maps), "device")).with(file(m.Maps[0].File, m.Maps[0].Line, "multipath { alias "+m.Maps[0].Alias+" }")))
		}
		if c.MultipathOn.On == facts.AnswerYes && c.WWIDs > 0 {
			ev := value("/etc/multipath/wwids", plural(c.WWIDs, "disk"), "")
			r = worst(r, warn(Low, "multipathd is started and knows %s of this machine", plural(c.WWIDs, "disk")).with(ev).
				command([]string{"systemctl", "disable", "multipathd"}).hint("After the first boot: multipath -W writes the list anew."))
		}
		return r
	},
}

// mpathName says that a device mapper name is one that multipath gives: mpatha,
// with a partition, or an alias of the configuration.
func mpathName(name string, maps []facts.MultipathMap) bool {
	if rest, ok := strings.CutPrefix(name, "mpath"); ok {
		rest = strings.TrimRight(rest, "0123456789")
		rest = strings.TrimSuffix(strings.TrimSuffix(rest, "p"), "-part")
		return strings.Trim(rest, "abcdefghijklmnopqrstuvwxyz") == "" && len(rest) <= 4
	}
	for _, m := range maps {
		for _, id := range []string{m.Alias, m.WWID} {
			if id != "" && (name == id || strings.HasPrefix(name, id+"-part") || strings.HasPrefix(name, id+"p")) {
				return true
			}
		}
	}
	return false
}

package checks

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"migimg/preflight/distros"
	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

var osSupported = Check{
	ID: "os.supported", Code: "MIG8101", Title: "The distribution's release gets updates", Category: "os", Severity: Medium,
	Needs:  []facts.Key{facts.KeyGuest, facts.KeyOS},
	Impact: "A release without updates stays open to known attacks, and clouds drop old releases from what they support.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		o := f.OS
		tab, err := distros.Load()
		if err != nil {
			return unknown("%v", err)
		}
		ev := value("release", strings.TrimSpace(o.ID+" "+o.VersionID), "").at(o.File)
		name := o.Pretty
		if name == "" {
			name = o.ID
		}
		if tab.IsRolling(o.ID) {
			return pass("%s has no releases that end; whether it is up to date is not known", name).with(ev)
		}
		d, r := tab.Find(o.ID, o.VersionID, o.Pretty)
		switch {
		case d == nil:
			return warn(Info, "%s is not in the table of distributions; clouds take it as \"other Linux\"", name).with(ev)
		case r == nil && o.VersionID == "":
			return pass("%s without a version is taken for a testing release", name).with(ev)
		case r == nil:
			return warn(Info, "%s: no dates are known of %s %s (as of %s)", name, d.Name, o.VersionID, tab.AsOf).with(ev)
		case r.End == "":
			return pass("%s gets updates (as of %s)", name, tab.AsOf).with(ev)
		}
		now := f.Now.Format(time.DateOnly)
		ev.Expected = "updates until " + r.End
		if r.Extended != "" {
			ev.Expected += ", extended until " + r.Extended
		}
		ev.Detail = map[string]string{"as_of": tab.AsOf, "source": d.Ref}
		switch {
		case f.Now.IsZero():
			return unknown("the date is not known")
		case now <= r.End:
			return pass("%s gets updates until %s", name, r.End).with(ev)
		case r.Extended != "" && now <= r.Extended && d.ExtendedForAll:
			return pass("%s gets long-term updates until %s", name, r.Extended).with(ev)
		case r.Extended != "" && now <= r.Extended:
			return warn(Low, "%s has had updates for all until %s; until %s there are extended ones (LTS, ESM, ELS, LTSS)", name, r.End, r.Extended).with(ev).
				hint("Make sure that the machine takes part in the extended support, or upgrade.")
		}
		last := max(r.End, r.Extended)
		return warn("", "%s has had no updates since %s", name, last).with(ev).
			hint("Upgrade to a supported release, before or after the move; some clouds refuse support for this one, and its packages are in an archive only.")
	},
}

// at puts the file that a value was read from beside it.
func (e Evidence) at(path string) Evidence {
	e.Path = path
	return e
}

var osCase = Check{
	ID: "os.case", Code: "MIG8114", Title: "The system is a general Linux that is kept by hand", Category: "os", Severity: Medium,
	Impact: "What the other checks read and advise may not be how this system is set up, and what is changed by hand may not last.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		if s := foreignSystem(f.Disk); s != "" && !f.Guest.Found {
			return warn("", "the disk looks like one of %s, which the checks of an operating system do not know: only those of the disk were made", s)
		}
		if a, absent := f.Absent(facts.KeyGuest); absent {
			if a.NotApplicable {
				return skip("%s", a.Reason)
			}
			return unknown("%s", a.Reason)
		}
		if a, absent := f.Absent(facts.KeyTraces); absent {
			return unknown("%s", a.Reason)
		}
		r := pass("nothing of an appliance or an image-based system")
		if f.OS.ID != "" {
			r = r.with(value("id", f.OS.ID, "").at(f.OS.File))
		}
		for _, x := range f.Traces.Of(facts.TraceAppliance) {
			r = worst(r, appliance(x).with(seen(x)...))
		}
		return unlooked(r, f, facts.TraceAppliance)
	},
}

func appliance(x facts.Trace) Result {
	switch x.Class {
	case "ignition":
		return warn("", "%s: Ignition sets the system up at its very first start only, and not again in the cloud", x.Name).
			hint("Use the distribution's own image for the target and give it the old machine's Ignition configuration.")
	case "image":
		return warn("", "%s: the system is an image that is replaced as a whole; changes in /usr are lost or impossible", x.Name).
			hint("Make changes with the system's own tool (rpm-ostree, transactional-update, snap), or use the distribution's image for the target.")
	case "generated":
		return warn("", "%s: files in /etc are generated; change the configuration that they are made of", x.Name).
			hint("Set root device, initramfs modules and network in the system's configuration, and build it anew.")
	case "foreign":
		return warn("", "%s: the checks are made for Linux and say nothing certain here", x.Name)
	case "container":
		return warn(Low, "%s: it may have no kernel and no boot loader of its own", x.Name)
	}
	return warn("", "%s: ask its maker for the image for the target, and move the configuration with its own backup", x.Name)
}

// foreignTypes are partition types of other operating systems: GPT's by their
// GUIDs (UEFI specification's registry, FreeBSD gpart(8), VMware's VMFS), MBR's
// by their numbers.
var foreignTypes = map[string]string{
	"e3c9e316-0b5c-4db8-817d-f92df00215ae": "Windows", "de94bba4-06d1-4d40-a16a-bfd50179d6ac": "Windows",
	"516e7cb5-6ecf-11d6-8ff8-00022d09712b": "FreeBSD", "516e7cb6-6ecf-11d6-8ff8-00022d09712b": "FreeBSD", "516e7cba-6ecf-11d6-8ff8-00022d09712b": "FreeBSD", "83bd6b9d-7f41-11dc-be0b-001560b84f0f": "FreeBSD",
	"aa31e02a-400f-11db-9590-000c2911d1b8": "VMware ESXi", "9d275380-40ad-11db-bf97-000c2911d1b8": "VMware ESXi",
	"48465300-0000-11aa-aa11-00306543ecac": "macOS", "7c3457ef-0000-11aa-aa11-00306543ecac": "macOS",
	"6a82cb45-1dd2-11b2-99a6-080020736631": "illumos or Solaris",
	"0xa5":                                 "FreeBSD", "0xa6": "OpenBSD", "0xa9": "NetBSD", "0xfb": "VMware ESXi", "0xbf": "illumos or Solaris",
}

// foreignSystem names the operating system that a partition type is of. On an
// MBR the type of NTFS is Windows's where the partition is the active one.
func foreignSystem(d facts.Disk) string {
	for _, p := range d.Table.Partitions {
		if s := foreignTypes[strings.ToLower(p.Type)]; s != "" {
			return s
		}
		if p.Type == "0x07" && p.Bootable && slices.ContainsFunc(d.Volumes, func(v facts.Volume) bool { return v.Number == p.Number && v.Disk == d.Name && v.Type == "ntfs" }) {
			return "Windows"
		}
	}
	return ""
}

// seen is the evidence of a trace.
func seen(x facts.Trace) (e []Evidence) {
	for _, t := range x.Files[:min(len(x.Files), 5)] {
		e = append(e, file(t.Path, t.Line, t.Text))
	}
	if n := len(x.Files) - 5; n > 0 {
		e = append(e, value(x.Name, fmt.Sprintf("%d more files", n), ""))
	}
	if len(x.Packages) > 0 {
		e = append(e, value("packages", strings.Join(x.Packages, ", "), ""))
	}
	if len(x.Units) > 0 {
		e = append(e, value("started at boot", strings.Join(x.Units, " "), ""))
	}
	return e
}

// unlooked adds to a result what could not be looked at for a kind of traces.
func unlooked(r Result, f *facts.Facts, kind string) Result {
	if r.Status == Pass && (kind == facts.TraceHardware || kind == facts.TraceSecurity || kind == facts.TraceLicence) {
		// Some are known by their packages only.
		if a, absent := f.Absent(facts.KeyPackages); absent && !a.NotApplicable {
			return unknown("%s", a.Reason)
		}
		if why := f.Packages.Incomplete(); why != "" {
			return unknown("%s", why)
		}
	}
	if p := f.Traces.Problems[kind]; len(p) > 0 {
		return worst(r, unknown("%s", p[0]))
	}
	return r
}

package checks

import (
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

var initramfsRootStack = Check{
	ID: "initramfs.root-stack", Code: "MIG3106", Title: "The initramfs assembles the root, and knows no other one", Category: "drivers", Severity: High,
	Needs:  needDrivers,
	Impact: "The disk is found, and the root on it is not: the start stops in the initramfs.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		if len(f.Drivers.Initrds) == 0 {
			return skip("the boot entry has no initramfs")
		}
		layers := rootLayers(f)
		r := pass("nothing but the filesystem is between disk and root")
		if len(layers) > 0 {
			r = pass("%s, with all it needs", strings.Join(layers, " on "))
		}
		for _, l := range layers {
			r = worst(r, layer(f, l).at(High))
		}
		for _, e := range f.Early.Embedded {
			if one := embedded(f, t, e, layers).at(High); one.Status != Pass {
				r = worst(r, one.with(file(e.File, e.Line.Line, e.Text)))
			}
		}
		if r.Status != Pass && r.Status != Unknown {
			r = r.hint("Put the system's own files in order, then make the initramfs anew.")
			r.Remediation = append(r.Remediation, rebuild(f).Remediation...)
		}
		return r
	},
}

// rootLayers are what lies between the disk and the root: by the volumes that the
// root's own lies in, and by the name that root= has.
func rootLayers(f *facts.Facts) (layers []string) {
	add := func(l string) {
		for _, x := range layers {
			if x == l {
				return
			}
		}
		layers = append(layers, l)
	}
	for _, v := range f.Disk.Layers(f.Guest.Root) {
		switch v.Type {
		case "LVM2_member":
			add("LVM")
		case "crypto_LUKS":
			add("LUKS")
		case "linux_raid_member":
			add("RAID")
		}
	}
	if e, ok := f.Boot.DefaultEntry(); ok && e.RootSet {
		switch {
		case e.Root.Kind == "md":
			add("RAID")
		case e.Root.Kind == "mapper" && len(layers) == 0:
			add("device mapper")
		}
	}
	if f.Guest.RootType == "btrfs" {
		add("btrfs")
	}
	return layers
}

// layer judges one: its module and the program that assembles it.
func layer(f *facts.Facts, l string) Result {
	need := map[string]struct {
		module   string
		programs []string
	}{"LVM": {"dm_mod", []string{"lvm"}}, "LUKS": {"dm_crypt", []string{"cryptsetup", "systemd-cryptsetup"}}, "RAID": {"md_mod", []string{"mdadm"}},
		"device mapper": {"dm_mod", []string{"lvm", "dmsetup", "cryptsetup", "systemd-cryptsetup", "multipath", "multipathd"}}, "btrfs": {"btrfs", nil}}[l]
	r := pass("%s", l)
	if _, asked := f.Drivers.Modules[need.module]; asked {
		r = worst(r, early(f, need.module))
	}
	if len(need.programs) == 0 || f.Early.Generator == "booster" { // booster's init does it all itself
		return r
	}
	for _, p := range need.programs {
		if f.Early.Programs[p] != "" {
			return r
		}
	}
	if f.Early.Opaque != "" {
		return worst(r, unknown("whether the initramfs has %s for %s cannot be told: %s", need.programs[0], l, f.Early.Opaque))
	}
	if f.Early.Generator == "" {
		// RHEL 5's nash and others assemble LVM themselves.
		return worst(r, unknown("the root is on %s, and the initramfs has no %s; who made it is not known", l, need.programs[0]))
	}
	return worst(r, fail("", "the root is on %s, and the initramfs has no %s", l, need.programs[0]))
}

// embedded judges a line of the initramfs's own configuration.
func embedded(f *facts.Facts, t *targets.Target, e facts.Embedded, layers []string) Result {
	where := func(r Result) Result {
		if r.Status != Pass {
			r.Summary = "in the initramfs, " + r.Summary
		}
		return r
	}
	onLVM := false
	for _, l := range layers {
		onLVM = onLVM || l == "LVM" || l == "device mapper"
	}
	switch e.Kind {
	case "arg":
		switch {
		case e.Key == "root" && f.RootGiven():
			return pass("") // the command line's counts
		case e.Key == "root":
			return where(device(f, t, "root="+e.Value, e.Value, High))
		case e.Key == "resume":
			return where(device(f, t, "resume="+e.Value, e.Value, Low))
		case e.Key == "rd.lvm.lv":
			return where(logical(f, "rd.lvm.lv="+e.Value, e.Value))
		case e.Key == "rd.luks.uuid":
			return where(tagged(f, "rd.luks.uuid="+e.Value, strings.TrimPrefix(e.Value, "luks-"), "crypto_LUKS", true))
		}
	case "resume":
		if e.Value != "none" && e.Value != "auto" {
			return where(device(f, t, "RESUME="+e.Value, e.Value, Low))
		}
	case "crypttab":
		return where(device(f, t, "crypttab: "+e.Key+" is "+e.Value, e.Value, Medium))
	case "lvm-filter":
		return lvmFilter(e, onLVM)
	case "lvm-device":
		if onLVM && (strings.Contains(e.Value, "IDTYPE=sys_wwid") || strings.Contains(e.Value, "IDTYPE=sys_serial")) {
			return warn(High, "in the initramfs, LVM's list of devices names this machine's disks: others may be passed over")
		}
	case "multipath":
		return warn(Low, "in the initramfs, multipath knows this machine's disks")
	}
	return pass("")
}

// lvmFilter: a filter that accepts some names and rejects all others sees no disk
// of another name (lvm.conf(5), filter: the first pattern that matches counts).
func lvmFilter(e facts.Embedded, onLVM bool) Result {
	rejectsAll, accepts := false, ""
	for p := range strings.SplitSeq(e.Value, ",") {
		p = strings.Trim(p, " \t[]\"")
		if len(p) < 3 {
			continue
		}
		body := strings.Trim(p[1:], p[1:2])
		switch {
		case p[0] == 'r' && (body == ".*" || body == "." || body == ".*/" || body == ""):
			rejectsAll = true
		case p[0] == 'a' && (body == ".*" || body == "." || body == ".*/" || body == ""):
			return pass("")
		case p[0] == 'a' && (strings.Contains(body, "/sd") || strings.Contains(body, "/hd") || strings.Contains(body, "by-id") || strings.Contains(body, "/nvme") || strings.Contains(body, "/mapper/mpath") || strings.Contains(body, "cciss")):
			accepts = body
		case p[0] == 'a' && (strings.Contains(body, "vd") || strings.Contains(body, "dev/.*")):
			return pass("")
		}
	}
	if !onLVM || !rejectsAll || accepts == "" {
		return pass("")
	}
	return warn(High, "in the initramfs, LVM looks at disks named %s only", accepts)
}

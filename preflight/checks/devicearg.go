package checks

import (
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

// device judges an argument that names a device.
func device(f *facts.Facts, t *targets.Target, whole, spec string, s Severity) Result {
	x := f.Disk.Resolve(spec, "")
	var r Result
	switch {
	case x.Kind == "device":
		r = deviceName(f, t, strings.TrimSuffix(whole, spec), x)
	case x.Kind == "by-id" || x.Kind == "by-path":
		r = fail("", "%s is made of this machine's hardware", whole)
	case x.Place == facts.Elsewhere:
		r = fail("", "%s: %s", whole, x.Why)
	case x.Place == facts.Unsure:
		r = unknown("%s: %s", whole, x.Why)
	default:
		return pass("")
	}
	if r.Status == Pass {
		return r
	}
	r.Severity = s
	return r
}

// logical judges VG/LV, or VG/ for a group alone. The scan names logical volumes
// as the device mapper does.
func logical(f *facts.Facts, whole, name string) Result {
	vg, lv, _ := strings.Cut(name, "/")
	double := func(s string) string { return strings.ReplaceAll(s, "-", "--") }
	known, pv := false, false
	for _, v := range f.Disk.Volumes {
		pv = pv || v.Type == "LVM2_member"
		base := v.Name[strings.LastIndex(v.Name, "/")+1:]
		if base == v.Name {
			continue // a partition
		}
		if g, ok := strings.CutPrefix(base, double(vg)+"-"); ok && !strings.HasPrefix(g, "-") {
			known = true
			if lv == "" || g == double(lv) {
				return pass("")
			}
		}
	}
	for _, m := range f.Disk.Mounts {
		if m.Device == "/dev/mapper/"+double(vg)+"-"+double(lv) || lv == "" && strings.HasPrefix(m.Device, "/dev/mapper/"+double(vg)+"-") {
			return pass("")
		}
	}
	for _, v := range f.Disk.Volumes {
		if v.Type == "crypto_LUKS" || v.Type == "linux_raid_member" || v.Type == "LVM2_member" && (!v.Container || known) {
			return unknown("%s: %s may hold it", whole, v.Title())
		}
	}
	if pv {
		return fail("", "%s: no volume group on this disk has it", whole)
	}
	return fail("", "%s: the disk holds no LVM", whole)
}

// tagged judges the UUID of a member of a stack. Those of RAID are not known to
// the scan, so that they are only missed where the disk has no member at all.
func tagged(f *facts.Facts, whole, uuid, kind string, byUUID bool) Result {
	member := false
	for _, v := range f.Disk.Volumes {
		if v.Type != kind {
			continue
		}
		member = true
		if byUUID && strings.HasPrefix(strings.ToLower(v.UUID), strings.ToLower(uuid)) {
			return pass("")
		}
	}
	switch {
	case !member && kind == "crypto_LUKS" && slices.ContainsFunc(f.Disk.Volumes, func(v facts.Volume) bool { return v.Type == "LVM2_member" || v.Type == "linux_raid_member" }):
		return unknown("%s: it may lie inside another volume", whole)
	case !member:
		return fail("", "%s: the disk holds no %s", whole, kind)
	case byUUID:
		return fail("", "%s: no volume of this disk has it", whole)
	}
	return pass("")
}

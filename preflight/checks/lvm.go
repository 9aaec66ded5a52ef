package checks

import (
	"fmt"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

var needLVM = []facts.Key{facts.KeyGuest, facts.KeyLVM}

// lvmVolumes are the partitions of the disk that LVM has.
func lvmVolumes(f *facts.Facts) (out []facts.Volume) {
	for _, v := range f.Disk.Volumes {
		if v.Type == "LVM2_member" {
			out = append(out, v)
		}
	}
	return out
}

// rootOn says whether the root filesystem lies on a layer of a type.
func rootOn(f *facts.Facts, kind string) bool { return f.Disk.On(f.Guest.Root, kind) }

var diskLVMDevicesFile = Check{
	ID: "disk.lvm-devices-file", Code: "MIG1107", Title: "LVM does not look for its disks by this machine's hardware", Category: "disk", Severity: High,
	Needs:  needLVM,
	Impact: "LVM passes over the disk, as its devices file lists another one: volume groups stay inactive, and the boot waits for them.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		l := f.LVM
		if l.DevicesFile == "" {
			if l.UseDevices == facts.AnswerUnknown {
				return unknown("%s", first(l.Problems, "the devices file could not be read"))
			}
			return pass("there is no devices file").with(caches(l)...)
		}
		if l.UseDevices == facts.AnswerNo {
			return pass("%s is there, and use_devicesfile = 0 switches it off", l.DevicesFile)
		}
		hardware := 0
		r := pass("no entry of %s goes by hardware", l.DevicesFile).with(caches(l)...)
		for _, e := range l.Devices.Entries {
			// An entry by devname does no harm: LVM looks for its PVID under other
			// names (lvm.conf(5), search_for_devnames).
			if !e.Hardware() {
				continue
			}
			hardware++
			r = r.with(file(l.DevicesFile, e.Line, "IDTYPE="+e.IDType+" DEVNAME="+e.DevName))
		}
		if hardware == 0 {
			return r
		}
		one := fail("", "%s lists %d devices by this machine's hardware", l.DevicesFile, hardware)
		switch {
		case l.Devices.ProductUUID || l.Devices.Hostname:
			// Newer LVM sees that the machine is another one and searches by PVID.
			one = warn(Medium, "%s is another machine's; LVM notices that by the product's UUID or the host name, and searches the disks again", l.DevicesFile)
		case len(lvmVolumes(f)) == 0:
			one = warn(Low, "%s lists %d devices by hardware; this disk has no volume group", l.DevicesFile, hardware)
		case l.UseDevices == facts.AnswerUnknown:
			one = warn(Medium, "%s lists %d devices by hardware; whether LVM goes by the file is not set", l.DevicesFile, hardware)
		case !rootOn(f, "LVM2_member"):
			one = warn(Medium, "%s; the root is not on LVM", one.Summary)
		}
		one.Evidence = r.Evidence
		if l.EarlyDevices != "" {
			one = one.with(file(l.EarlyDevices, 0, "a copy in the initramfs"))
			one.Remediation = append(one.Remediation, rebuild(f).Remediation...)
		}
		return one.command([]string{"mv", l.DevicesFile, l.DevicesFile + ".before-move"}).
			hint("Do not empty the file, which would hide every disk. After the first boot on the target: vgimportdevices -a.")
	},
}

// caches are files with the names of the old machine's devices: harmless, as
// they are checked before use.
func caches(l facts.LVM) (ev []Evidence) {
	for _, c := range l.Caches {
		ev = append(ev, file(c, 0, "cache of the names of devices"))
	}
	return ev
}

func first(list []string, otherwise string) string {
	if len(list) > 0 {
		return list[0]
	}
	return otherwise
}

// rebuild says how the initramfs is made anew on this distribution.
func rebuild(f *facts.Facts) Result {
	switch f.OS.Family() {
	case "debian":
		return Result{}.command([]string{"update-initramfs", "-u", "-k", "all"})
	case "rhel", "suse":
		return Result{}.command([]string{"dracut", "-f", "--regenerate-all"})
	case "arch":
		return Result{}.command([]string{"mkinitcpio", "-P"})
	case "alpine":
		return Result{}.command([]string{"mkinitfs"})
	}
	return Result{}.hint("Make the initramfs anew.")
}

var diskLVMConfig = Check{
	ID: "disk.lvm-config", Code: "MIG1108", Title: "LVM's configuration lets it see the target's disk", Category: "disk", Severity: High,
	Needs:  needLVM,
	Impact: "LVM rejects the disk under its new name, and the volumes on it do not come up.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		l := f.LVM
		volumes := lvmVolumes(f)
		if len(volumes) == 0 {
			return skip("the disk has no volume group")
		}
		r := pass("no filter keeps the disk out")
		if len(l.Problems) > 0 {
			r = unknown("%s", l.Problems[0])
		}
		for _, set := range [][]facts.LVMFilterSetting{l.Filters, l.EarlyFilters} {
			for _, x := range set {
				for _, v := range volumes {
					r = worst(r, filterOn(f, t, x, v))
				}
			}
		}
		return worst(r, lvmSystem(f))
	},
}

// filterOn judges a filter for one physical volume under the names that the
// target gives it.
func filterOn(f *facts.Facts, t *targets.Target, x facts.LVMFilterSetting, v facts.Volume) Result {
	ev := file(x.File, x.Line, x.Name+" = [ "+strings.Join(x.Words, ", ")+" ]")
	if x.Err != "" {
		return unknown("%s cannot be evaluated: %s", x.Name, x.Err).with(ev)
	}
	if len(t.DiskNames.Values) == 0 {
		return Result{Status: Pass}
	}
	var rejected []string
	for _, d := range t.DiskNames.Values {
		if ok, _ := x.Filter.Accepts(namesOn(d, v)...); !ok {
			rejected = append(rejected, "/dev/"+d)
		}
	}
	if len(rejected) == 0 {
		return Result{Status: Pass}
	}
	// Names that cannot be foreseen: links of udev, and of device mapper.
	if p, ok := x.Filter.Mentions("by-id", "by-path", "/disk/", "mapper", "mpath", "/dm-", "/md"); ok && rejected[0] == "/dev/"+t.DiskNames.Values[0] {
		return unknown("%s rejects %s, unless %s fits a name that the disk will have there", x.Name, rejected[0], p).with(ev).
			hint("Add \"a|^/dev/%s|\" in front, in %s, and make the initramfs anew.", t.DiskNames.Values[0], x.File)
	}
	if rejected[0] != "/dev/"+t.DiskNames.Values[0] {
		return warn(Low, "%s rejects %s, a name that the target's disk may have", x.Name, rejected[0]).with(ev)
	}
	r := fail("", "%s rejects %s", x.Name, rejected[0])
	if rootOn(f, "LVM2_member") {
		r.Severity = Blocker
		// What counts for the root is the initramfs' own copy; where that is not
		// known, this file is no proof.
		if !strings.HasPrefix(x.File, "initramfs:") {
			switch {
			case f.LVM.Early != facts.AnswerYes:
				r = unknown("%s rejects %s; whether the initramfs has the same filter is not known", x.Name, rejected[0])
				r.Severity = Blocker
			case len(f.LVM.EarlyFilters) == 0:
				r.Severity = High
			}
		}
	}
	r = r.with(ev).hint("Add \"a|^/dev/%s|\" to %s in %s, in front of what rejects, or remove the filter.", t.DiskNames.Values[0], x.Name, x.File)
	r.Remediation = append(r.Remediation, rebuild(f).Remediation...)
	return r
}

// namesOn are the names that a partition has for certain where its disk is
// called so.
func namesOn(disk string, v facts.Volume) []string {
	part := "/dev/" + disk
	if v.Number > 0 {
		sep := ""
		if n := disk[len(disk)-1]; n >= '0' && n <= '9' {
			sep = "p"
		}
		part = fmt.Sprintf("%s%s%d", part, sep, v.Number)
	}
	names := []string{part}
	if v.PartUUID != "" {
		names = append(names, "/dev/disk/by-partuuid/"+v.PartUUID)
	}
	if v.UUID != "" {
		names = append(names, "/dev/disk/by-id/lvm-pv-uuid-"+v.UUID)
	}
	return names
}

// lvmSystem judges settings that tie volume groups to this host, or to others.
func lvmSystem(f *facts.Facts) Result {
	r := Result{Status: Pass}
	set := func(name string) (facts.LVMSetting, string) {
		s := f.LVM.Settings[name]
		if len(s.Words) == 0 {
			return s, ""
		}
		return s, s.Words[0]
	}
	if s, v := set("global/system_id_source"); v != "" && v != "none" {
		ev := file(s.File, s.Line, "system_id_source = "+v)
		switch v {
		case "uname":
			r = worst(r, warn(Medium, "volume groups belong to the host's name: where the target gives another one, they stay closed").with(ev).
				hint("Keep the host name, or set system_id_source = \"none\" and clear the groups' system ID: vgchange --systemid \"\" VG"))
		case "machineid", "appmachineid":
			r = worst(r, warn(Medium, "volume groups belong to /etc/machine-id: a new one closes them").with(ev).
				hint("Keep /etc/machine-id, or clear the groups' system ID: vgchange --systemid \"\" VG"))
		default:
			r = worst(r, warn(Low, "volume groups belong to the system ID of %s", v).with(ev))
		}
	}
	if s, v := set("global/locking_type"); v == "3" || v == "2" {
		r = worst(r, fail("", "locking_type = %s: LVM waits for a cluster", v).with(file(s.File, s.Line, "locking_type = "+v)).
			hint("Set locking_type = 1 and clear the groups' cluster mark: vgchange -cn VG"))
	}
	if s, v := set("global/use_lvmlockd"); v == "1" {
		r = worst(r, warn(Medium, "use_lvmlockd = 1: shared volume groups wait for a lock manager").with(file(s.File, s.Line, "use_lvmlockd = 1")))
	}
	return r
}

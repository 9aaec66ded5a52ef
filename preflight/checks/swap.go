package checks

import (
	"fmt"
	"strings"

	"migimg/blockmap/ptable"
	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

var needSwap = []facts.Key{facts.KeyGuest, facts.KeySwap}

var diskGrowable = Check{
	ID: "disk.growable", Code: "MIG1112", Title: "The root can grow with a larger disk", Category: "disk", Severity: Low,
	Needs:  needSwap,
	Impact: "On a larger disk the new space stays unused until somebody moves partitions.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		layers := f.Disk.Layers(f.Guest.Root)
		var root *ptable.Partition
		table := f.Disk.Table
		for _, v := range layers {
			t := f.Disk.Of(v).Table
			for i, p := range t.Partitions {
				if v.Number > 0 && p.Number == v.Number {
					root, table = &t.Partitions[i], t
				}
			}
		}
		if root == nil {
			return skip("the root is not in a partition")
		}
		r := pass("partition %d is the last one", root.Number)
		var after []string
		for _, p := range table.Partitions {
			// The extended partition that holds the root begins before it.
			if p.Start > root.Start {
				after = append(after, fmt.Sprint(p.Number))
			}
		}
		if len(after) > 0 {
			r = warn("", "partition %s lies behind the root's", strings.Join(after, ", ")).
				hint("Where it is swap: take it out of /etc/fstab, delete it, and use a swap file.")
		}
		if rootOn(f, "LVM2_member") && len(after) > 0 {
			r = warn(Low, "partition %s lies behind LVM's; a new partition can be added to the volume group instead", strings.Join(after, ", "))
		}
		if len(f.Swap.Grow) == 0 && len(f.Swap.GrowEarly) == 0 {
			one := warn("", "no program of the guest grows a partition (growpart)")
			switch f.OS.Family() {
			case "debian":
				one = one.command([]string{"apt-get", "install", "cloud-guest-utils"})
			case "rhel":
				one = one.command([]string{"yum", "install", "cloud-utils-growpart"})
			case "suse":
				one = one.command([]string{"zypper", "in", "growpart"})
			case "alpine":
				one = one.command([]string{"apk", "add", "cloud-utils-growpart"})
			case "arch":
				one = one.command([]string{"pacman", "-S", "cloud-guest-utils"})
			}
			r = worst(r, one)
		}
		if old := f.OS.Family() == "rhel" && (strings.HasPrefix(f.OS.VersionID, "6.") || f.OS.VersionID == "6" || strings.Contains(f.OS.Pretty, " release 6")); old && len(f.Swap.GrowEarly) == 0 {
			r = worst(r, warn("", "dracut-modules-growroot is not installed: this release grows the root in the initramfs alone").command([]string{"yum", "install", "dracut-modules-growroot"}))
		}
		return r
	},
}

var diskSwap = Check{
	ID: "disk.swap", Code: "MIG1113", Title: "Swap and resuming go by devices of this disk", Category: "disk", Severity: Medium,
	Needs:  []facts.Key{facts.KeyGuest, facts.KeySwap, facts.KeyFstab},
	Impact: "The boot waits for a device that does not come: 30 seconds in the initramfs, 90 in systemd.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		r := pass("")
		n := 0
		for _, l := range f.Fstab.Lines {
			if !l.Swap() {
				continue
			}
			n++
			switch {
			case l.Resolved.Place == facts.Elsewhere:
				one := warn(Medium, "swap %s: %s", l.Spec, l.Resolved.Why)
				if l.Optional() {
					one.Severity = Low
				}
				r = worst(r, one.with(lineOf(l)).hint("Comment line %d of /etc/fstab out.", l.Line))
			case l.Resolved.Place == facts.OnDisk:
				if v := f.Disk.Volumes[l.Resolved.Volume]; v.Type != "swap" && v.Type != "swsuspend" && v.Type != "crypto_LUKS" && v.Type != "" {
					r = worst(r, warn(Medium, "swap %s is %s, a %s and no swap space", l.Spec, v.Title(), v.Type).with(lineOf(l)))
				}
			}
		}
		var zram []Evidence
		for _, z := range f.Swap.ZRAM {
			zram = append(zram, file(z, 0, "swap in memory"))
		}
		for _, s := range f.Swap.Resume {
			r = worst(r, resume(f, s))
		}
		if len(f.Swap.Problems) > 0 {
			r = worst(r, unknown("%s", f.Swap.Problems[0]))
		}
		if r.Summary == "" {
			r = r.saying("%s of swap in /etc/fstab, all in the image", plural(n, "line"))
			if n == 0 {
				r = r.saying("no swap in /etc/fstab")
			}
		}
		return r.with(zram...)
	},
}

// resume judges a setting that names a device to wake up from. None that is
// missing stops the boot, but it is waited for.
func resume(f *facts.Facts, s facts.ResumeSetting) Result {
	where, ev := s.File, file(s.File, s.Line, "RESUME="+s.Value)
	if s.File == "" {
		where, ev = "the kernel's command line", value("argument", "resume="+s.Value, "")
	}
	var r Result
	switch {
	case f.Swap.NoResume != "":
		return Result{Status: Pass}
	case s.Resolved.Place == facts.Elsewhere:
		r = warn("", "%s: resume=%s: %s", where, s.Value, s.Resolved.Why)
	case hardwareName(s.Resolved):
		r = warn("", "%s: resume=%s goes by a name of this machine's hardware", where, s.Value)
	default:
		return Result{Status: Pass}
	}
	r = r.with(ev)
	if s.File != "" {
		return r.command([]string{"sed", "-i", fmt.Sprintf("%ds|.*|RESUME=none|", s.Line), s.File}, []string{"update-initramfs", "-u", "-k", "all"})
	}
	switch f.OS.Family() {
	case "rhel":
		return r.command([]string{"grubby", "--update-kernel=ALL", "--remove-args=resume=" + s.Value})
	case "debian":
		return r.hint("Remove resume= from /etc/default/grub.").command([]string{"update-grub"})
	}
	return r.hint("Remove resume= from the boot loader's configuration.")
}

// plural is a number with its word.
func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

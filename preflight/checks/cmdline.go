package checks

import (
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/facts/bootcfg"
	"migimg/preflight/targets"
)

var needBoot = []facts.Key{facts.KeyGuest, facts.KeyBoot}

var bootCmdline = Check{
	ID: "boot.cmdline", Code: "MIG2106", Title: "The kernel's other arguments hold on the target", Category: "boot", Severity: High,
	Needs:  needBoot,
	Impact: "The start waits for a device that is not there, stops in a rescue shell, or switches off what the target needs.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		e, ok := f.Boot.DefaultEntry()
		if !ok {
			return unknown("the default boot entry of %s cannot be told", f.Boot.File)
		}
		r := pass("nothing in the way")
		for _, a := range bootcfg.Args(e.Cmdline) {
			if one := argument(f, t, a).at(High); one.Status != Pass {
				r = worst(r, one)
			}
		}
		if r.Status != Pass {
			r = fixArgs(f, r)
		}
		if _, set := bootcfg.Param(e.Cmdline, "nvme_core.io_timeout"); !set && slices.Contains(t.Agents, "aws") {
			// EBS answers late while it fails over; the kernel's 30 seconds end in a
			// read-only root (EC2 user guide, "I/O operation timeout").
			r = worst(r, warn(Low, "no nvme_core.io_timeout=4294967295: a slow volume is given up after 30 seconds"))
		}
		return r.with(file(e.Source, e.Line, e.Cmdline))
	},
}

// argument judges one argument.
func argument(f *facts.Facts, t *targets.Target, a bootcfg.Arg) Result {
	whole := a.Key
	if a.HasValue {
		whole += "=" + a.Value
	}
	switch key := strings.ReplaceAll(a.Key, "-", "_"); key {
	case "resume":
		if a.Value != "" && a.Value != "none" {
			return device(f, t, whole, a.Value, Medium)
		}
	case "boot":
		// initramfs-tools has a boot= of its own that names a script: local, nfs, live.
		if strings.Contains(a.Value, "=") || strings.HasPrefix(a.Value, "/dev/") {
			return device(f, t, whole, a.Value, High)
		}
		if a.Value != "local" && a.Value != "" {
			return fail("", "%s: the root is not looked for on this disk", whole)
		}
	case "rd.lvm.lv":
		return logical(f, whole, a.Value)
	case "rd.lvm.vg":
		return logical(f, whole, a.Value+"/")
	case "rd.luks.uuid", "rd_LUKS_UUID", "luks.uuid":
		return tagged(f, whole, strings.TrimPrefix(a.Value, "luks-"), "crypto_LUKS", true)
	case "rd.md.uuid", "rd_MD_UUID":
		return tagged(f, whole, a.Value, "linux_raid_member", false)
	case "root":
		return pass("") // boot.root-spec's
	case "ip", "netroot", "rd.iscsi.initiator", "rd.iscsi.target.name", "nfsroot":
		if a.Value == "dhcp" || a.Value == "any" || a.Value == "auto" || a.Value == "off" || a.Value == "none" {
			return warn(Low, "%s: the network is configured before the root is mounted", whole)
		}
		return warn(High, "%s ties the start to this machine's network", whole)
	case "rd.nvmf.discover", "rd.nvmf.hostid", "rd.nvmf.hostnqn", "rd.iscsi.firmware":
		return fail("", "%s: the root is looked for on the network", whole)
	case "rootflags":
		return subvolume(f, whole, a.Value)
	case "init", "rdinit":
		return initProgram(whole, a.Value)
	case "systemd.unit":
		if strings.HasPrefix(a.Value, "rescue") || strings.HasPrefix(a.Value, "emergency") {
			return fail("", "%s: the machine starts into a shell for its console", whole)
		}
	case "single", "rescue", "emergency", "S", "s", "1":
		if !a.HasValue {
			return fail("", "%s: the machine starts into a shell for its console", whole)
		}
	case "rd.break", "break":
		return fail("", "%s: the start stops in the initramfs", whole)
	case "cloud_init":
		if a.Value == "disabled" {
			return warn(Medium, "%s: cloud-init does not run", whole)
		}
	case "ds", "ci.ds", "ci.datasource":
		return warn(Medium, "%s: cloud-init asks this data source and no other", whole)
	default:
		return machineArg(t, key, a, whole)
	}
	return pass("")
}

// subvolume compares the subvolume that is mounted as root with the one that a
// system was found in.
func subvolume(f *facts.Facts, whole, options string) Result {
	for o := range strings.SplitSeq(options, ",") {
		if v, ok := strings.CutPrefix(o, "subvol="); ok && f.Guest.Subvolume != "" && strings.Trim(v, "/") != f.Guest.Subvolume {
			return warn(Medium, "%s, but the system that was read is in the subvolume %s", whole, f.Guest.Subvolume)
		}
	}
	return pass("")
}

// initProgram: what process 1 is. A shell there is for repairs; anything that is
// named like an init (NixOS has it in its store) is one.
func initProgram(whole, v string) Result {
	switch base := v[strings.LastIndex(v, "/")+1:]; base {
	case "", "init", "systemd", "preinit", "openrc-init", "runit-init", "upstart":
		return pass("")
	case "sh", "bash", "ash", "dash", "zsh", "busybox":
		return fail("", "%s: the machine starts into a shell and nothing else", whole)
	}
	return warn(Medium, "%s is not the usual first program", whole)
}

// machineArg are arguments about the machine's hardware.
func machineArg(t *targets.Target, key string, a bootcfg.Arg, whole string) Result {
	note := func(s Severity, why string) Result { return warn(s, "%s: %s", whole, why) }
	switch key {
	case "mem", "maxcpus", "nr_cpus", "nosmp":
		return note(Medium, "the machine uses no more than this of what it has")
	case "isolcpus", "nohz_full", "rcu_nocbs", "irqaffinity":
		return note(Medium, "the numbers of processors are this machine's")
	case "hugepages", "default_hugepagesz", "hugepagesz":
		if key == "hugepages" {
			return note(Medium, "this memory is set apart at boot, and the target may have less")
		}
	case "pci":
		if strings.Contains(a.Value, "off") || strings.Contains(a.Value, "nomsi") {
			return note(Medium, "virtio and NVMe devices need PCI with MSI")
		}
	case "acpi":
		if a.Value == "off" || a.Value == "ht" {
			return note(Medium, "the target describes its devices by ACPI and switches the machine off with it")
		}
	case "noapic", "nolapic", "nolapic_timer", "disableapic", "noacpi":
		return note(Medium, "virtual machines have no other interrupt controller that is tested")
	case "clocksource":
		if slices.Contains([]string{"tsc", "hpet", "acpi_pm", "xen"}, a.Value) {
			return note(Medium, "the target may not have this clock; the kernel chooses kvm-clock, hyperv or xen by itself")
		}
	case "xen_emul_unplug":
		if a.Value == "never" {
			return note(Medium, "under Xen the emulated disk stays beside the paravirtual one")
		}
	case "xen_blkfront.max_indirect_segments", "xen_pvonhvm", "xen_platform_pci":
		return note(Low, "it was for Xen")
	case "intel_iommu", "amd_iommu", "iommu":
		if a.Value == "on" || a.Value == "force" {
			return note(Low, "it was for this machine's hardware")
		}
	case "edd", "nomodeset", "vga", "video":
		return pass("")
	}
	return pass("")
}

// fixArgs says where arguments are changed.
func fixArgs(f *facts.Facts, r Result) Result {
	switch f.OS.Family() {
	case "debian":
		return r.hint("Take them out of GRUB_CMDLINE_LINUX and GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub.").command([]string{"update-grub"})
	case "rhel":
		return r.hint("For each: grubby --update-kernel=ALL --remove-args=ARGUMENT, and take it out of /etc/default/grub.")
	case "suse":
		return r.hint("Take them out of /etc/default/grub.").command([]string{"grub2-mkconfig", "-o", "/boot/grub2/grub.cfg"})
	}
	return r.hint("Take them out of the boot loader's configuration, %s.", f.Boot.File)
}

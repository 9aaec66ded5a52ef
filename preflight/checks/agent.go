package checks

import (
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

// cloudPlatforms are clouds, whose agents set accounts and networks.
var cloudPlatforms = []string{"azure", "gcp", "aws", "alibaba", "tencent", "huawei", "oracle", "byteplus", "digitalocean", "linode"}

var agentConflicts = Check{
	ID: "agent.conflicts", Code: "MIG7201", Title: "No tools of another hypervisor or cloud", Category: "provisioning", Severity: High,
	Needs:  []facts.Key{facts.KeyGuest, facts.KeyAgents},
	Impact: "Tools that hook into the boot or the network of their own platform get in the way on another.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		r := pass("none")
		for _, a := range f.Agents {
			if slices.Contains(t.Agents, a.Platform) {
				continue
			}
			one := warn(Low, "%s (%s) is installed and of no use there", a.Name, a.Platform)
			switch {
			case a.Kernel:
				one = fail(High, "%s (%s) brings kernel modules or boot hooks", a.Name, a.Platform)
			case len(a.Units) > 0 && slices.Contains(cloudPlatforms, a.Platform):
				one = warn(Medium, "%s (%s) runs at boot and may change accounts or the network", a.Name, a.Platform)
			case a.Platform == "vmware" && len(a.Units) > 0:
				one = one.saying("%s (%s) is inert elsewhere, and of no use there", a.Name, a.Platform)
			}
			r = worst(r, uninstall(f, a, one.with(agentEvidence(a)...)))
		}
		if len(f.AgentProblems) > 0 {
			r = worst(r, unknown("%s", f.AgentProblems[0]))
		}
		return r
	},
}

// uninstall says how an agent is removed.
func uninstall(f *facts.Facts, a facts.Agent, r Result) Result {
	switch a.Name {
	case "VMware Tools (tarball)":
		return r.hint("First append a line \"remove_answer NAME\" for each answer RESTORE_RAMDISK_* to /etc/vmware-tools/locations, or the uninstaller puts its old initramfs back.").
			command([]string{"vmware-uninstall-tools.pl"})
	case "VirtualBox Guest Additions":
		return r.hint("Run uninstall.sh in the folder of the Guest Additions (/opt/VBoxGuestAdditions-VERSION).")
	case "Parallels Tools":
		return r.command([]string{"/usr/lib/parallels-tools/install", "-r"})
	case "qcloud agents", "aegis", "CloudResetPwdAgent", "aliyun-service":
		return r.hint("Remove it with its vendor's uninstaller.")
	case "Xen consoles in inittab":
		return r.hint("Give the lines with xvc0 or hvc0 in /etc/inittab back their getty on tty1 or ttyS0.")
	case "Xen drivers in SUSE's initrd":
		return r.hint("Put virtio_pci, virtio_blk and virtio_net in the place of Xen's drivers in INITRD_MODULES of /etc/sysconfig/kernel, and run mkinitrd.")
	case "VMware repository":
		return r.hint("Remove the repository's file.")
	case "open-vm-tools":
		if f.OS.ID == "ubuntu" {
			return r.hint("It may stay: ubuntu-server depends on it, and it does not start outside VMware. To be sure: systemctl mask open-vm-tools.service vgauth.service.")
		}
	}
	pkg := a.Name
	if len(a.Packages) > 0 {
		pkg, _, _ = strings.Cut(a.Packages[0], " ")
	}
	switch f.OS.Family() {
	case "debian":
		return r.command([]string{"apt-get", "purge", pkg})
	case "rhel":
		return r.command([]string{"yum", "remove", pkg})
	case "suse":
		return r.command([]string{"zypper", "remove", pkg})
	}
	return r.hint("Remove the package %s.", pkg)
}

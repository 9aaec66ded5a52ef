package checks

import (
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

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
			case len(a.Units) > 0 && slices.Contains([]string{"azure", "gcp", "aws", "alibaba", "tencent", "huawei", "oracle"}, a.Platform):
				one = warn(Medium, "%s (%s) runs at boot and may change accounts or the network", a.Name, a.Platform)
			case a.Platform == "vmware" && len(a.Units) > 0:
				one.Summary = a.Name + " (vmware) is inert elsewhere, and of no use there"
			}
			for _, p := range a.Evidence {
				one = one.with(file(p, 0, ""))
			}
			if len(a.Units) > 0 {
				one = one.with(value("units", strings.Join(a.Units, " "), ""))
			}
			r = worst(r, uninstall(f, a, one))
		}
		return r
	},
}

// uninstall says how an agent is removed.
func uninstall(f *facts.Facts, a facts.Agent, r Result) Result {
	switch a.Name {
	case "VMware Tools (tarball)":
		return r.command([]string{"vmware-uninstall-tools.pl"})
	case "VirtualBox Guest Additions":
		return r.hint("Run uninstall.sh in the folder of the Guest Additions (/opt/VBoxGuestAdditions-VERSION).")
	case "Parallels Tools":
		return r.command([]string{"/usr/lib/parallels-tools/install", "-r"})
	case "qcloud agents", "aegis", "CloudResetPwdAgent", "aliyun-service":
		return r.hint("Remove it with its vendor's uninstaller.")
	}
	switch f.OS.Family() {
	case "debian":
		return r.command([]string{"apt-get", "purge", a.Name})
	case "rhel":
		return r.command([]string{"yum", "remove", a.Name})
	case "suse":
		return r.command([]string{"zypper", "remove", a.Name})
	}
	return r.hint("Remove the package %s.", a.Name)
}

package facts

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
)

// Agent is software in the guest that belongs to one hypervisor or cloud.
type Agent struct {
	// Name is the package's usual name; Platform is "vmware", "virtualbox",
	// "xen", "hyperv", "parallels", "kvm", "azure", "gcp", "aws", "alibaba",
	// "tencent", "huawei", "oracle", "ovirt", "nutanix", "byteplus",
	// "digitalocean" or "linode".
	Name, Platform string
	// Kernel says that it brings kernel modules or hooks into the boot, so that
	// it does harm elsewhere.
	Kernel bool
	// Evidence are the guest paths that it was known by.
	Evidence []string
	// Units are its systemd units that are started at boot.
	Units []string
	// Packages are those that it came with, with their versions.
	Packages []string
}

// agentSign is how an agent is known: any of the files (globs), or a unit.
type agentSign struct {
	name, platform string
	kernel         bool
	files          []string
	units          []string
	packages       []string
	lines          []signLine
}

// The files are those that the named packages install (Debian and Fedora file
// lists; VMware Tools tarball and VirtualBox Guest Additions installers).
var agentSigns = []agentSign{
	{name: "open-vm-tools", platform: "vmware", files: []string{"usr/bin/vmtoolsd"}, units: []string{"open-vm-tools.service", "vmtoolsd.service", "vgauth.service", "vgauthd.service"}},
	{name: "VMware Tools (tarball)", platform: "vmware", kernel: true, files: []string{"usr/bin/vmware-uninstall-tools.pl", "etc/vmware-tools/locations", "usr/lib/vmware-tools/bin*"}, units: []string{"vmware-tools.service"}},
	{name: "VirtualBox Guest Additions", platform: "virtualbox", kernel: true, files: []string{"opt/VBoxGuestAdditions-*", "var/lib/VBoxGuestAdditions/config"}, units: []string{"vboxadd.service", "vboxadd-service.service"}},
	{name: "virtualbox-guest-utils", platform: "virtualbox", files: []string{"usr/sbin/VBoxService", "usr/bin/VBoxClient"}, units: []string{"virtualbox-guest-utils.service", "vboxservice.service", "vboxadd-service.service"}},
	{name: "xe-guest-utilities", platform: "xen", kernel: true, files: []string{"usr/sbin/xe-daemon", "usr/share/oem/xs/xe-daemon", "usr/sbin/xe-linux-distribution"}, units: []string{"xe-daemon.service", "xe-linux-distribution.service", "xe-guest-utilities.service"}},
	{name: "Parallels Tools", platform: "parallels", kernel: true, files: []string{"usr/lib/parallels-tools/install", "usr/bin/prltoolsd"}, units: []string{"prltoolsd.service"}},
	{name: "hyperv-daemons", platform: "hyperv", files: []string{"usr/sbin/hv_kvp_daemon", "usr/sbin/hypervkvpd"}, units: []string{"hypervkvpd.service", "hv-kvp-daemon.service", "hyperv-daemons.hv-kvp-daemon.service"}},
	{name: "qemu-guest-agent", platform: "kvm", files: []string{"usr/sbin/qemu-ga", "usr/bin/qemu-ga"}, units: []string{"qemu-guest-agent.service"}},
	{name: "walinuxagent", platform: "azure", files: []string{"usr/sbin/waagent", "usr/bin/waagent"}, units: []string{"walinuxagent.service", "waagent.service"}},
	{name: "google-guest-agent", platform: "gcp", files: []string{"usr/bin/google_guest_agent", "usr/bin/google_guest_agent_manager"}, units: []string{"google-guest-agent.service", "google-guest-agent-manager.service"}},
	{name: "amazon-ssm-agent", platform: "aws", files: []string{"usr/bin/amazon-ssm-agent", "snap/amazon-ssm-agent"}, units: []string{"amazon-ssm-agent.service", "snap.amazon-ssm-agent.amazon-ssm-agent.service"}},
	{name: "aliyun-service", platform: "alibaba", files: []string{"usr/sbin/aliyun-service", "usr/local/share/aliyun-assist"}, units: []string{"aliyun.service"}},
	{name: "aegis", platform: "alibaba", files: []string{"usr/local/aegis"}, units: []string{"aegis.service"}},
	{name: "qcloud agents", platform: "tencent", files: []string{"usr/local/qcloud"}, units: []string{"tat_agent.service"}},
	{name: "oracle-cloud-agent", platform: "oracle", files: []string{"usr/libexec/oracle-cloud-agent"}, units: []string{"oracle-cloud-agent.service"}},
	{name: "CloudResetPwdAgent", platform: "huawei", files: []string{"CloudrResetPwdAgent", "CloudResetPwdUpdateAgent"}, units: []string{"cloudResetPwdAgent.service"}},
}

func (g *gatherer) agents() {
	if err := g.unreadableAt("usr", "usr/bin", "usr/sbin", "opt"); err != nil {
		g.f.SetAbsent(KeyAgents, Absence{Reason: err.Error()})
		return
	}
	for _, s := range slices.Concat(agentSigns, moreAgents) {
		if a, found := g.agent(s); found {
			g.f.Agents = append(g.f.Agents, a)
		}
	}
}

// agent tries one row: any of its signs will do.
func (g *gatherer) agent(s agentSign) (Agent, bool) {
	a := Agent{Name: s.name, Platform: s.platform, Kernel: s.kernel}
	for _, p := range s.files {
		for _, n := range g.matching(p, &g.f.AgentProblems) {
			a.Evidence = append(a.Evidence, "/"+n)
		}
	}
	for _, l := range s.lines {
		for _, n := range g.matching(l.files, &g.f.AgentProblems) {
			found, err := g.grep(n, l.text, true)
			if err != nil {
				g.f.AgentProblems = appendNew(g.f.AgentProblems, err.Error())
			}
			if len(found) > 0 {
				a.Evidence = append(a.Evidence, "/"+n)
			}
		}
	}
	for _, p := range g.f.Packages.Find(slices.Concat(s.packages, agentPackages[s.name])...) {
		a.Packages = append(a.Packages, p.Name+" "+p.Version)
	}
	if len(a.Evidence)+len(a.Packages) == 0 {
		return a, false
	}
	for _, u := range s.units {
		if g.unit(u) == UnitEnabled {
			a.Units = append(a.Units, u)
		}
	}
	return a, true
}

// glob returns guest paths, sorted. A place that cannot be read has none.
func (g *gatherer) glob(pattern string) (paths []string) {
	if !strings.ContainsAny(pattern, "*?[") {
		if _, err := g.fs.Lstat(pattern); err == nil {
			return []string{"/" + pattern}
		}
		return nil
	}
	names, err := fs.Glob(g.fs, pattern)
	if err != nil {
		return nil
	}
	for _, n := range names {
		paths = append(paths, "/"+n)
	}
	return paths
}

// exists says whether the guest has any of the names; err is the first reason
// not to know.
func (g *gatherer) exists(names ...string) (found []string, err error) {
	for _, n := range names {
		_, e := g.fs.Stat(n)
		switch {
		case e == nil:
			found = append(found, "/"+n)
		case !errors.Is(e, fs.ErrNotExist) && err == nil:
			err = e
		}
	}
	return found, err
}

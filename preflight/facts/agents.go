package facts

import (
	"errors"
	"io/fs"
	"strings"
)

// Agent is software in the guest that belongs to one hypervisor or cloud.
type Agent struct {
	// Name is the package's usual name; Platform is "vmware", "virtualbox",
	// "xen", "hyperv", "parallels", "kvm", "azure", "gcp", "aws", "alibaba",
	// "tencent", "huawei", "oracle".
	Name, Platform string
	// Kernel says that it brings kernel modules or hooks into the boot, so that
	// it does harm elsewhere.
	Kernel bool
	// Evidence are the guest paths that it was known by.
	Evidence []string
	// Units are its systemd units that are started at boot.
	Units []string
}

// agentSign is how an agent is known: any of the files (globs), or a unit.
type agentSign struct {
	name, platform string
	kernel         bool
	files          []string
	units          []string
}

// The files are those that the named packages install (Debian and Fedora file
// lists; VMware Tools tarball and VirtualBox Guest Additions installers).
var agentSigns = []agentSign{
	{"open-vm-tools", "vmware", false, []string{"usr/bin/vmtoolsd"}, []string{"open-vm-tools.service", "vmtoolsd.service", "vgauth.service", "vgauthd.service"}},
	{"VMware Tools (tarball)", "vmware", true, []string{"usr/bin/vmware-uninstall-tools.pl", "etc/vmware-tools/locations", "usr/lib/vmware-tools/bin*"}, []string{"vmware-tools.service"}},
	{"VirtualBox Guest Additions", "virtualbox", true, []string{"opt/VBoxGuestAdditions-*", "var/lib/VBoxGuestAdditions/config"}, []string{"vboxadd.service", "vboxadd-service.service"}},
	{"virtualbox-guest-utils", "virtualbox", false, []string{"usr/sbin/VBoxService", "usr/bin/VBoxClient"}, []string{"virtualbox-guest-utils.service", "vboxservice.service", "vboxadd-service.service"}},
	{"xe-guest-utilities", "xen", true, []string{"usr/sbin/xe-daemon", "usr/share/oem/xs/xe-daemon", "usr/sbin/xe-linux-distribution"}, []string{"xe-daemon.service", "xe-linux-distribution.service", "xe-guest-utilities.service"}},
	{"Parallels Tools", "parallels", true, []string{"usr/lib/parallels-tools/install", "usr/bin/prltoolsd"}, []string{"prltoolsd.service"}},
	{"hyperv-daemons", "hyperv", false, []string{"usr/sbin/hv_kvp_daemon", "usr/sbin/hypervkvpd"}, []string{"hypervkvpd.service", "hv-kvp-daemon.service", "hyperv-daemons.hv-kvp-daemon.service"}},
	{"qemu-guest-agent", "kvm", false, []string{"usr/sbin/qemu-ga", "usr/bin/qemu-ga"}, []string{"qemu-guest-agent.service"}},
	{"walinuxagent", "azure", false, []string{"usr/sbin/waagent", "usr/bin/waagent"}, []string{"walinuxagent.service", "waagent.service"}},
	{"google-guest-agent", "gcp", false, []string{"usr/bin/google_guest_agent", "usr/bin/google_guest_agent_manager"}, []string{"google-guest-agent.service", "google-guest-agent-manager.service"}},
	{"amazon-ssm-agent", "aws", false, []string{"usr/bin/amazon-ssm-agent", "snap/amazon-ssm-agent"}, []string{"amazon-ssm-agent.service", "snap.amazon-ssm-agent.amazon-ssm-agent.service"}},
	{"aliyun-service", "alibaba", false, []string{"usr/sbin/aliyun-service", "usr/local/share/aliyun-assist"}, []string{"aliyun.service"}},
	{"aegis", "alibaba", false, []string{"usr/local/aegis"}, []string{"aegis.service"}},
	{"qcloud agents", "tencent", false, []string{"usr/local/qcloud"}, []string{"tat_agent.service"}},
	{"oracle-cloud-agent", "oracle", false, []string{"usr/libexec/oracle-cloud-agent"}, []string{"oracle-cloud-agent.service"}},
	{"CloudResetPwdAgent", "huawei", false, []string{"CloudrResetPwdAgent", "CloudResetPwdUpdateAgent"}, []string{"cloudResetPwdAgent.service"}},
}

func (g *gatherer) agents() {
	if err := g.unreadableAt("usr", "usr/bin", "usr/sbin", "opt"); err != nil {
		g.f.SetAbsent(KeyAgents, Absence{Reason: err.Error()})
		return
	}
	for _, s := range agentSigns {
		a := Agent{Name: s.name, Platform: s.platform, Kernel: s.kernel}
		for _, p := range s.files {
			a.Evidence = append(a.Evidence, g.glob(p)...)
		}
		if len(a.Evidence) == 0 {
			continue
		}
		for _, u := range s.units {
			if g.unit(u) == UnitEnabled {
				a.Units = append(a.Units, u)
			}
		}
		g.f.Agents = append(g.f.Agents, a)
	}
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

package checks

import (
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

var needCloud = []facts.Key{facts.KeyGuest, facts.KeyCloudInit}

var cloudinitInstalled = Check{
	ID: "cloudinit.installed", Code: "MIG7101", Title: "cloud-init is installed", Category: "provisioning", Severity: Medium,
	Needs:  needCloud,
	Impact: "The target cannot set passwords, keys, the host name or the network.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		c := f.CloudInit
		if c.Installed && c.Interpreter != "" {
			return fail(High, "%s needs %s, which is missing", c.Evidence[0], c.Interpreter).with(file(c.Evidence[0], 1, "#!"+c.Interpreter))
		}
		if c.Installed {
			what := strings.Join(c.Evidence, ", ")
			if c.Version != "" {
				what += ", version " + c.Version
			}
			return pass("%s", what)
		}
		r := fail("", "cloud-init is not installed")
		if a := ownAgent(f, t.ID); a != "" {
			r = warn(Low, "cloud-init is not installed; %s sets up the machine there", a)
		}
		switch f.OS.Family() {
		case "debian":
			return r.command([]string{"apt-get", "install", "cloud-init", "cloud-guest-utils"})
		case "rhel":
			return r.command([]string{"yum", "install", "cloud-init", "cloud-utils-growpart"})
		case "suse":
			return r.command([]string{"zypper", "in", "cloud-init"})
		case "alpine":
			return r.command([]string{"apk", "add", "cloud-init"}, []string{"setup-cloud-init"})
		case "arch":
			return r.command([]string{"pacman", "-S", "cloud-init"})
		}
		return r.hint("Install the distribution's package cloud-init.")
	},
}

// ownAgents are agents that do cloud-init's part on their cloud.
var ownAgents = map[string]string{"azure": "walinuxagent", "gcp": "google-guest-agent"}

// ownAgent is the agent that provisions on the target, where it is installed and
// started.
func ownAgent(f *facts.Facts, target string) string {
	for _, a := range f.Agents {
		if a.Name == ownAgents[target] && len(a.Units) > 0 {
			return a.Name
		}
	}
	return ""
}

var cloudinitEnabled = Check{
	ID: "cloudinit.enabled", Code: "MIG7102", Title: "cloud-init runs at boot", Category: "provisioning", Severity: High,
	Needs:  needCloud,
	Impact: "The target cannot set passwords, keys, the host name or the network.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		c := f.CloudInit
		if !c.Installed {
			return skip("cloud-init is not installed")
		}
		if len(c.Disabled) > 0 {
			return cloudDisabled(f)
		}
		if a, absent := f.Absent(facts.KeyBoot); absent {
			return unknown("it may be disabled on the kernel's command line: %s", a.Reason)
		}
		if len(c.Problems) > 0 {
			return unknown("%s", c.Problems[0])
		}
		r := pass("%s", strings.Join(c.Enabled, ", "))
		if len(c.Off) > 0 {
			r = worst(r, warn(Medium, "%s is not enabled, and cloud-init needs all of its units", c.Off[0]).command(append([]string{"systemctl", "enable"}, c.Off...)))
		}
		if len(c.Config.NoModules) > 0 {
			r = worst(r, warn(Medium, "its configuration does not run the module %s", strings.Join(c.Config.NoModules, ", ")))
		}
		return r
	},
}

func cloudDisabled(f *facts.Facts) Result {
	c := f.CloudInit
	r := fail("", "%s", c.Disabled[0])
	for _, d := range c.Disabled {
		r = r.with(value("cloud-init", d, "enabled"))
		switch {
		case strings.HasSuffix(d, "cloud-init.disabled exists"):
			r = r.command([]string{"rm", "/etc/cloud/cloud-init.disabled"})
		case strings.HasSuffix(d, "is masked"):
			name, _, _ := strings.Cut(d, " ")
			if strings.HasPrefix(name, "/") {
				r = r.command([]string{"rm", name})
			} else {
				r = r.command([]string{"systemctl", "unmask", name})
			}
		case strings.Contains(d, "none of its units"):
			r = r.command(append([]string{"systemctl", "enable"}, c.Off...))
		case strings.Contains(d, "command line"):
			r = withoutArgument(r, f, "cloud-init=disabled")
		case strings.HasPrefix(d, "cloud-init=disabled in /"):
			r = r.hint("Take KERNEL_CMDLINE out of DefaultEnvironment in %s.", strings.TrimPrefix(d, "cloud-init=disabled in "))
		case strings.Contains(d, "ds-identify.cfg"):
			r = r.command([]string{"rm", "/etc/cloud/ds-identify.cfg"})
		}
	}
	return r
}

// withoutArgument says how to take a word off the kernel's command line.
func withoutArgument(r Result, f *facts.Facts, word string) Result {
	switch f.OS.Family() {
	case "debian":
		return r.hint("Take %s out of GRUB_CMDLINE_LINUX in /etc/default/grub, then run update-grub.", word)
	case "rhel":
		return r.command([]string{"grubby", "--update-kernel=ALL", "--remove-args=" + word})
	}
	return r.hint("Take %s off the kernel's command line in the boot loader's configuration.", word)
}

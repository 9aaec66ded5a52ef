package checks

import (
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

// needState is what the checks of how a system is set up need.
var needState = []facts.Key{facts.KeyGuest, facts.KeyState}

// withProblems makes a result unknown where something could not be read.
func withProblems(r Result, problems []string) Result {
	if len(problems) > 0 {
		return worst(r, unknown("%s", problems[0]))
	}
	return r
}

var osSELinux = Check{
	ID: "os.selinux", Code: "MIG8102", Title: "SELinux is off, or whole: policy and labels are there", Category: "os", Severity: Info,
	Needs:  needState,
	Impact: "With enforcing SELinux, files that were changed from outside have no label, and the programs that need them are refused; without a policy the system stops at the start.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		s := f.State.SELinux
		if s.Config == "" {
			return withProblems(pass("there is no SELinux"), s.Problems)
		}
		ev := file(s.Config, s.ModeLine, "SELINUX="+s.Mode)
		if s.Mode == "disabled" || s.Off == "selinux=0" {
			return withProblems(pass("SELinux is switched off"), s.Problems).with(ev)
		}
		enforcing := s.Mode == "enforcing" && s.Off == ""
		r := pass("SELinux is permissive").with(ev)
		if enforcing {
			r = warn("", "SELinux is enforcing").with(ev).
				hint("Files that are changed from outside the guest need a new label: touch /.autorelabel, which relabels everything at the next start and then restarts.")
		}
		switch {
		case s.Mode != "enforcing" && s.Mode != "permissive":
			r = worst(r, warn(Medium, "%s says SELINUX=%s, which is neither enforcing, permissive nor disabled", s.Config, s.Mode).with(ev))
		case enforcing && s.Policy == "" && len(s.Problems) == 0:
			r = worst(r, fail(High, "SELinux is enforcing, and the policy %q is not installed: the system stops at the start", s.Type).with(value("policy", "none", "/etc/selinux/"+s.Type+"/policy/policy.*")).
				command([]string{"sed", "-i", "s/^SELINUX=enforcing/SELINUX=permissive/", s.Config}))
		case enforcing && s.Contexts == "" && len(s.Problems) == 0:
			r = worst(r, warn(Medium, "the file_contexts of the policy %q are missing: nothing can be relabelled", s.Type))
		}
		switch {
		case s.Relabel != "":
			r = worst(r, warn(Low, "the next start labels all files anew (%s), which takes minutes and a restart", s.Relabel))
		case enforcing && len(s.Unlabelled) > 0:
			r = worst(r, fail(Medium, "%s has no label", strings.Join(s.Unlabelled, ", ")).with(value("labels", strings.Join(s.Unlabelled, " "), "security.selinux")).
				command([]string{"touch", "/.autorelabel"}))
		case enforcing && s.LabelsUnknown != "":
			r = r.with(value("labels", "unknown: "+s.LabelsUnknown, ""))
		}
		return withProblems(r, s.Problems)
	},
}

var osImmutable = Check{
	ID: "os.immutable", Code: "MIG8103", Title: "The files that an importer or cloud-init changes can be changed", Category: "os", Severity: High,
	Needs:  needState,
	Impact: "Passwords, keys, names and addresses cannot be set: the import fails, or nobody can log in.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		r := pass("no file is immutable")
		first := ""
		for _, l := range f.State.Locked {
			switch {
			case l.Unknown != "":
				if first == "" {
					first = l.Path + ": " + l.Unknown
				}
			case l.Immutable:
				r = worst(r, fail("", "%s is immutable (chattr +i)", l.Path).with(Evidence{Kind: "file", Path: l.Path, Actual: "+i"}).command([]string{"chattr", "-i", l.Path}))
			case l.Append:
				r = worst(r, fail("", "%s can only be appended to (chattr +a)", l.Path).with(Evidence{Kind: "file", Path: l.Path, Actual: "+a"}).command([]string{"chattr", "-a", l.Path}))
			}
		}
		if first != "" {
			r = worst(r, unknown("%s", first))
		}
		return r
	},
}

var osTime = Check{
	ID: "os.time", Code: "MIG8104", Title: "The clock is right there: UTC, and a time service", Category: "os", Severity: Low,
	Needs:  needState,
	Impact: "The clock is hours off after each start, or drifts: certificates, logins with Kerberos and replication fail.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		c := f.State.Clock
		lost := lostServers(c, t)
		r := pass("the hardware clock is UTC, and time comes from %s", strings.Join(c.Services, ", "))
		if c.Zone != "" {
			r = r.with(value("time zone", c.Zone, ""))
		}
		if c.LocalRTC {
			r = worst(r, warn(Medium, "%s says that the hardware clock has local time; virtual machines have UTC there", c.RTCFrom).
				with(file(c.RTCFrom, c.RTCLine, "")).command([]string{"timedatectl", "set-local-rtc", "0"}).
				hint("Or tell the target to give the machine's clock in local time, where it can."))
		}
		switch {
		case len(c.Services) == 0:
			r = worst(r, install(f, warn("", "no time service is started at boot"), "chrony"))
		case len(c.Servers) > 0 && len(lost) == len(c.Servers):
			r = worst(r, warn("", "all time servers look like the old network's (%s)", strings.Join(lost, ", ")).with(value("time servers", strings.Join(c.Servers, " "), "")).
				hint("Name the target's time servers, or public ones."))
		}
		switch c.Source {
		case "", "kvm-clock", "tsc", "hyperv_clocksource_tsc_page":
		default:
			r = worst(r, warn("", "the kernel is told to take the clocksource %s, which the target may not have", c.Source).with(value("clocksource", c.Source, "not set")).
				hint("Take clocksource=%s out of the kernel's command line.", c.Source))
		}
		return withProblems(r, c.Problems)
	},
}

// lostServers are the time servers that do not answer from the target.
func lostServers(c facts.Clock, t *targets.Target) (lost []string) {
	for _, s := range c.Servers {
		if otherCloud(s, t) != "" || slices.Contains(c.Internal, s) && !cloudHost(s) {
			lost = append(lost, s)
		}
	}
	return lost
}

// install adds the command that installs a package.
func install(f *facts.Facts, r Result, pkg string) Result {
	argv := map[string][]string{"debian": {"apt-get", "install"}, "rhel": {"yum", "install"}, "suse": {"zypper", "install"}, "arch": {"pacman", "-S"}, "alpine": {"apk", "add"}}[f.OS.Family()]
	if argv == nil {
		return r.hint("Install the package %s.", pkg)
	}
	return r.command(append(argv, pkg))
}

var osUsrSplit = Check{
	ID: "os.usr-split", Code: "MIG8113", Title: "/usr is on the root filesystem", Category: "os", Severity: Medium,
	Needs:  []facts.Key{facts.KeyGuest, facts.KeyState, facts.KeyFstab},
	Impact: "A separate /usr has to be mounted by the initramfs; importers that put drivers or agents into the image look on the root only.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		u := f.State.Usr
		if u.Spec == "" {
			return pass("/usr is on the root filesystem")
		}
		r := warn("", "/usr is a filesystem of its own (%s)", u.Spec).with(file("/etc/fstab", u.Line, u.Spec+" /usr")).
			hint("Check that the initramfs mounts /usr (dracut and initramfs-tools of after 2014 do, from /etc/fstab), and do not rely on a driver injection of the target.")
		if u.Merged {
			r = r.with(value("/bin", "link to usr/bin", "")).hint("/bin is in /usr: without it nothing starts.")
		}
		return r
	},
}

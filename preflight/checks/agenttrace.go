package checks

import (
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

// usualAgent is the guest agent of a platform.
var usualAgent = map[string]string{
	"kvm": "qemu-guest-agent", "azure": "walinuxagent", "gcp": "google-guest-agent", "aws": "amazon-ssm-agent", "vmware": "open-vm-tools",
	"nutanix": "nutanix-guest-tools", "oracle": "oracle-cloud-agent", "hyperv": "hyperv-daemons", "ovirt": "ovirt-guest-agent", "xen": "xe-guest-utilities",
}

var agentTarget = Check{
	ID: "agent.target", Code: "MIG7202", Title: "The target's guest agent is installed", Category: "provisioning", Severity: Info,
	Needs:  []facts.Key{facts.KeyGuest, facts.KeyAgents},
	Impact: "The target cannot set passwords, freeze filesystems for snapshots or shut the machine down from inside.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		if len(t.Agents) == 0 {
			return skip("the target has no agent of its own")
		}
		var names []string
		var off Result
		for _, a := range f.Agents {
			if !slices.Contains(t.Agents, a.Platform) {
				continue
			}
			names = append(names, a.Name)
			if len(a.Units) == 0 {
				off = warn("", "%s is installed, and no unit that starts it at boot was found", a.Name).with(agentEvidence(a)...)
				continue
			}
			return pass("%s", a.Name).with(agentEvidence(a)...)
		}
		if len(names) > 0 {
			// qemu-guest-agent is started by its device, without being enabled.
			if slices.Contains(names, "qemu-guest-agent") {
				return pass("qemu-guest-agent is installed, and started where the host offers its channel").with(off.Evidence...)
			}
			return off
		}
		var want []string
		for _, p := range t.Agents {
			if n := usualAgent[p]; n != "" {
				want = append(want, n)
			}
		}
		if len(f.AgentProblems) > 0 {
			return unknown("%s", f.AgentProblems[0])
		}
		if len(want) == 0 {
			return warn("", "the target's own agent is not installed").hint("Install the target's agent after the move, from inside the target; its documents have the command.")
		}
		return install(f, warn("", "the target's agent is not installed (%s)", strings.Join(want, ", ")), want[0])
	},
}

func agentEvidence(a facts.Agent) (e []Evidence) {
	for _, p := range a.Evidence {
		e = append(e, file(p, 0, ""))
	}
	if len(a.Packages) > 0 {
		e = append(e, value("packages", strings.Join(a.Packages, ", "), ""))
	}
	if len(a.Units) > 0 {
		e = append(e, value("units", strings.Join(a.Units, " "), ""))
	}
	return e
}

var agentHardware = Check{
	ID: "agent.hardware", Code: "MIG7203", Title: "Nothing is installed for hardware that stays behind", Category: "provisioning", Severity: Low,
	Needs:  needTraces,
	Impact: "Daemons fail at every start for want of their hardware; one with a watchdog restarts the machine.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		r := pass("none that is known")
		for _, x := range f.Traces.Of(facts.TraceHardware) {
			sev, what := Low, "has nothing to do in a virtual machine"
			if x.Class == "resets" {
				sev, what = Medium, "may restart or stop the machine"
			}
			if x.Name == "systemd's watchdog" {
				sev = Low
			}
			if x.Note != "" {
				what = x.Note
			}
			one := warn(sev, "%s %s", x.Name, what).with(seen(x)...)
			if len(x.Units) > 0 && strings.HasSuffix(x.Units[0], ".service") {
				one = one.command(append([]string{"systemctl", "disable"}, x.Units...))
			}
			r = worst(r, one)
		}
		return unlooked(r, f, facts.TraceHardware)
	},
}

var agentSecurity = Check{
	ID: "agent.security", Code: "MIG7204", Title: "No security software with an identity or kernel module of its own", Category: "provisioning", Severity: Low,
	Needs:  needTraces,
	Impact: "Its server sees the copy and the original as one machine, or its kernel module does not load with another kernel.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		r := pass("none that is known")
		for _, x := range f.Traces.Of(facts.TraceSecurity) {
			what := map[string]string{"kernel": "has a kernel module and registers the machine at its server", "identity": "registers the machine at its server"}[x.Class]
			if x.Note != "" {
				what = x.Note
			}
			one := warn("", "%s %s", x.Name, what).with(seen(x)...)
			switch x.Class {
			case "kernel", "identity":
				one = one.hint("Register %s anew after the move, and check that it supports the kernel that starts there.", x.Name)
			case "panic":
				one = one.hint("Set -f 1 in the audit rules until the machine has started well.")
			case "baseline":
				one = one.hint("Make a new baseline after the move.")
			}
			r = worst(r, one)
		}
		return unlooked(r, f, facts.TraceSecurity)
	},
}

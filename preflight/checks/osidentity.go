package checks

import (
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

// needTraces is what the checks of the tables of signs need.
var needTraces = []facts.Key{facts.KeyGuest, facts.KeyTraces}

var osIdentity = Check{
	ID: "os.identity", Code: "MIG8105", Title: "What makes this machine itself is in order", Category: "os", Severity: Info,
	Needs:  []facts.Key{facts.KeyGuest, facts.KeyTraces, facts.KeyState},
	Impact: "Machines made of one template share keys, ids and registrations, and take each other's addresses and names.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		i := f.State.Identity
		r := pass("one machine moves, and keeps its identity")
		if i.Hostname != "" {
			r = r.with(value("hostname", i.Hostname, "").at(i.HostnameFrom))
		}
		r = r.with(value("machine-id", i.MachineID, "").at("/etc/machine-id"))
		if i.MachineID == "invalid" {
			r = worst(r, warn(Low, "/etc/machine-id is no valid id").command([]string{"truncate", "-s", "0", "/etc/machine-id"}))
		}
		if f.Template {
			if i.MachineID == "valid" {
				r = worst(r, fail(Medium, "/etc/machine-id holds this machine's id").command([]string{"truncate", "-s", "0", "/etc/machine-id"}))
			}
			for _, x := range f.Traces.Of(facts.TraceIdentity) {
				r = worst(r, fail(identityWeight(x.Name), "%s of this machine are in the image", x.Name).with(seen(x)...))
			}
			if r.Status == Fail {
				r = r.hint("Remove them from the template (virt-sysprep does; cloud-init clean --machine-id --logs for a part), or make the image without --template where it is for one machine.")
			}
		}
		return withProblems(unlooked(r, f, facts.TraceIdentity), i.Problems)
	},
}

// identityWeight: leftovers that only tell of the past are of less weight.
func identityWeight(name string) Severity {
	if slices.Contains([]string{"logs of logins", "mail queue", "DHCP leases and ids", "cloud-init instance"}, name) {
		return Low
	}
	return Medium
}

var osClusterRoles = Check{
	ID: "os.cluster-roles", Code: "MIG8106", Title: "The machine has no role that a copy would collide in", Category: "os", Severity: Medium,
	Needs:  needTraces,
	Impact: "While the original runs, the copy takes its place in the cluster, answers in its name, or splits the data.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		r := pass("none that is known")
		for _, x := range f.Traces.Of(facts.TraceCluster) {
			sev := Severity("")
			if len(x.Units) == 0 && len(x.Files) == 0 {
				continue // a package that is installed and not set up
			}
			if x.Idle {
				sev = Low
			}
			one := warn(sev, "%s: a copy would collide with the original", x.Name)
			if x.Note != "" {
				one = one.saying("%s: a copy %s", x.Name, x.Note)
			}
			if x.Idle {
				one = one.saying("%s is set up, and nothing starts it at boot", x.Name)
			}
			r = worst(r, one.with(seen(x)...))
		}
		if r.Status == Warn {
			r = r.hint("Stop the service before the copy starts, or start the copy without a network first; give it its own name and id, and move the role with the cluster's own means.")
		}
		return unlooked(r, f, facts.TraceCluster)
	},
}

var osLicensing = Check{
	ID: "os.licensing", Code: "MIG8107", Title: "No licence or registration is bound to the machine", Category: "os", Severity: Low,
	Needs:  needTraces,
	Impact: "The program stops, or updates stop, because the licence knows another machine.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		r := pass("none that is known")
		for _, x := range f.Traces.Of(facts.TraceLicence) {
			if rhuiOf(x) == t.ID {
				continue
			}
			sev, what := Low, "is registered for this machine"
			switch x.Class {
			case "bound":
				sev, what = Medium, "is bound to this machine"
			case "counted":
				what = "is licensed"
			}
			if x.Note != "" {
				what = x.Note
			}
			r = worst(r, warn(sev, "%s: %s", x.Name, what).with(seen(x)...))
		}
		if r.Status == Warn {
			r = r.hint("Ask the vendor for a licence for the new machine before the move, and register anew after it.")
		}
		return unlooked(r, f, facts.TraceLicence)
	},
}

// rhuiOf is the target whose update infrastructure a trace's packages are of.
func rhuiOf(x facts.Trace) string {
	for _, p := range x.Packages {
		for word, id := range map[string]string{"amazon": "aws", "azure": "azure", "google": "gcp"} {
			if strings.Contains(p, "rhui") && strings.Contains(p, word) {
				return id
			}
		}
	}
	return "none"
}

var osSecrets = Check{
	ID: "os.secrets", Code: "MIG8108", Title: "No file with secrets goes along unseen", Category: "os", Severity: Info,
	Needs:  needTraces,
	Impact: "Whoever gets the image gets the keys and passwords in it.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		r := pass("none that is known")
		sev := Info
		if f.Template {
			sev = Medium
		}
		var names []string
		for _, x := range f.Traces.Of(facts.TraceSecret) {
			names = append(names, x.Name)
			r = worst(r, warn(sev, "").with(seen(x)...))
		}
		if len(names) > 0 {
			r = r.saying("the image holds %s", strings.Join(names, ", "))
			r = r.hint("Keep the image, and the place that it is uploaded to, as safe as the server. In a template remove these files.")
		}
		return unlooked(r, f, facts.TraceSecret)
	},
}

package checks

import (
	"maps"
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/facts/answer"
	"migimg/preflight/targets"
)

var accessDirectory = Check{
	ID: "access.directory", Code: "MIG6105", Title: "Accounts are on the machine itself", Category: "access", Severity: Medium,
	Needs:  []facts.Key{facts.KeyGuest, facts.KeyDirectory},
	Impact: "Logins hang or fail where the directory is out of reach, and two machines with one account in it lock each other out.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		d := &f.Directory
		if len(d.Problems) > 0 {
			return unknown("%s", d.Problems[0])
		}
		if !d.Configured() {
			return pass("no directory service is set up")
		}
		what := strings.Join(slices.Compact(slices.Sorted(slices.Values(d.Running))), ", ")
		if what == "" {
			what = strings.Join(d.Databases, ", ")
		}
		r := warn("", "accounts come from a directory service, too (%s)", what)
		if len(d.Member) > 0 {
			r = r.more(", where this machine has an account of its own")
		}
		for _, line := range d.Databases {
			r = r.with(file("/etc/nsswitch.conf", 0, line))
		}
		for _, name := range slices.Sorted(maps.Keys(d.Services)) {
			r = r.with(file(d.Services[name][0], 0, name))
		}
		for _, m := range d.Member {
			r = r.with(file(m, 0, "the machine's own account"))
		}
		return r.hint("Make sure that the directory's servers and DNS are within reach from the target; turn the old machine off before the new one starts, or join the new one anew.")
	},
}

// factors are modules that ask for more than a password.
var factors = map[string]string{
	"pam_google_authenticator": "a code", "pam_otp": "a code", "pam_oath": "a code", "pam_duo": "Duo", "pam_yubico": "a YubiKey", "pam_u2f": "a security key",
	"pam_radius_auth": "RADIUS", "pam_radius": "RADIUS", "pam_securid": "SecurID", "pam_pkcs11": "a smart card",
}

var accessPAM = Check{
	ID: "access.pam-mfa", Code: "MIG6106", Title: "Nothing but a password or a key is asked for", Category: "access", Severity: Low,
	Needs:  []facts.Key{facts.KeyGuest, facts.KeyPAM},
	Impact: "A login needs a device, a code or a server that may be out of reach from the target.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		p := &f.PAM
		if len(p.Problems) > 0 {
			return unknown("%s", p.Problems[0])
		}
		r := pass("none")
		for _, m := range p.Modules {
			ev := file(m.File, m.Line, m.Name)
			ev.Detail = map[string]string{"service": m.Service}
			what := factors[m.Name]
			switch {
			case what != "" && m.Optional:
				r = worst(r, warn(Info, "%s asks for %s, where a user has set it up", m.Service, what).with(ev))
			case what != "":
				r = worst(r, warn("", "%s asks for %s", m.Service, what).with(ev))
			case strings.HasPrefix(m.Name, "pam_faillock") || strings.HasPrefix(m.Name, "pam_tally"):
				if m.DenyRoot {
					r = worst(r, warn("", "failed logins lock root, too (%s): strangers who guess passwords do that", m.Name).with(ev))
				}
			case m.Name == "pam_access" && p.Allows("root", []string{"root"}) != answer.Yes:
				r = worst(r, warn("", "/etc/security/access.conf limits who logs in from where").with(ev).with(accessLines(p)...))
			case m.Name == "pam_listfile" || m.Name == "pam_time":
				r = worst(r, warn("", "%s limits who logs in, or when", m.Name).with(ev))
			}
		}
		return r
	},
}

func accessLines(p *facts.PAM) (evs []Evidence) {
	for _, l := range p.Access[:min(len(p.Access), 10)] {
		evs = append(evs, file("/etc/security/access.conf", l.Line, l.Text))
	}
	return evs
}

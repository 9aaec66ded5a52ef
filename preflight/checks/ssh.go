package checks

import (
	"net/netip"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/facts/answer"
	"migimg/preflight/facts/sshd"
	"migimg/preflight/targets"
)

var needSSH = []facts.Key{facts.KeyGuest, facts.KeySSH}

var accessSSH = Check{
	ID: "access.ssh", Code: "MIG6102", Title: "The SSH server starts at boot and listens", Category: "access", Severity: High,
	Needs:  needSSH,
	Impact: "Nobody reaches the machine over the network.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		s := &f.SSH
		if s.Program == "" && s.Other == "" {
			r := fail("", "no SSH server is installed")
			if argv := installSSH(f); argv != nil {
				return r.command(argv)
			}
			return r.hint("Install the distribution's package of OpenSSH's server.")
		}
		r := started(f)
		if s.Program == "" {
			return r.with(value("configuration", s.Other+": its configuration is not read", ""))
		}
		switch {
		case s.ConfigErr == "there is no /"+sshd.Main:
			return worst(r, fail("", "%s, and sshd does not start without", s.ConfigErr))
		case s.Config == nil:
			return worst(r, unknown("sshd's configuration is not known: %s", s.ConfigErr))
		case len(s.Config.Problems) > 0:
			r = worst(r, unknown("a part of sshd's configuration could not be read: %s", s.Config.Problems[0]))
		}
		for _, e := range s.Config.Errors[:min(len(s.Config.Errors), 5)] {
			r = worst(r, fail("", "sshd refuses its configuration: %s line %d: %s", e.File, e.Line, e.Why).with(line(e)).command([]string{"sshd", "-t"}))
		}
		r = worst(r, listens(s))
		for _, p := range s.Config.Global("port") {
			if p.Args[0] != "22" {
				r = worst(r, warn(Info, "sshd listens on port %s: the target's firewall must let it through", p.Args[0]).with(line(p)))
			}
		}
		return r.with(said(s.Config)...)
	},
}

func line(s sshd.Setting) Evidence { return file(s.File, s.Line, s.Text()) }

// said is what the configuration says of the things people ask.
func said(c *sshd.Config) (evs []Evidence) {
	for _, k := range []string{"permitrootlogin", "passwordauthentication", "kbdinteractiveauthentication", "pubkeyauthentication", "usepam", "allowusers", "allowgroups", "denyusers", "denygroups", "authenticationmethods"} {
		for _, s := range c.Settings {
			if s.Keyword == k && len(evs) < 20 {
				e := line(s)
				if s.InMatch() {
					e.Detail = map[string]string{"section": "Match"}
				}
				evs = append(evs, e)
			}
		}
	}
	return evs
}

func installSSH(f *facts.Facts) []string {
	switch f.OS.Family() {
	case "debian":
		return []string{"apt-get", "install", "openssh-server"}
	case "rhel":
		return []string{"yum", "install", "openssh-server"}
	case "suse":
		return []string{"zypper", "in", "openssh"}
	case "alpine":
		return []string{"apk", "add", "openssh"}
	case "arch":
		return []string{"pacman", "-S", "openssh"}
	}
	return nil
}

func started(f *facts.Facts) Result {
	s := &f.SSH
	name := "sshd"
	if f.OS.Family() == "debian" {
		name = "ssh"
	}
	switch {
	case len(s.Enabled) > 0 && len(s.Masked) > 0:
		return warn(Medium, "%s is enabled, and %s is masked", s.Enabled[0], s.Masked[0]).command([]string{"systemctl", "unmask", s.Masked[0]})
	case len(s.Enabled) > 0:
		return pass("%s", strings.Join(s.Enabled, ", "))
	case s.Unsure:
		return unknown("whether sshd starts at boot could not be read")
	case len(s.Masked) > 0:
		return fail("", "%s is masked", s.Masked[0]).command([]string{"systemctl", "unmask", s.Masked[0]}, []string{"systemctl", "enable", name})
	case f.OS.Family() == "alpine":
		return fail("", "sshd does not start at boot").command([]string{"rc-update", "add", "sshd"})
	}
	return fail("", "the SSH server is installed and does not start at boot").command([]string{"systemctl", "enable", name})
}

// listens judges ListenAddress: an address of the old network is not there any
// more, and sshd ends where it can listen on none.
func listens(s *facts.SSH) Result {
	r := Result{Status: Pass}
	all := s.Config.Global("listenaddress")
	if len(all) == 0 || socketOnly(s) {
		return r
	}
	var old, own []sshd.Setting
	for _, a := range all {
		switch host := address(a.Args[0]); {
		case host == "0.0.0.0" || host == "::" || host == "*":
			return r
		case loopback(host):
			own = append(own, a)
		default:
			old = append(old, a)
		}
	}
	if len(old) == 0 {
		return fail("", "sshd listens on this machine only (ListenAddress %s)", own[0].Args[0]).with(line(own[0]))
	}
	r = fail("", "sshd listens on %s only, an address that the target may not give", address(old[0].Args[0])).
		hint("Take the lines ListenAddress out, or write ListenAddress 0.0.0.0.")
	for _, a := range old {
		r = r.with(line(a))
	}
	return r
}

// socketOnly: systemd listens, and ListenAddress counts for nothing.
func socketOnly(s *facts.SSH) bool {
	for _, u := range s.Enabled {
		if !strings.HasSuffix(u, ".socket") {
			return false
		}
	}
	return len(s.Enabled) > 0
}

// address takes the port, and the brackets, off a ListenAddress.
func address(a string) string {
	if h, ok := strings.CutPrefix(a, "["); ok {
		h, _, _ = strings.Cut(h, "]")
		return h
	}
	if strings.Count(a, ":") == 1 {
		a, _, _ = strings.Cut(a, ":")
	}
	return a
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

var accessHostKeys = Check{
	ID: "access.host-keys", Code: "MIG6103", Title: "The SSH server has host keys, or makes them at boot", Category: "access", Severity: High,
	Needs:  needSSH,
	Impact: "sshd does not start without a host key, and nobody reaches the machine over the network.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		s := &f.SSH
		if s.Program == "" {
			return skip("OpenSSH's server is not installed")
		}
		cloud := answer.No
		if len(f.CloudInit.Config.NoModules) == 0 {
			cloud = provisions(f, t)
		}
		switch {
		case len(s.HostKeys) > 0:
			r := pass("%d host keys", len(s.HostKeys))
			switch {
			case cloud == answer.Yes && !f.CloudInit.Config.KeepHostKeys:
				r = r.more(", which cloud-init makes anew for a new instance: clients then warn")
			default:
				r = r.more("; every machine made of this image has the same ones")
			}
			for _, k := range s.HostKeys {
				r = r.with(file(k, 0, ""))
			}
			return r
		case s.HostKeysErr != "":
			return unknown("whether there are host keys could not be read: %s", s.HostKeysErr)
		case len(s.MissingNamed) > 0 && s.Generator != "":
			return warn(Medium, "%s, which sshd's configuration names, is missing; %s makes those of the default names", s.MissingNamed[0], s.Generator)
		case s.Generator != "":
			return pass("none yet; %s makes them at boot", s.Generator)
		case cloud == answer.Yes && len(s.MissingNamed) == 0:
			return pass("none yet; cloud-init makes them at the first boot")
		case cloud == answer.Maybe:
			return unknown("there are no host keys, and whether cloud-init makes them is not known")
		}
		return fail("", "there are no host keys, and nothing makes them at boot").command([]string{"ssh-keygen", "-A"})
	},
}

package checks

import (
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/facts/answer"
	"migimg/preflight/facts/sshd"
	"migimg/preflight/targets"
)

var accessLoginPath = Check{
	ID: "access.login-path", Code: "MIG6104", Title: "There is a way to log in", Category: "access", Severity: High,
	Needs:  []facts.Key{facts.KeyGuest, facts.KeyLogins, facts.KeySSH},
	Impact: "The machine boots, and nobody can log in.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		w := waysIn(f, t)
		var ways []string
		network, any := answer.No, answer.No
		r := Result{}
		for _, x := range w {
			any = any.Or(x.open)
			if x.network {
				network = network.Or(x.open)
			}
			if x.open == answer.Yes {
				ways = append(ways, x.name)
			}
			r = r.with(value(x.name, x.open.String(), ""))
		}
		switch {
		case any == answer.Yes && network == answer.No:
			out := warn(Medium, "only on the console, with the password of an administrator")
			out.Evidence = r.Evidence
			return wayOut(out, f)
		case any == answer.Yes:
			out := pass("%s", strings.Join(ways, ", "))
			out.Evidence = r.Evidence
			return out
		case any == answer.Maybe:
			out := unknown("no way to log in is sure: %s", doubt(f, w))
			out.Evidence = r.Evidence
			return wayOut(out, f)
		}
		out := fail("", "no account can log in: no password of an administrator, no key that sshd takes, no cloud-init and no agent of the target")
		out.Evidence = r.Evidence
		return wayOut(out, f)
	},
}

func wayOut(r Result, f *facts.Facts) Result {
	return r.command([]string{"passwd", "root"}).
		hint("Or put a public key into /root/.ssh/authorized_keys, or into the file of a user who may use sudo.")
}

// way is one way in.
type way struct {
	name    string
	network bool
	open    answer.Answer
}

func waysIn(f *facts.Facts, t *targets.Target) []way {
	ssh := sshUp(f)
	if s := &f.SSH; s.Program != "" && len(s.HostKeys) == 0 && s.Generator == "" && s.HostKeysErr == "" && provisions(f, t) == answer.No {
		ssh = answer.No // nobody makes host keys
	}
	key, password, console := answer.No, answer.No, answer.No
	for i := range f.Logins.Users {
		u := &f.Logins.Users[i]
		alive := answer.Of(!u.Expired).Both(u.Shell).Both(answer.Of(!f.Logins.NoLogin || u.UID == 0))
		known := passwordWorks(u)
		k, p := overSSH(f, u, known)
		key = key.Or(k.Both(alive).Both(ssh))
		password = password.Or(p.Both(alive).Both(ssh).Both(u.Admin))
		console = console.Or(known.Both(alive).Both(u.Admin).Both(consoleAllows(f, u)))
	}
	if f.Logins.Elsewhere || f.Logins.More > 0 {
		// Accounts that are not on the disk may have a way in; their directory may
		// not be within reach.
		password = password.Or(ssh.Both(answer.Maybe))
	}
	return []way{
		{"a key over SSH", true, key},
		{"an administrator's password over SSH", true, password},
		{"an administrator's password on the console", false, console},
		{"a key or password from the target, by cloud-init", true, cloudLogin(f, t)},
		{"a password set by the target's agent", true, agentLogin(f, t)},
	}
}

func sshUp(f *facts.Facts) answer.Answer {
	s := &f.SSH
	if s.Program == "" {
		return answer.Maybe.Both(answer.Of(s.Other != "" && len(s.Enabled) > 0))
	}
	up := answer.Of(len(s.Enabled) > 0)
	switch {
	case up == answer.No && s.Unsure, up == answer.Yes && len(s.Masked) > 0:
		up = answer.Maybe
	case s.Config == nil && !strings.HasPrefix(s.ConfigErr, "there is no "), s.Config != nil && len(s.Config.Problems) > 0:
		up = up.Both(answer.Maybe)
	case s.Config == nil, len(s.Config.Errors) > 0, listens(s).Status == Fail:
		return answer.No
	}
	if len(s.HostKeys) == 0 && s.Generator == "" {
		return up.Both(answer.Maybe)
	}
	return up
}

// passwordWorks: there is a password, and its time is not over. An empty one is
// refused over the network and, in most places, on the console.
func passwordWorks(u *facts.Login) answer.Answer {
	switch {
	case u.Password == "set":
		return answer.Of(!u.PasswordDead)
	case u.Password == "locked":
		return answer.No
	}
	return answer.Maybe
}

func overSSH(f *facts.Facts, u *facts.Login, known answer.Answer) (key, password answer.Answer) {
	keys := answer.No
	for i := range u.Keys {
		keys = keys.Or(u.Keys[i].Open())
	}
	c := f.SSH.Config
	if c == nil {
		return keys.Both(answer.Maybe), known.Both(answer.Maybe)
	}
	if u.Password == "empty" {
		known = answer.No // PermitEmptyPasswords is no way that counts
	}
	q := sshd.User{Name: u.Name, Groups: u.Groups, GroupsUnsure: f.Logins.Elsewhere}
	l := c.Login(q)
	pam := l.PAM.Not().Or(f.PAM.Allows(u.Name, u.Groups))
	if u.Bang {
		// Without PAM sshd refuses even the keys of an account that is locked so.
		keys = keys.Both(l.PAM)
	}
	key = l.Allowed.Both(l.Key).Both(keys).Both(pam)
	key = key.Or(l.Allowed.Both(l.Both).Both(keys).Both(known).Both(pam))
	return key, l.Allowed.Both(l.Password).Both(known).Both(pam)
}

// consoleAllows: access.conf may keep a user off the console.
func consoleAllows(f *facts.Facts, u *facts.Login) answer.Answer {
	for _, m := range f.PAM.Modules {
		if m.Service == "login" && m.Name == "pam_access" {
			return f.PAM.Allows(u.Name, u.Groups)
		}
	}
	return answer.Yes
}

// cloudLogin: cloud-init runs, and puts what the target gives where a login can
// use it.
func cloudLogin(f *facts.Facts, t *targets.Target) answer.Answer {
	a := provisions(f, t)
	c := &f.CloudInit.Config
	if a == answer.No || slices.Contains(c.NoModules, "users-groups") && slices.Contains(c.NoModules, "set-passwords") {
		return answer.No
	}
	if c.DefaultUser == "" && !c.RootKey || len(c.NoModules) > 0 {
		a = a.Both(answer.Maybe) // the target's data may still set a password of root
	}
	return a.Both(sshUp(f).Or(hostKeysLater(f)))
}

// hostKeysLater: what sshd lacks for being up is host keys, which cloud-init
// makes.
func hostKeysLater(f *facts.Facts) answer.Answer {
	g := *f
	g.SSH.Generator = "cloud-init"
	return sshUp(&g)
}

func agentLogin(f *facts.Facts, t *targets.Target) answer.Answer {
	for _, a := range f.Agents {
		if slices.Contains(t.Agents, a.Platform) && len(a.Units) > 0 {
			if a.Name == ownAgents[t.ID] {
				return sshUp(f) // it makes the account that the target's owner names
			}
			// It sets a password where the target's owner can ask it to.
			return answer.Maybe
		}
	}
	return answer.No
}

// doubt is why nothing is sure.
func doubt(f *facts.Facts, w []way) string {
	switch {
	case f.Logins.NoShadow != "":
		return "passwords are not known (" + f.Logins.NoShadow + ")"
	case f.SSH.Config == nil && f.SSH.Program != "":
		return f.SSH.ConfigErr
	case len(f.Logins.Problems) > 0:
		return f.Logins.Problems[0]
	case len(f.CloudInit.Problems) > 0:
		return f.CloudInit.Problems[0]
	}
	for _, x := range w {
		if x.open == answer.Maybe {
			return "it depends on " + x.name
		}
	}
	return "it depends on what the disk does not tell"
}

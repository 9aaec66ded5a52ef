package sshd

import (
	"slices"
	"strings"

	"migimg/preflight/facts/answer"
)

// Lookup is what a keyword may be for a user: the settings of which one applies.
// One is the answer; several depend on what is not known. A Setting without a
// keyword stands for the default.
func (c *Config) Lookup(keyword string, u User) (possible []Setting) {
	for _, s := range c.Settings {
		if s.Keyword != keyword || !s.InMatch() {
			continue
		}
		switch s.applies(u) {
		case yes:
			return append(possible, s)
		case maybe:
			possible = append(possible, s)
		}
	}
	for _, s := range c.Settings {
		if s.Keyword == keyword && !s.InMatch() {
			return append(possible, s)
		}
	}
	return append(possible, Setting{})
}

// Global are all settings of a keyword outside Match blocks: those of Port,
// ListenAddress and HostKey add up.
func (c *Config) Global(keyword string) (all []Setting) {
	for _, s := range c.Settings {
		if s.Keyword == keyword && !s.InMatch() {
			all = append(all, s)
		}
	}
	return all
}

// list is the sum of a keyword's arguments that applies: those of the Match
// blocks that apply, or else the global ones. sure is false where a block may
// apply.
func (c *Config) list(keyword string, u User) (args []string, sure bool) {
	sure = true
	var inMatch, global []string
	for _, s := range c.Settings {
		if s.Keyword != keyword {
			continue
		}
		switch {
		case !s.InMatch():
			global = append(global, s.Args...)
		case s.applies(u) == yes:
			inMatch = append(inMatch, s.Args...)
		case s.applies(u) == maybe:
			sure = false
		}
	}
	if len(inMatch) > 0 {
		return inMatch, sure
	}
	return global, sure
}

// flag is what a keyword of yes and no may be.
func (c *Config) flag(keyword string, u User, def answer.Answer) answer.Answer {
	var a []answer.Answer
	for _, s := range c.Lookup(keyword, u) {
		if s.Keyword == "" {
			a = append(a, def)
			continue
		}
		v := strings.ToLower(s.Args[0])
		a = append(a, answer.Of(v == "yes" || v == "true"))
	}
	for _, x := range a[1:] {
		if x != a[0] {
			return maybe
		}
	}
	return a[0]
}

// Login is how a user may log in over the network, as far as sshd's
// configuration goes: whether there is a password or a key is another question.
type Login struct {
	// Allowed: neither a list of users or groups nor PermitRootLogin keeps the
	// user out. Refused is the keyword that does.
	Allowed answer.Answer
	Refused string
	// Password and Key: the method is enough. Both: it needs a key and a password.
	Password, Key, Both answer.Answer
	// PAM: sshd asks PAM, which judges passwords and expiry.
	PAM answer.Answer
}

// Login answers for a user.
func (c *Config) Login(u User) Login {
	l := Login{PAM: c.flag("usepam", u, no)}
	l.Allowed, l.Refused = c.allowed(u)
	kbd := c.flag("kbdinteractiveauthentication", u, yes).Both(l.PAM)
	password := c.flag("passwordauthentication", u, yes)
	key := c.flag("pubkeyauthentication", u, yes)
	if u.Name == "root" {
		rootPassword, rootKey := c.root(u)
		password, kbd, key = password.Both(rootPassword), kbd.Both(rootPassword), key.Both(rootKey)
		if rootPassword == no && rootKey == no {
			l.Allowed, l.Refused = no, "PermitRootLogin"
		}
	}
	l.methods(c.Lookup("authenticationmethods", u), password, kbd, key)
	if len(c.Problems) > 0 {
		for _, a := range []*answer.Answer{&l.Allowed, &l.Password, &l.Key, &l.Both} {
			*a = maybe
		}
	}
	return l
}

// root is PermitRootLogin. Its default is prohibit-password since OpenSSH 7.0,
// and yes before and in some distributions' builds.
func (c *Config) root(u User) (password, key answer.Answer) {
	for i, s := range c.Lookup("permitrootlogin", u) {
		p, k := maybe, yes
		if s.Keyword != "" {
			switch strings.ToLower(s.Args[0]) {
			case "yes":
				p = yes
			case "no":
				p, k = no, no
			case "prohibit-password", "without-password":
				p = no
			case "forced-commands-only":
				p, k = no, no // a command is no way in
			}
		}
		if i == 0 {
			password, key = p, k
			continue
		}
		password, key = password.Same(p), key.Same(k)
	}
	return password, key
}

// methods combines what is on with AuthenticationMethods: lists of methods, one
// of which must be gone through whole (sshd_config(5)).
func (l *Login) methods(possible []Setting, password, kbd, key answer.Answer) {
	for i, s := range possible {
		p, k, both := password.Or(kbd), key, no
		if s.Keyword != "" && s.Args[0] != "any" {
			p, k = no, no
			for _, way := range s.Args {
				var needsPassword, needsKey bool
				a := yes
				for m := range strings.SplitSeq(way, ",") {
					m, _, _ = strings.Cut(m, ":")
					switch m {
					case "publickey":
						a, needsKey = a.Both(key), true
					case "password":
						a, needsPassword = a.Both(password), true
					case "keyboard-interactive":
						a, needsPassword = a.Both(kbd), true
					default:
						a = a.Both(maybe)
					}
				}
				switch {
				case needsKey && needsPassword:
					both = both.Or(a)
				case needsKey:
					k = k.Or(a)
				case needsPassword:
					p = p.Or(a)
				}
			}
		}
		if i == 0 {
			l.Password, l.Key, l.Both = p, k, both
			continue
		}
		l.Password, l.Key, l.Both = l.Password.Same(p), l.Key.Same(k), l.Both.Same(both)
	}
}

// allowed goes through the lists of users and groups in sshd's order (openssh
// auth.c, allowed_user).
func (c *Config) allowed(u User) (answer.Answer, string) {
	a, why := yes, ""
	step := func(ok answer.Answer, keyword string) {
		if a != no && ok != yes {
			a, why = a.Both(ok), keyword
		}
	}
	deny, sure := c.list("denyusers", u)
	step(userIn(u.Name, deny).Not().If(sure), "DenyUsers")
	allow, sure := c.list("allowusers", u)
	if len(allow) > 0 || !sure {
		step(orEmpty(userIn(u.Name, allow), allow).If(sure), "AllowUsers")
	}
	denyGroups, sure := c.list("denygroups", u)
	if len(denyGroups) > 0 || !sure {
		step(groupIn(u, denyGroups).Not().If(sure), "DenyGroups")
	}
	allowGroups, sure := c.list("allowgroups", u)
	if len(allowGroups) > 0 || !sure {
		step(orEmpty(groupIn(u, allowGroups), allowGroups).If(sure), "AllowGroups")
	}
	return a, why
}

// orEmpty: an empty list of those allowed allows all.
func orEmpty(a answer.Answer, list []string) answer.Answer {
	if len(list) == 0 {
		return yes
	}
	return a
}

// userIn matches USER and USER@HOST patterns, where the host is not known. There
// is no negation here (openssh match.c, match_user).
func userIn(name string, patterns []string) answer.Answer {
	in := no
	for _, p := range patterns {
		user, host, hasHost := strings.Cut(p, "@")
		if glob1(user, name) {
			if !hasHost || host == "*" {
				return yes
			}
			in = maybe
		}
	}
	return in
}

// groupIn matches the user's groups, without negation (openssh groupaccess.c,
// ga_match).
func groupIn(u User, patterns []string) answer.Answer {
	for _, g := range u.Groups {
		if slices.ContainsFunc(patterns, func(p string) bool { return glob1(p, g) }) {
			return yes
		}
	}
	if u.GroupsUnsure && len(patterns) > 0 {
		return maybe
	}
	return no
}

// KeyFiles are the patterns of files with the user's keys, "none" left out. sure
// is false where they depend on the connection.
func (c *Config) KeyFiles(u User) (patterns []string, sure bool) {
	possible := c.Lookup("authorizedkeysfile", u)
	for _, s := range possible {
		args := s.Args
		if s.Keyword == "" {
			args = []string{".ssh/authorized_keys", ".ssh/authorized_keys2"}
		}
		for _, a := range args {
			if a != "none" && !slices.Contains(patterns, a) {
				patterns = append(patterns, a)
			}
		}
	}
	return patterns, len(possible) == 1
}

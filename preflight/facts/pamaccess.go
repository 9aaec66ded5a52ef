package facts

import (
	"slices"
	"strings"

	"migimg/preflight/facts/answer"
)

// Allows says whether access.conf lets a user in from anywhere, where pam_access
// is used for logins over the network or on the console. The first line that
// fits counts, and no line means yes (access.conf(5)).
func (p *PAM) Allows(user string, groups []string) answer.Answer {
	if !slices.ContainsFunc(p.Modules, func(m PAMModule) bool { return m.Name == "pam_access" && (m.Service == "sshd" || m.Service == "login") }) {
		return answer.Yes
	}
	if len(p.Problems) > 0 {
		return answer.Maybe
	}
	for _, l := range p.Access {
		who := accessList(l.Users, func(w string) answer.Answer {
			switch {
			case strings.HasPrefix(w, "@") || strings.Contains(w, "@"):
				return answer.Maybe
			case strings.HasPrefix(w, "(") && strings.HasSuffix(w, ")"):
				return answer.Of(slices.Contains(groups, w[1:len(w)-1]))
			}
			return answer.Of(w == user || slices.Contains(groups, w))
		})
		// Where somebody logs in from is not known: only ALL is sure.
		where := accessList(l.Places, func(string) answer.Answer { return answer.Maybe })
		switch who.Both(where) {
		case answer.Yes:
			return answer.Of(l.Allow)
		case answer.Maybe:
			return answer.Maybe
		}
	}
	return answer.Yes
}

// accessList matches a list with ALL and EXCEPT.
func accessList(words []string, is func(string) answer.Answer) answer.Answer {
	if len(words) > 1000 {
		return answer.Maybe
	}
	head, tail := words, []string(nil)
	if i := slices.Index(words, "EXCEPT"); i >= 0 {
		head, tail = words[:i], words[i+1:]
	}
	a := answer.No
	for _, w := range head {
		if w == "ALL" {
			a = answer.Yes
			continue
		}
		a = a.Or(is(w))
	}
	if tail != nil && a != answer.No {
		a = a.Both(accessList(tail, is).Not())
	}
	return a
}

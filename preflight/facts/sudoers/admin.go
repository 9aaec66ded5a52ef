package sudoers

import (
	"slices"
	"strconv"
	"strings"

	"migimg/preflight/facts/answer"
)

// User is who is asked about.
type User struct {
	Name   string
	UID    uint32
	Groups []string
	GIDs   []uint32
	// GroupsUnsure: there may be more groups than those.
	GroupsUnsure bool
}

// Admin says whether a user may do everything as root. Of the rules that match,
// the last one counts, as in sudo. It is not safe for concurrent use.
func (p *Policy) Admin(u User) Grant {
	if u.UID == 0 {
		return Grant{Admin: answer.Yes, NoPassword: true}
	}
	p.steps = 0
	g := Grant{Admin: answer.No}
	if len(p.Problems) > 0 {
		g.Admin = answer.Maybe
	}
	for _, r := range p.rules {
		who := p.match(r.users, "User", 0, func(m string) answer.Answer { return u.is(m) })
		where := p.match(r.hosts, "Host", 0, func(m string) answer.Answer { return ifAll(m, answer.Maybe) })
		may := who.Both(where)
		if may == answer.No {
			continue
		}
		for _, s := range r.specs {
			root := answer.Yes
			if s.runas != nil {
				root = p.match(s.runas, "Runas", 0, func(m string) answer.Answer { return answer.Of(m == "ALL" || m == "root" || m == "#0") })
			}
			all := p.match([]string{s.command}, "Cmnd", 0, func(m string) answer.Answer { return ifAll(m, answer.No) })
			denied := p.match([]string{strings.TrimPrefix(s.command, "!")}, "Cmnd", 0, func(m string) answer.Answer { return ifAll(m, answer.No) })
			switch {
			case strings.HasPrefix(s.command, "!") && denied == answer.Yes && root == answer.Yes:
				g = Grant{Admin: answer.No.If(may == answer.Yes), File: r.file, Line: r.line}
			case all.Both(root) != answer.No:
				if a := all.Both(root).Both(may); a == answer.Yes || g.Admin != answer.Yes {
					g = Grant{Admin: a, NoPassword: s.nopasswd && a == answer.Yes, File: r.file, Line: r.line}
				}
			}
		}
	}
	return g
}

func ifAll(m string, otherwise answer.Answer) answer.Answer {
	if m == "ALL" {
		return answer.Yes
	}
	return otherwise
}

// match goes through a list: aliases are what they stand for, ! turns a member
// around, and the last member that matches counts.
func (p *Policy) match(list []string, kind string, depth int, is func(string) answer.Answer) answer.Answer {
	a := answer.No
	for _, m := range list {
		if p.steps++; p.steps > maxSteps {
			return answer.Maybe
		}
		negated := false
		for strings.HasPrefix(m, "!") {
			m, negated = strings.TrimSpace(m[1:]), !negated
		}
		members, alias := p.aliases[kind+" "+m]
		if !alias && kind == "Cmnd" {
			members, alias = p.aliases["Cmd "+m]
		}
		one := answer.Maybe
		switch {
		case !alias:
			one = is(m)
		case depth < maxAlias:
			one = p.match(members, kind, depth+1, is)
		}
		switch {
		case one == answer.Yes:
			a = answer.Of(!negated)
		case one == answer.Maybe && (negated == (a == answer.Yes) || a == answer.Maybe):
			a = answer.Maybe
		}
	}
	return a
}

// is compares one member of a list of users: a name, #number, %group, %#number,
// +netgroup or ALL.
func (u User) is(m string) answer.Answer {
	switch {
	case m == "ALL":
		return answer.Yes
	case strings.HasPrefix(m, "%#"):
		n, err := strconv.ParseUint(m[2:], 10, 32)
		return answer.Of(err == nil && slices.Contains(u.GIDs, uint32(n))).Or(answer.No.If(!u.GroupsUnsure))
	case strings.HasPrefix(m, "%:"), strings.HasPrefix(m, "+"):
		return answer.Maybe
	case strings.HasPrefix(m, "%"):
		return answer.Of(slices.Contains(u.Groups, m[1:])).Or(answer.No.If(!u.GroupsUnsure))
	case strings.HasPrefix(m, "#"):
		n, err := strconv.ParseUint(m[1:], 10, 32)
		return answer.Of(err == nil && uint32(n) == u.UID)
	}
	return answer.Of(m == u.Name)
}

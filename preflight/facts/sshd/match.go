package sshd

import (
	"errors"
	"slices"
	"strings"

	"migimg/preflight/facts/answer"
)

// The answers, short.
const (
	maybe = answer.Maybe
	no    = answer.No
	yes   = answer.Yes
)

// User is who logs in.
type User struct {
	Name string
	// Groups are the names of all groups the user is in. With GroupsUnsure there
	// may be more: another directory has accounts as well.
	Groups       []string
	GroupsUnsure bool
}

// condition is the criteria of one Match line, all of which must hold.
type condition struct {
	criteria []criterion
}

type criterion struct{ name, patterns string }

var errMatch = errors.New("a criterion of Match has no value")

// parseMatch reads the arguments of Match: all, or pairs, which newer versions
// also take as name=value.
func parseMatch(args []string) (c condition, err error) {
	for i := 0; i < len(args); i++ {
		name, value, joined := strings.Cut(args[i], "=")
		name = strings.ToLower(name)
		if name == "all" || name == "invalid-user" {
			c.criteria = append(c.criteria, criterion{name, ""})
			continue
		}
		if !joined {
			if i++; i == len(args) {
				return c, errMatch
			}
			value = args[i]
		}
		c.criteria = append(c.criteria, criterion{name, value})
	}
	return c, nil
}

func (s *Setting) applies(u User) answer.Answer {
	a := yes
	for _, c := range s.match {
		for _, x := range c.criteria {
			a = a.Both(x.holds(u))
		}
	}
	return a
}

func (c criterion) holds(u User) answer.Answer {
	switch c.name {
	case "all":
		return yes
	case "invalid-user":
		return no // asked about users that there are
	case "user":
		return answer.Of(inList(u.Name, c.patterns))
	case "group":
		return u.inGroups(strings.Split(c.patterns, ","))
	}
	// An address, a host, a port, a version of the client: known when somebody
	// connects.
	if c.patterns == "*" {
		return yes
	}
	return maybe
}

// inGroups says whether one of the groups matches; a pattern with ! that matches
// any of them rules the user out (openssh groupaccess.c).
func (u User) inGroups(patterns []string) answer.Answer {
	in := false
	for _, g := range u.Groups {
		for _, p := range patterns {
			if n, negated := strings.CutPrefix(p, "!"); negated && glob1(n, g) {
				return no
			} else if !negated && glob1(p, g) {
				in = true
			}
		}
	}
	switch {
	case in && !(u.GroupsUnsure && slices.ContainsFunc(patterns, func(p string) bool { return strings.HasPrefix(p, "!") })):
		return yes
	case u.GroupsUnsure:
		return maybe
	}
	return no
}

// inList matches a name with a list of patterns apart by commas.
func inList(name, patterns string) bool {
	in := false
	for p := range strings.SplitSeq(patterns, ",") {
		if n, negated := strings.CutPrefix(p, "!"); negated && glob1(n, name) {
			return false
		} else if !negated && glob1(p, name) {
			in = true
		}
	}
	return in
}

// glob1 matches a pattern of * and ? (ssh_config(5), PATTERNS), in time linear
// in both: it goes back to the last * only.
func glob1(pattern, s string) bool {
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			p, mark = star+1, mark+1
			i = mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

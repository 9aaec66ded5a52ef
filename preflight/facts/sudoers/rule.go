package sudoers

import (
	"regexp"
	"slices"
	"strings"
)

// cut splits at a sign that is neither escaped, quoted nor in brackets.
func cut(s string, sign byte) (parts []string) {
	start, depth, quoted := 0, 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == sign && depth <= 0:
			parts = append(parts, strings.TrimSpace(s[start:i]))
			start = i + 1
		}
	}
	return append(parts, strings.TrimSpace(s[start:]))
}

// words splits at blanks, but not beside a comma.
func words(s string) []string {
	s = commas.ReplaceAllString(s, ",")
	return slices.DeleteFunc(cut(strings.ReplaceAll(s, "\t", " "), ' '), func(w string) bool { return w == "" })
}

var (
	commas = regexp.MustCompile(`[ \t]*,[ \t]*`)
	runas  = regexp.MustCompile(`^\(([^)]*)\)[ \t]*`)
	tag    = regexp.MustCompile(`^([A-Z_]+)[ \t]*:[ \t]*`)
	option = regexp.MustCompile(`^(?:ROLE|TYPE|CWD|CHROOT|TIMEOUT|NOTBEFORE|NOTAFTER|PRIVS|LIMITPRIVS|APPARMOR_PROFILE)=\S+[ \t]+`)
	// more is a second list of hosts after a colon.
	more = regexp.MustCompile(`^(.*?)[ \t]*:[ \t]*[^=:]+=`)
)

// parseRule reads "users hosts = commands". ok is false where it is not one, or
// is more than one.
func parseRule(line string) (r rule, ok bool) {
	sides := cut(line, '=')
	if len(sides) < 2 {
		return r, false
	}
	left := words(sides[0])
	if len(left) < 2 {
		return r, false
	}
	// Blanks in a user's name are escaped or quoted; what is last is the hosts.
	r.users, r.hosts = cut(strings.Join(left[:len(left)-1], " "), ','), cut(left[len(left)-1], ',')
	for i := range r.users {
		r.users[i] = strings.ReplaceAll(strings.Trim(r.users[i], `"`), `\`, "")
	}
	right := strings.TrimSpace(line[strings.IndexByte(line, '=')+1:])
	var last spec
	for _, part := range cut(right, ',') {
		s := spec{runas: last.runas, nopasswd: last.nopasswd}
		if m := runas.FindStringSubmatch(part); m != nil {
			users, _, _ := strings.Cut(m[1], ":")
			s.runas = cut(users, ',')
			part = part[len(m[0]):]
		}
		for {
			if m := tag.FindStringSubmatch(part); m != nil && m[1] != "ALL" {
				switch m[1] {
				case "NOPASSWD":
					s.nopasswd = true
				case "PASSWD":
					s.nopasswd = false
				}
				part = part[len(m[0]):]
			} else if m := option.FindString(part); m != "" {
				part = part[len(m):]
			} else {
				break
			}
		}
		if more.MatchString(part) {
			return r, false
		}
		s.command = part
		last = s
		r.specs = append(r.specs, s)
	}
	return r, true
}

package sshd

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// aliases are older names of keywords (openssh servconf.c, keywords).
var aliases = map[string]string{
	"challengeresponseauthentication": "kbdinteractiveauthentication",
	"skeyauthentication":              "kbdinteractiveauthentication",
	"dsaauthentication":               "pubkeyauthentication",
	"hostdsakey":                      "hostkey",
}

// keyword takes the keyword off a line: blanks, or one = with blanks, end it.
func (s *Setting) keyword(line string) (rest string, ok bool) {
	line = strings.Trim(line, " \t\r\n\f")
	if line == "" || line[0] == '#' {
		return "", false
	}
	i := strings.IndexAny(line, " \t=")
	if i < 0 {
		i = len(line)
	}
	s.Keyword = strings.ToLower(line[:i])
	if a, ok := aliases[s.Keyword]; ok {
		s.Keyword = a
	}
	rest = strings.TrimLeft(line[i:], " \t")
	if r, ok := strings.CutPrefix(rest, "="); ok {
		rest = strings.TrimLeft(r, " \t")
	}
	return rest, s.Keyword != ""
}

var errQuote = errors.New("a quotation mark is not closed")

// split takes a line into its words: quotes of both kinds, a backslash before
// quotes, a backslash and blanks, and # for the rest being a comment (openssh
// misc.c, argv_split).
func split(s string) ([]string, error) {
	words := []string{} // empty, not nil: no word is not the default
	for i := 0; i < len(s); {
		switch s[i] {
		case ' ', '\t':
			i++
			continue
		case '#':
			return words, nil
		}
		var b strings.Builder
		quote := byte(0)
		for ; i < len(s); i++ {
			c := s[i]
			switch {
			case c == '\\' && i+1 < len(s) && (strings.IndexByte(`\'"`, s[i+1]) >= 0 || quote == 0 && s[i+1] == ' '):
				i++
				b.WriteByte(s[i])
				continue
			case quote == 0 && (c == ' ' || c == '\t'):
			case quote == 0 && (c == '"' || c == '\''):
				quote = c
				continue
			case quote != 0 && c == quote:
				quote = 0
				continue
			default:
				b.WriteByte(c)
				continue
			}
			break
		}
		if quote != 0 {
			return words, errQuote
		}
		words = append(words, b.String())
	}
	return words, nil
}

// flags are keywords that take yes or no and nothing else.
var flags = []string{"passwordauthentication", "pubkeyauthentication", "kbdinteractiveauthentication", "usepam", "strictmodes", "permitemptypasswords",
	"hostbasedauthentication", "permittty", "exposeauthinfo", "printmotd", "printlastlog", "usedns"}

// globalOnly are keywords that no version of sshd takes in a Match block.
var globalOnly = []string{"port", "listenaddress", "addressfamily", "hostkey", "logingracetime", "maxstartups", "pidfile"}

var rootValues = []string{"yes", "no", "prohibit-password", "without-password", "forced-commands-only"}

// wrong says what sshd refuses of a line, "" for nothing that is known.
func (s *Setting) wrong() string {
	v := strings.ToLower(s.Args[0])
	switch {
	case s.InMatch() && slices.Contains(globalOnly, s.Keyword):
		return "it may not be in a Match block"
	case slices.Contains(flags, s.Keyword) && v != "yes" && v != "no" && v != "true" && v != "false":
		return "it is neither yes nor no"
	case s.Keyword == "permitrootlogin" && !slices.Contains(rootValues, v):
		return "it is none of " + strings.Join(rootValues, ", ")
	case s.Keyword == "port":
		if _, err := strconv.ParseUint(v, 10, 16); err != nil && numeric(v) || v == "0" {
			return "it is not a port number"
		}
	}
	return ""
}

func numeric(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

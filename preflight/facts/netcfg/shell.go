package netcfg

import (
	"strings"
	"unicode/utf8"
)

// unquote reads the value of an ifcfg line as a shell would, without expanding
// anything: plain text with backslashes, '...', "..." and $'...', one after the
// other, up to a blank or ";" after which only a comment may follow. ok is false
// for what a shell would not take for one word (ifcfg files are sourced by
// bash: bash(1), QUOTING). A whole value in double quotes may have \' and \~
// for ' and ~, as older NetworkManagers wrote them.
func unquote(s string) (v string, ok bool) {
	if t := strings.TrimLeft(s, " \t"); t != s {
		// The blank ends the assignment: what follows is a comment, or a command.
		return "", onlyComment(t)
	}
	if w, ok := legacyQuotes(s); ok {
		return w, true
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == ' ' || c == '\t' || c == ';' || c == '\r':
			return b.String(), onlyComment(s[i:])
		case c == '\\':
			if i+1 >= len(s) {
				return "", false
			}
			b.WriteByte(s[i+1])
			i += 2
		case c == '\'':
			end := strings.IndexByte(s[i+1:], '\'')
			if end < 0 {
				return "", false
			}
			b.WriteString(s[i+1 : i+1+end])
			i += end + 2
		case c == '"':
			n, ok := doubleQuoted(s[i+1:], &b)
			if !ok {
				return "", false
			}
			i += 1 + n
		case c == '$' && i+1 < len(s) && s[i+1] == '\'':
			n, ok := ansiQuoted(s[i+2:], &b)
			if !ok {
				return "", false
			}
			i += 2 + n
		case strings.IndexByte("$`|&()<>*?[", c) >= 0 && c != '*' && c != '?' && c != '[':
			return "", false // an expansion or an operator: only a shell knows
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String(), true
}

// onlyComment says that after a value nothing follows but one ";" and a comment.
func onlyComment(s string) bool {
	s = strings.TrimLeft(s, " \t\r")
	if strings.HasPrefix(s, ";") {
		s = strings.TrimLeft(s[1:], " \t\r")
	}
	return s == "" || s[0] == '#'
}

// doubleQuoted reads up to the closing quote and returns what it took.
func doubleQuoted(s string, b *strings.Builder) (n int, ok bool) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return i + 1, true
		case c == '\\' && i+1 < len(s):
			i++
			if strings.IndexByte("\"\\$`", s[i]) < 0 {
				b.WriteByte('\\')
			}
			b.WriteByte(s[i])
		case c == '$' || c == '`':
			return 0, false
		default:
			b.WriteByte(c)
		}
	}
	return 0, false
}

// legacyQuotes reads "..." whose content has \' or \~ and nothing but characters
// that those older writers escaped.
func legacyQuotes(s string) (string, bool) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return "", false
	}
	var b strings.Builder
	legacy := false
	for in, i := s[1:len(s)-1], 0; i < len(in); i++ {
		c := in[i]
		if c == '\\' {
			if i++; i == len(in) || strings.IndexByte("\"\\$`'~", in[i]) < 0 {
				return "", false
			}
			legacy = legacy || in[i] == '\'' || in[i] == '~'
			c = in[i]
		} else if strings.IndexByte("\"$`'~", c) >= 0 {
			return "", false
		}
		b.WriteByte(c)
	}
	return b.String(), legacy
}

// ansiQuoted reads the inside of $'...' (bash(1), QUOTING) and returns what it
// took, the closing quote included. A NUL ends the value's part, as in C.
func ansiQuoted(s string, b *strings.Builder) (n int, ok bool) {
	ended := false
	put := func(p ...byte) {
		for _, c := range p {
			if ended = ended || c == 0; !ended {
				b.WriteByte(c)
			}
		}
	}
	for i := 0; i < len(s); i++ {
		if s[i] == '\'' {
			return i + 1, true
		}
		if s[i] != '\\' {
			put(s[i])
			continue
		}
		if i++; i == len(s) {
			return 0, false
		}
		c := s[i]
		if k := strings.IndexByte("abeEfnrtv\\'\"?", c); k >= 0 {
			put("\a\b\x1b\x1b\f\n\r\t\v\\'\"?"[k])
			continue
		}
		base, most, at := uint32(16), 0, i+1
		switch c {
		case 'x':
			most = 2
		case 'u':
			most = 4
		case 'U':
			most = 8
		case '0', '1', '2', '3', '4', '5', '6', '7':
			base, most, at = 8, 3, i
		}
		v, digits := number(s[at:], base, most)
		switch {
		case digits == 0:
			put('\\', c)
			continue
		case c == 'u' || c == 'U':
			put(utf8Long(v)...)
		default:
			put(byte(v))
		}
		i = at + digits - 1
	}
	return 0, false
}

func number(s string, base uint32, most int) (v uint32, digits int) {
	for digits < most && digits < len(s) {
		d := strings.IndexByte("0123456789abcdef", s[digits]|0x20)
		if s[digits] < '0' || d < 0 || uint32(d) >= base {
			break
		}
		v = v*base + uint32(d)
		digits++
	}
	return v, digits
}

// utf8Long is UTF-8 with the five and six bytes it once had, which bash writes.
func utf8Long(v uint32) []byte {
	if v < 1<<16 && (v < 0xd800 || v > 0xdfff) {
		return utf8.AppendRune(nil, rune(v))
	}
	n := 3
	for n < 6 && v >= 1<<(5*n+1) {
		n++
	}
	out := make([]byte, n)
	for k := n - 1; k > 0; k-- {
		out[k] = 0x80 | byte(v&0x3f)
		v >>= 6
	}
	out[0] = byte(0xff<<(8-n)) | byte(v)
	return out
}

// variables are the assignments of an ifcfg file, and those whose value only a
// shell could tell.
type variables struct {
	v    map[string]string
	line map[string]int
	odd  []string
}

// shellVars reads NAME=value lines. A line that is none, or that a shell would
// take for a command, is passed over, as NetworkManager does. The last of equal
// names counts.
func shellVars(text string) variables {
	vs := variables{v: map[string]string{}, line: map[string]int{}}
	n := 0
	for line := range strings.Lines(text) {
		n++
		t := strings.TrimLeft(strings.TrimRight(line, "\r\n"), " \t")
		t = strings.TrimPrefix(t, "export ")
		k, raw, ok := strings.Cut(t, "=")
		if !ok || !isName(k) {
			continue
		}
		v, ok := unquote(raw)
		if !ok {
			vs.odd = append(vs.odd, k)
		}
		vs.v[k], vs.line[k] = v, n
	}
	return vs
}

func isName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i] | 0x20
		if s[i] != '_' && (c < 'a' || c > 'z') && (i == 0 || s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return s != ""
}

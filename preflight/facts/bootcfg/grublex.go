package bootcfg

import (
	"errors"
	"fmt"
	"strings"
)

// The script of GRUB 2 ("Writing full configuration files directly" in the GRUB
// manual) is a small shell: words of text, variables and quotes; if, for, while,
// until, function; blocks in braces behind menuentry and submenu.

// piece is a part of a word: text, or a variable's name.
type piece struct {
	text   string
	isVar  bool
	quoted bool // a variable in double quotes is not split into words
}

type word []piece

// keyword is the word's text where it is one bare word, without quotes.
func (w word) keyword() string {
	if len(w) == 1 && !w[0].isVar && !w[0].quoted {
		return w[0].text
	}
	return ""
}

type tokenKind uint8

const (
	tokenEOF tokenKind = iota
	tokenEnd           // a new line or ";"
	tokenWord
	tokenOpen
	tokenClose
)

type token struct {
	kind tokenKind
	word word
	line int
}

type lexer struct {
	src  string
	pos  int
	line int
}

var errSyntax = errors.New("syntax error")

func (l *lexer) fail(what string) error {
	return fmt.Errorf("line %d: %w: %s", l.line, errSyntax, what)
}

// next reads a token.
func (l *lexer) next() (token, error) {
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; {
		case c == ' ' || c == '\t' || c == '\r':
			l.pos++
		case c == '\\' && strings.HasPrefix(l.src[l.pos+1:], "\n"):
			l.pos += 2
			l.line++
		case c == '#':
			if i := strings.IndexByte(l.src[l.pos:], '\n'); i >= 0 {
				l.pos += i
			} else {
				l.pos = len(l.src)
			}
		case c == '\n':
			l.pos++
			l.line++
			return token{kind: tokenEnd, line: l.line - 1}, nil
		case c == ';':
			l.pos++
			return token{kind: tokenEnd, line: l.line}, nil
		case c == '{':
			l.pos++
			return token{kind: tokenOpen, line: l.line}, nil
		case c == '}':
			l.pos++
			return token{kind: tokenClose, line: l.line}, nil
		case c == '|' || c == '&' || c == '<' || c == '>':
			return token{}, l.fail(fmt.Sprintf("%q has no meaning in GRUB's script", c))
		default:
			line := l.line
			w, err := l.word()
			return token{tokenWord, w, line}, err
		}
	}
	return token{kind: tokenEOF, line: l.line}, nil
}

// word reads a word; the cursor is on its first character.
func (l *lexer) word() (w word, err error) {
	var text strings.Builder
	quoted := false
	flush := func() {
		if text.Len() > 0 || quoted {
			w = append(w, piece{text: text.String(), quoted: quoted})
		}
		text.Reset()
		quoted = false
	}
	for l.pos < len(l.src) {
		c := l.src[l.pos]
		switch {
		case strings.IndexByte(" \t\r\n;{}|&<>", c) >= 0:
			flush()
			return w, nil
		case hexEscape(l.src[l.pos:]):
			// The GRUB of Fedora and RHEL keeps \x20 for the kernel; others make
			// x20 of it, and nobody writes that for them.
			text.WriteString(l.src[l.pos : l.pos+4])
			l.pos += 4
		case c == '\\':
			l.pos++
			if l.pos < len(l.src) {
				if l.src[l.pos] == '\n' {
					l.line++
				} else {
					text.WriteByte(l.src[l.pos])
					quoted = true
				}
				l.pos++
			}
		case c == '\'':
			end := strings.IndexByte(l.src[l.pos+1:], '\'')
			if end < 0 {
				return nil, l.fail("a single quote is not closed")
			}
			s := l.src[l.pos+1 : l.pos+1+end]
			l.line += strings.Count(s, "\n")
			l.pos += end + 2
			text.WriteString(s)
			quoted = true
		case c == '"':
			flush()
			ps, err := l.doubleQuoted()
			if err != nil {
				return nil, err
			}
			w = append(w, ps...)
		case c == '$':
			name := l.variable()
			if name == "" {
				return nil, l.fail("a dollar sign without a name")
			}
			flush()
			w = append(w, piece{text: name, isVar: true})
		default:
			text.WriteByte(c)
			l.pos++
		}
	}
	flush()
	return w, nil
}

// hexEscape says whether s begins with \x and two hexadecimal digits.
func hexEscape(s string) bool {
	return len(s) >= 4 && s[:2] == `\x` && strings.Trim(s[2:4], "0123456789abcdefABCDEF") == ""
}

// doubleQuoted reads "..." with the variables in it.
func (l *lexer) doubleQuoted() (w word, err error) {
	var text strings.Builder
	l.pos++
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; c {
		case '"':
			l.pos++
			// An empty text, too: "" is a word.
			return append(w, piece{text: text.String(), quoted: true}), nil
		case '\\':
			l.pos++
			if l.pos == len(l.src) {
				continue
			}
			switch e := l.src[l.pos]; e {
			case '\n':
				l.line++
			case '"', '$', '\\':
				text.WriteByte(e)
			default:
				text.WriteByte('\\')
				text.WriteByte(e)
			}
			l.pos++
		case '$':
			name := l.variable()
			if name == "" {
				text.WriteByte('$')
				continue
			}
			w = append(w, piece{text: text.String(), quoted: true}, piece{text: name, isVar: true, quoted: true})
			text.Reset()
		default:
			if c == '\n' {
				l.line++
			}
			text.WriteByte(c)
			l.pos++
		}
	}
	return nil, l.fail("a double quote is not closed")
}

// variable reads $name, ${name}, $1, $@, $?; "" for a "$" that is text.
func (l *lexer) variable() string {
	l.pos++
	s := l.src[l.pos:]
	if strings.HasPrefix(s, "{") {
		end := strings.IndexByte(s, '}')
		if end <= 1 {
			return ""
		}
		if name := s[1:end]; varName(name) == len(name) {
			l.pos += end + 1
			return name
		}
		return ""
	}
	n := varName(s)
	l.pos += n
	return s[:n]
}

// varName is how many bytes of s are a variable's name.
func varName(s string) int {
	if s == "" {
		return 0
	}
	if strings.IndexByte("@*#?", s[0]) >= 0 {
		return 1
	}
	digits := s[0] >= '0' && s[0] <= '9'
	n := 0
	for n < len(s) {
		c := s[n]
		digit := c >= '0' && c <= '9'
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !digit && (digits || !letter) {
			break
		}
		n++
	}
	return n
}

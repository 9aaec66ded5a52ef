package storage

import (
	"fmt"
	"regexp"
	"strings"
)

// LVMFilter is a list of patterns that accept or reject device names
// (lvm.conf(5), devices/filter).
type LVMFilter []LVMPattern

// LVMPattern is one of them.
type LVMPattern struct {
	Text   string
	Accept bool
	re     *regexp.Regexp
}

// maxPatterns bounds a filter.
const maxPatterns = 1000

// ParseLVMFilter reads the patterns of a filter: a or r, a delimiter, a regular
// expression, the delimiter again.
func ParseLVMFilter(words []string) (LVMFilter, error) {
	if len(words) > maxPatterns {
		return nil, fmt.Errorf("more than %d patterns", maxPatterns)
	}
	var f LVMFilter
	for _, w := range words {
		if len(w) < 3 || w[0] != 'a' && w[0] != 'r' {
			return nil, fmt.Errorf("pattern %q begins with neither a nor r", w)
		}
		end := w[1]
		if i := strings.IndexByte("([{", end); i >= 0 {
			end = ")]}"[i]
		}
		if w[len(w)-1] != end {
			return nil, fmt.Errorf("pattern %q does not end with its delimiter", w)
		}
		re, err := regexp.Compile(translate(w[2 : len(w)-1]))
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", w, err)
		}
		f = append(f, LVMPattern{w, w[0] == 'a', re})
	}
	return f, nil
}

// translate turns device-mapper's regular expressions into Go's: they have
// ^ $ . * + ? | ( ) and [ ] alone, and a backslash protects any character
// (libdm, regex/parse_rx.c).
func translate(s string) string {
	var b strings.Builder
	class := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s):
			i++
			switch s[i] {
			case 'n', 'r', 't':
				b.WriteString(`\` + s[i:i+1])
			default:
				b.WriteString(regexp.QuoteMeta(s[i : i+1]))
			}
		case class:
			class = c != ']'
			if c == '[' {
				b.WriteByte('\\')
			}
			b.WriteByte(c)
		case c == '[':
			class = true
			b.WriteByte(c)
			if i+1 < len(s) && s[i+1] == '^' {
				i++
				b.WriteByte('^')
			}
		case c == '{' || c == '}':
			b.WriteString(`\` + string(c))
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Accepts says whether a device with these names passes: one name that a
// pattern accepts, before any other rejects that name, is enough; else one that
// is rejected keeps the device out; a device that no pattern knows passes (LVM2,
// lib/filters/filter-regex.c). by is the pattern that decided.
func (f LVMFilter) Accepts(names ...string) (ok bool, by string) {
	ok = true
	for _, n := range names {
		for _, p := range f {
			if !p.re.MatchString(n) {
				continue
			}
			if p.Accept {
				return true, p.Text
			}
			ok, by = false, p.Text
			break
		}
	}
	return ok, by
}

// Mentions says whether an accepting pattern has one of the words in it.
func (f LVMFilter) Mentions(words ...string) (pattern string, ok bool) {
	for _, p := range f {
		for _, w := range words {
			if p.Accept && strings.Contains(p.Text, w) {
				return p.Text, true
			}
		}
	}
	return "", false
}

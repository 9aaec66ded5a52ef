package lvm

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The text's grammar is that of lvm2's configuration files (libdm/libdm-config.c),
// of which only what the tools write into metadata is taken:
//
//	text    = { section | value }
//	section = name "{" text "}"
//	value   = name "=" ( scalar | "[" [ scalar { "," scalar } ] "]" )
//	scalar  = integer | string in double quotes
//
// with # to the line's end as a comment. A name may stand only once in a
// section. The text ends at its first zero byte.

// maxNodes bounds what a text becomes in memory: about 30 MiB.
const maxNodes = 256 << 10

// maxNesting is of sections; a volume group's text needs five.
const maxNesting = 12

// node is a section or a value.
type node struct {
	name   string
	kids   []*node  // of a section, in the text's order
	values []scalar // of a value
	kind   nodeKind
}

type nodeKind uint8

const (
	isSection nodeKind = iota
	isScalar
	isArray
)

// scalar is an integer or a string.
type scalar struct {
	text  string
	n     int64
	isInt bool
}

// parser is at byte at of text.
type parser struct {
	text  string
	at    int
	nodes int
}

// parseText reads a text into a section without a name.
func parseText(b []byte) (*node, error) {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		if len(bytes.Trim(b[i:], "\x00")) > 0 {
			return nil, errors.New("the text goes on behind its end")
		}
		b = b[:i]
	}
	p := &parser{text: string(b)}
	root := &node{}
	if err := p.section(root, 0); err != nil {
		line := 1 + strings.Count(p.text[:min(p.at, len(p.text))], "\n")
		return nil, fmt.Errorf("line %d of the text: %w", line, err)
	}
	return root, nil
}

// section reads into s until its closing brace or, at depth 0, the text's end.
func (p *parser) section(s *node, depth int) error {
	if depth > maxNesting {
		return errors.New("sections are nested too deeply")
	}
	seen := map[string]bool{}
	for {
		c := p.peek()
		switch {
		case c == 0 && depth == 0:
			return nil
		case c == 0:
			return fmt.Errorf("section %q does not end", s.name)
		case c == '}' && depth > 0:
			p.at++
			return nil
		}
		name := p.word(isName)
		if name == "" {
			return fmt.Errorf("unexpected %q", c)
		}
		if seen[name] {
			return fmt.Errorf("%q stands there twice", name)
		}
		seen[name] = true
		n := &node{name: name}
		if err := p.count(); err != nil {
			return err
		}
		s.kids = append(s.kids, n)
		switch c := p.peek(); c {
		case '{':
			p.at++
			if err := p.section(n, depth+1); err != nil {
				return err
			}
		case '=':
			p.at++
			if err := p.value(n); err != nil {
				return err
			}
		default:
			return fmt.Errorf("unexpected %q after %q", c, name)
		}
	}
}

// value reads what stands behind an equals sign.
func (p *parser) value(n *node) error {
	n.kind = isScalar
	if p.peek() != '[' {
		return p.scalar(n)
	}
	n.kind = isArray
	p.at++
	for p.peek() != ']' {
		if err := p.scalar(n); err != nil {
			return err
		}
		switch c := p.peek(); c {
		case ',':
			p.at++
		case ']':
		default:
			return fmt.Errorf("unexpected %q in the list %q", c, n.name)
		}
	}
	p.at++
	return nil
}

func (p *parser) scalar(n *node) error {
	if err := p.count(); err != nil {
		return err
	}
	if p.peek() == '"' {
		s, err := p.quoted()
		n.values = append(n.values, scalar{text: s})
		return err
	}
	digits := p.word(func(c byte) bool { return c >= '0' && c <= '9' || c == '-' })
	i, err := strconv.ParseInt(digits, 10, 64)
	if err != nil && n.name == "creation_time" && errors.Is(err, strconv.ErrRange) {
		err = nil // lvm2 before 2.02.169 wrote such on machines of 32 bits
	}
	if err != nil {
		return fmt.Errorf("%q has neither an integer nor a string as its value", n.name)
	}
	n.values = append(n.values, scalar{n: i, isInt: true})
	return nil
}

// quoted reads a string; a backslash takes the next character as it is.
func (p *parser) quoted() (string, error) {
	from := p.at + 1
	escaped := false
	for i := from; i < len(p.text); i++ {
		switch p.text[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			p.at = i + 1
			if !escaped {
				return p.text[from:i], nil
			}
			return unescape(p.text[from:i]), nil
		}
	}
	return "", errors.New("a string does not end")
}

func unescape(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

// count counts what takes memory.
func (p *parser) count() error {
	if p.nodes++; p.nodes > maxNodes {
		return fmt.Errorf("the text has more than %d values", maxNodes)
	}
	return nil
}

// peek skips spaces and comments and returns the next character, or 0 at the end.
func (p *parser) peek() byte {
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == ' ' || c >= '\t' && c <= '\r':
			p.at++
		case c == '#':
			for p.at < len(p.text) && p.text[p.at] != '\n' {
				p.at++
			}
		default:
			return c
		}
	}
	return 0
}

func (p *parser) word(in func(byte) bool) string {
	from := p.at
	for p.at < len(p.text) && in(p.text[p.at]) {
		p.at++
	}
	return p.text[from:p.at]
}

// isName: the characters that names of volumes may have (lvm2, lib/misc/
// lvm-string.c, _validate_name), which are those of all other names, too.
func isName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_.+-", c) >= 0
}

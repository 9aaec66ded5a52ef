package storage

import (
	"fmt"
	"strings"
)

// LVMConf is a configuration file of LVM, by "section/name".
type LVMConf map[string]LVMValue

// LVMValue is a setting: one value, or the values of an array.
type LVMValue struct {
	Line  int
	Words []string
	Array bool
}

// First is the value of a setting that is no array; "" where it is not set.
func (c LVMConf) First(name string) string {
	if v, ok := c[name]; ok && len(v.Words) > 0 {
		return v.Words[0]
	}
	return ""
}

// ParseLVMConf reads lvm.conf, lvmlocal.conf and their like (lvm.conf(5)):
// sections in braces, name = value, arrays in brackets, comments from # on. Later
// settings win. The error is the first thing that LVM would refuse; what comes
// before it is returned.
func ParseLVMConf(s string) (LVMConf, error) {
	p := &lvmParser{s: s, line: 1, out: LVMConf{}}
	err := p.body("", 0)
	if err != nil {
		err = fmt.Errorf("line %d: %w", p.line, err)
	}
	return p.out, err
}

type lvmParser struct {
	s    string
	i    int
	line int
	out  LVMConf
	n    int
}

func (p *lvmParser) skip() {
	for p.i < len(p.s) {
		switch c := p.s[p.i]; {
		case c == '#':
			for p.i < len(p.s) && p.s[p.i] != '\n' {
				p.i++
			}
		case c == '\n':
			p.line++
			p.i++
		case c == ' ' || c == '\t' || c == '\r':
			p.i++
		default:
			return
		}
	}
}

// peek is the next character that means something, 0 at the end.
func (p *lvmParser) peek() byte {
	p.skip()
	if p.i < len(p.s) {
		return p.s[p.i]
	}
	return 0
}

// body reads what a section holds, or the file's top level.
func (p *lvmParser) body(prefix string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("more than %d sections inside each other", maxDepth)
	}
	for {
		switch c := p.peek(); c {
		case 0:
			if depth > 0 {
				return fmt.Errorf("section %q does not end", strings.TrimSuffix(prefix, "/"))
			}
			return nil
		case '}':
			if depth == 0 {
				return fmt.Errorf("a } too many")
			}
			p.i++
			return nil
		}
		at := p.line
		name := p.word()
		if name == "" {
			return fmt.Errorf("unexpected %q", p.s[p.i])
		}
		switch p.peek() {
		case '{':
			p.i++
			if err := p.body(prefix+name+"/", depth+1); err != nil {
				return err
			}
		case '=':
			p.i++
			v, err := p.value()
			if err != nil {
				return err
			}
			if p.n++; p.n > maxValues {
				return fmt.Errorf("more than %d settings", maxValues)
			}
			v.Line = at
			p.out[prefix+name] = v
		default:
			return fmt.Errorf("%q has neither a value nor a section", name)
		}
	}
}

// word is a name, a number, or a value without quotes.
func (p *lvmParser) word() string {
	from := p.i
	for p.i < len(p.s) && !strings.ContainsRune(" \t\r\n#={}[],\"'", rune(p.s[p.i])) {
		p.i++
	}
	return p.s[from:p.i]
}

func (p *lvmParser) value() (v LVMValue, err error) {
	if p.peek() != '[' {
		w, err := p.scalar()
		return LVMValue{Words: []string{w}}, err
	}
	p.i++
	v.Array = true
	for {
		switch p.peek() {
		case 0:
			return v, fmt.Errorf("an array does not end")
		case ']':
			p.i++
			return v, nil
		case ',':
			p.i++
			continue
		}
		w, err := p.scalar()
		if err != nil {
			return v, err
		}
		if len(v.Words) == maxValues {
			return v, fmt.Errorf("more than %d values", maxValues)
		}
		v.Words = append(v.Words, w)
	}
}

// scalar reads one value. In double quotes a backslash protects the next
// character, in single quotes nothing does.
func (p *lvmParser) scalar() (string, error) {
	c := p.peek()
	if c != '"' && c != '\'' {
		w := p.word()
		if w == "" {
			return "", fmt.Errorf("a value is missing")
		}
		return w, nil
	}
	p.i++
	var b strings.Builder
	for p.i < len(p.s) {
		x := p.s[p.i]
		p.i++
		switch {
		case x == c:
			return b.String(), nil
		case x == '\\' && c == '"' && p.i < len(p.s) && (p.s[p.i] == '"' || p.s[p.i] == '\\'):
			b.WriteByte(p.s[p.i])
			p.i++
		case x == '\n':
			p.line++
			b.WriteByte(x)
		default:
			b.WriteByte(x)
		}
	}
	return "", fmt.Errorf("a text in quotes does not end")
}

package boot

import "strings"

// longest is where a line is broken that does not end.
const longest = 1000

// text takes a terminal's bytes apart into lines, without the control sequences of
// ECMA-48. A move of the cursor ends a line: what is written elsewhere is another.
type text struct {
	line   strings.Builder
	escape []byte // of the sequence that has begun
}

// feed takes bytes, and returns the lines that they end.
func (t *text) feed(b []byte) (lines []string) {
	end := func() {
		if t.line.Len() > 0 {
			lines = append(lines, t.rest())
			t.line.Reset()
		}
	}
	for _, c := range b {
		switch {
		case len(t.escape) > 0:
			t.escape = append(t.escape, c)
			if moved, done := sequence(t.escape); done {
				t.escape = t.escape[:0]
				if moved {
					end()
				}
			}
		case c == 0x1b:
			t.escape = append(t.escape, c)
		case c == '\n':
			end()
		case c == '\t':
			t.line.WriteByte(' ')
		case c < ' ' || c == 0x7f:
		default:
			if t.line.WriteByte(c); t.line.Len() >= longest {
				end()
			}
		}
	}
	return lines
}

// rest is the line that has not ended, such as a prompt.
func (t *text) rest() string { return strings.TrimRight(t.line.String(), " ") }

// sequence says whether an escape sequence is complete, and whether it moved the
// cursor to another line.
func sequence(s []byte) (moved, done bool) {
	if len(s) < 2 {
		return false, false
	}
	last := s[len(s)-1]
	switch s[1] {
	case '[': // a control sequence: parameters, and a final byte
		if len(s) > 2 && last >= 0x40 && last <= 0x7e {
			return strings.IndexByte("ABEFHfd", last) >= 0, true
		}
		return false, len(s) > 64
	case ']', 'P', '_', '^', 'X': // a string, up to BEL or ESC \
		return false, last == 7 || last == '\\' && s[len(s)-2] == 0x1b || len(s) > 256
	case '(', ')', '*', '+', '#', '%', ' ': // one byte more
		return false, len(s) > 2
	}
	return last == 'D' || last == 'E' || last == 'M', true // a line down, or up
}

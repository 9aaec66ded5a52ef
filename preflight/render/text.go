package render

import (
	"strings"
	"unicode"
)

// clean makes text of a guest safe for a terminal: no control characters, and
// nothing that changes the direction of writing.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == unicode.ReplacementChar:
			return '?'
		}
		return r
	}, s)
}

// columns is how wide text is on a terminal: East Asian wide characters take
// two columns (Unicode Standard Annex 11, the blocks that are wide as a whole),
// combining ones none.
func columns(s string) (n int) {
	for _, r := range s {
		n += width(r)
	}
	return n
}

func width(r rune) int {
	switch {
	case unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Me, r):
		return 0
	case r >= 0x1100 && (r <= 0x115f || r >= 0x2e80 && r <= 0xa4cf && r != 0x303f || r >= 0xac00 && r <= 0xd7a3 ||
		r >= 0xf900 && r <= 0xfaff || r >= 0xfe30 && r <= 0xfe6f || r >= 0xff00 && r <= 0xff60 || r >= 0xffe0 && r <= 0xffe6 ||
		r >= 0x1f300 && r <= 0x1faff || r >= 0x20000 && r <= 0x3fffd):
		return 2
	}
	return 1
}

// pad fills text up to n columns, or cuts it there.
func pad(s string, n int) string {
	if c := columns(s); c <= n {
		return s + strings.Repeat(" ", n-c)
	}
	c := 0
	for i, r := range s {
		if c += width(r); c > n-1 {
			return s[:i] + "~" + strings.Repeat(" ", n-1-(c-width(r)))
		}
	}
	return s
}

// fold breaks text into lines of at most n columns, at blanks where there are
// any. There is at least one line.
func fold(s string, n int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(s) {
		for columns(word) > n { // longer than a line: a path
			if line != "" {
				lines, line = append(lines, line), ""
			}
			c, cut := 0, 0
			for i, r := range word {
				if c += width(r); c > n {
					break
				}
				cut = i + len(string(r))
			}
			lines, word = append(lines, word[:cut]), word[cut:]
		}
		switch {
		case word == "":
		case line == "":
			line = word
		case columns(line)+1+columns(word) > n:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	if line != "" || len(lines) == 0 {
		lines = append(lines, line)
	}
	return lines
}

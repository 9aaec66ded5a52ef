package render

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// clean makes text of a guest safe for a terminal: no control characters, and
// nothing that changes the direction of writing.
func clean(s string) string { return strings.Map(visible, s) }

func visible(r rune) rune {
	switch {
	case r == '\t' || r == '\n':
		return ' '
	case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == unicode.ReplacementChar:
		return '?'
	}
	return r
}

// columns is how wide text is on a terminal: East Asian wide characters take
// two columns, combining ones none.
func columns(s string) int { return uniseg.StringWidth(s) }

// pad fills text up to n columns, or cuts it there.
func pad(s string, n int) string {
	if c := columns(s); c <= n {
		return s + strings.Repeat(" ", n-c)
	}
	head, c := take(s, n-1)
	return s[:head] + "~" + strings.Repeat(" ", n-1-c)
}

// take is how many bytes of the text fit into n columns, and how many columns
// those are.
func take(s string, n int) (size, used int) {
	rest, state := s, -1
	for rest != "" {
		var g string
		var w int
		g, rest, w, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if used+w > n {
			break
		}
		size, used = size+len(g), used+w
	}
	return size, used
}

// piece is text that is not broken where there is another place to break.
type piece struct {
	text  string
	blank bool // before it, on the same line
}

// pieces are the words of a text; those in scripts without blanks are broken
// further (Unicode Standard Annex 14).
func pieces(s string) (out []piece) {
	for word := range strings.FieldsSeq(s) {
		if columns(word) == utf8.RuneCountInString(word) {
			out = append(out, piece{word, true})
			continue
		}
		blank, state := true, -1
		for word != "" {
			var seg string
			seg, word, _, state = uniseg.FirstLineSegmentInString(word, state)
			out = append(out, piece{seg, blank})
			blank = false
		}
	}
	return out
}

// fold breaks text into lines of at most n columns. There is at least one line.
func fold(s string, n int) (lines []string) {
	line := ""
	for _, p := range pieces(s) {
		for columns(p.text) > n { // longer than a line: a path
			if line != "" {
				lines, line = append(lines, line), ""
			}
			cut, _ := take(p.text, n)
			if cut == 0 {
				break
			}
			lines, p.text = append(lines, p.text[:cut]), p.text[cut:]
		}
		sep := ""
		if p.blank && line != "" {
			sep = " "
		}
		switch {
		case p.text == "":
		case line != "" && columns(line+sep+p.text) > n:
			lines, line = append(lines, line), p.text
		default:
			line += sep + p.text
		}
	}
	if line != "" || len(lines) == 0 {
		lines = append(lines, line)
	}
	return lines
}

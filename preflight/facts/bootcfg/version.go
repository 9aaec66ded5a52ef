package bootcfg

import (
	"cmp"
	"strings"
)

// compareVersion is the order of UAPI.10, the Version Format Specification:
// "~" before the end, then "-", then "^", then "."; runs of digits compare as
// numbers, letters by their code, upper case first.
func compareVersion(a, b string) int {
	for {
		a, b = skipInvalid(a), skipInvalid(b)
		if c, done := ordered(a, b, '~'); c != 0 {
			return c
		} else if done {
			a, b = a[1:], b[1:]
			continue
		}
		if a == "" || b == "" {
			return cmp.Compare(len(a), len(b))
		}
		stripped := false
		for _, sep := range []byte("-^.") {
			c, done := ordered(a, b, sep)
			if c != 0 {
				return c
			}
			if done {
				a, b, stripped = a[1:], b[1:], true
				break
			}
		}
		if stripped {
			continue
		}
		if isDigit(a[0]) || isDigit(b[0]) {
			x, restA := run(a, isDigit)
			y, restB := run(b, isDigit)
			if c := compareDigits(x, y); c != 0 {
				return c
			}
			a, b = restA, restB
			continue
		}
		x, restA := run(a, isLetter)
		y, restB := run(b, isLetter)
		if c := cmp.Compare(x, y); c != 0 {
			return c
		}
		a, b = restA, restB
	}
}

// ordered compares by whether the strings begin with a separator: the one that
// does is the lesser.
func ordered(a, b string, sep byte) (c int, both bool) {
	x, y := a != "" && a[0] == sep, b != "" && b[0] == sep
	return compareBool(!x, !y), x && y
}

func skipInvalid(s string) string {
	for s != "" && !isDigit(s[0]) && !isLetter(s[0]) && strings.IndexByte("~-^.", s[0]) < 0 {
		s = s[1:]
	}
	return s
}

// compareRPM is the order of RPM versions (rpm-version(7)), which GRUB's blscfg
// gives its entries: runs of digits or letters, anything else separates them;
// digits are newer than letters, "~" is older and "^" newer than the end.
func compareRPM(a, b string) int {
	separator := func(c byte) bool { return !isDigit(c) && !isLetter(c) && c != '~' && c != '^' }
	for a != "" || b != "" {
		_, a = run(a, separator)
		_, b = run(b, separator)
		if c, both := ordered(a, b, '~'); c != 0 {
			return c
		} else if both {
			a, b = a[1:], b[1:]
			continue
		}
		x, y := strings.HasPrefix(a, "^"), strings.HasPrefix(b, "^")
		switch {
		case x && y:
			a, b = a[1:], b[1:]
			continue
		case x:
			return caret(b)
		case y:
			return -caret(a)
		}
		if a == "" || b == "" {
			break
		}
		kind := isLetter
		if isDigit(a[0]) {
			kind = isDigit
		}
		var p, q string
		p, a = run(a, kind)
		q, b = run(b, kind)
		if q == "" { // the kinds differ
			if isDigit(p[0]) {
				return 1
			}
			return -1
		}
		c := cmp.Compare(p, q)
		if isDigit(p[0]) {
			c = compareDigits(p, q)
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// caret compares a version that goes on with "^" with what the other one has
// there: newer than the end, older than anything else.
func caret(other string) int {
	if other == "" {
		return 1
	}
	return -1
}

func compareDigits(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if c := cmp.Compare(len(a), len(b)); c != 0 {
		return c
	}
	return cmp.Compare(a, b)
}

// run cuts the longest beginning of s whose bytes are of a kind.
func run(s string, kind func(byte) bool) (head, rest string) {
	n := 0
	for n < len(s) && kind(s[n]) {
		n++
	}
	return s[:n], s[n:]
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

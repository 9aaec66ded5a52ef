package storage

import (
	"strings"
)

// Multipath is multipath.conf with its drop-ins (multipath.conf(5)).
type Multipath struct {
	// FindMultipaths is the value of find_multipaths, "" where it is not set.
	FindMultipaths string
	FindFile       string
	FindLine       int
	// Maps are the multipath devices that the file names by their WWID.
	Maps []MultipathMap
	// Blacklist are the patterns of all blacklist sections, as "devnode ^vd".
	Blacklist []string
	// Odd are the numbers of lines that are not in the file's form.
	Odd []int
}

// MultipathMap is a multipath section.
type MultipathMap struct {
	File        string
	Line        int
	WWID, Alias string
}

// Parse adds a file to what was read before: the last value of a setting wins.
func (m *Multipath) Parse(file, s string) {
	var stack []string
	n := 0
	for line := range strings.Lines(s) {
		n++
		if n > maxLines {
			m.Odd = append(m.Odd, n)
			return
		}
		words := multipathWords(strings.TrimSpace(line))
		if len(words) == 0 {
			continue
		}
		switch last := words[len(words)-1]; {
		case words[0] == "}" && len(words) == 1 && len(stack) > 0:
			stack = stack[:len(stack)-1]
		case last == "{" && len(words) == 2 && len(stack) < maxDepth:
			stack = append(stack, words[0])
			if words[0] == "multipath" {
				m.Maps = append(m.Maps, MultipathMap{File: file, Line: n})
			}
		case len(words) == 2 && len(stack) > 0:
			m.setting(stack, file, n, words[0], words[1])
		default:
			if len(m.Odd) < maxDepth {
				m.Odd = append(m.Odd, n)
			}
		}
	}
	if len(stack) > 0 {
		m.Odd = append(m.Odd, n)
	}
}

func (m *Multipath) setting(stack []string, file string, n int, k, v string) {
	in := stack[len(stack)-1]
	switch {
	case in == "defaults" && k == "find_multipaths":
		m.FindMultipaths, m.FindFile, m.FindLine = v, file, n
	case in == "multipath" && len(m.Maps) > 0:
		switch x := &m.Maps[len(m.Maps)-1]; k {
		case "wwid":
			x.WWID = v
		case "alias":
			x.Alias = v
		}
	case stack[0] == "blacklist" && len(m.Blacklist) < maxValues:
		m.Blacklist = append(m.Blacklist, k+" "+v)
	}
}

// Greedy says that multipathd makes a multipath device of a disk with one path:
// with greedy, and with no or off, where multipathd behaves the same.
func (m *Multipath) Greedy() bool {
	switch m.FindMultipaths {
	case "greedy", "no", "off", "0":
		return true
	}
	return false
}

// multipathWords splits a line into words and texts in double quotes, in which
// two quotes are one; # and ! begin a comment outside of them.
func multipathWords(s string) (words []string) {
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == ' ' || c == '\t':
			i++
		case c == '#' || c == '!':
			return words
		case c == '"':
			var b strings.Builder
			for i++; i < len(s); i++ {
				if s[i] == '"' {
					if i+1 < len(s) && s[i+1] == '"' {
						i++
					} else {
						break
					}
				}
				b.WriteByte(s[i])
			}
			i++
			words = append(words, b.String())
		case c == '{' || c == '}':
			words = append(words, string(c))
			i++
		default:
			from := i
			for i < len(s) && !strings.ContainsRune(" \t#!\"{}", rune(s[i])) {
				i++
			}
			words = append(words, s[from:i])
		}
	}
	return words
}

// ParseWWIDs reads /etc/multipath/wwids: one WWID a line, between slashes.
func ParseWWIDs(s string) (ids []string) {
	for line := range strings.Lines(s) {
		t := strings.TrimSpace(line)
		if len(t) > 2 && t[0] == '/' && t[len(t)-1] == '/' && len(ids) < maxLines {
			ids = append(ids, t[1:len(t)-1])
		}
	}
	return ids
}

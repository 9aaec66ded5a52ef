package storage

import (
	"strings"
)

// MDConf is mdadm.conf (mdadm.conf(5)).
type MDConf struct {
	Arrays []MDArray
	// Devices are the patterns of DEVICE lines; none means all partitions.
	Devices []MDDevices
	// Homehost is the value of the last HOMEHOST line; its line is 0 for none.
	Homehost     string
	HomehostLine int
}

// MDDevices is a DEVICE line.
type MDDevices struct {
	Line  int
	Words []string
}

// MDArray is an ARRAY line.
type MDArray struct {
	Line int
	// Device is the array's name, UUID its identity, Members the devices= of the
	// line.
	Device, UUID string
	Members      []string
}

// ParseMDConf reads mdadm.conf: a line that begins with blanks continues the one
// before it, # begins a comment, keywords may be cut to three letters.
func ParseMDConf(s string) (c MDConf) {
	n, from := 0, 0
	var words []string
	flush := func() {
		if len(words) > 0 {
			c.line(from, words)
		}
		words = nil
	}
	for line := range strings.Lines(s) {
		n++
		if n > maxLines {
			break
		}
		if line[0] != ' ' && line[0] != '\t' {
			flush()
			from = n
		}
		words = append(words, mdWords(strings.TrimRight(line, "\r\n"))...)
	}
	flush()
	return c
}

// mdWords splits a line; quotes of both kinds may stand in a word's midst.
func mdWords(s string) (words []string) {
	var b strings.Builder
	quote, open := byte(0), false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, open = c, true
		case quote == 0 && (c == ' ' || c == '\t'):
			if open {
				words = append(words, b.String())
				b.Reset()
				open = false
			}
		case quote == 0 && c == '#' && !open:
			return words
		default:
			b.WriteByte(c)
			open = true
		}
	}
	if open {
		words = append(words, b.String())
	}
	return words
}

func (c *MDConf) line(n int, words []string) {
	key := strings.ToLower(words[0])
	is := func(k string) bool { return len(key) >= 3 && strings.HasPrefix(k, key) }
	switch {
	case is("device"):
		c.Devices = append(c.Devices, MDDevices{n, words[1:]})
	case is("homehost"):
		if len(words) > 1 {
			c.Homehost, c.HomehostLine = words[1], n
		}
	case is("array"):
		a := MDArray{Line: n}
		for _, w := range words[1:] {
			k, v, ok := strings.Cut(w, "=")
			switch {
			case !ok && a.Device == "":
				a.Device = w
			case strings.EqualFold(k, "uuid"):
				a.UUID = v
			case strings.EqualFold(k, "devices"):
				a.Members = append(a.Members, strings.Split(v, ",")...)
			}
		}
		c.Arrays = append(c.Arrays, a)
	}
}

package facts

import (
	"path"
	"strings"
)

// UnitSetting is one assignment of a systemd unit file.
type UnitSetting struct {
	Line                int
	Section, Key, Value string
}

// maxUnitSettings bounds the assignments of one unit file.
const maxUnitSettings = 10_000

// ParseUnit reads a unit file, its assignments in order (systemd.syntax(7)):
// comments begin with # or ; at a line's start, also between the parts of a
// line that a backslash continues.
func ParseUnit(s string) (out []UnitSetting) {
	section, n, from := "", 0, 0
	var open strings.Builder
	for line := range strings.Lines(s) {
		n++
		t := strings.TrimRight(line, "\r\n")
		if lead := strings.TrimLeft(t, " \t"); lead != "" && (lead[0] == '#' || lead[0] == ';') {
			continue
		}
		if open.Len() == 0 {
			from = n
		}
		if head, ok := strings.CutSuffix(t, `\`); ok {
			open.WriteString(head + " ")
			continue
		}
		open.WriteString(t)
		t = strings.TrimSpace(open.String())
		open.Reset()
		out, section = unitLine(out, section, t, from)
		if len(out) == maxUnitSettings {
			return out
		}
	}
	out, _ = unitLine(out, section, strings.TrimSpace(open.String()), from)
	return out
}

func unitLine(out []UnitSetting, section, t string, line int) ([]UnitSetting, string) {
	if strings.HasPrefix(t, "[") {
		if end := strings.IndexByte(t, ']'); end > 0 {
			return out, t[1:end]
		}
		return out, section
	}
	if k, v, ok := strings.Cut(t, "="); ok {
		out = append(out, UnitSetting{line, section, strings.TrimSpace(k), strings.TrimSpace(v)})
	}
	return out, section
}

// unitList collects a setting that may be given many times: an empty one takes
// back what came before it.
func unitList(settings []UnitSetting, section, key string) (words []string) {
	for _, s := range settings {
		if s.Section != section || s.Key != key {
			continue
		}
		if s.Value == "" {
			words = nil
			continue
		}
		words = append(words, strings.Fields(s.Value)...)
	}
	return words
}

// unitLast is the last value of a setting.
func unitLast(settings []UnitSetting, section, key string) (s UnitSetting, ok bool) {
	for _, x := range settings {
		if x.Section == section && x.Key == key {
			s, ok = x, true
		}
	}
	return s, ok
}

// unitSuffixes are the kinds of units (systemd.unit(5)).
var unitSuffixes = map[string]bool{".service": true, ".socket": true, ".target": true, ".timer": true, ".path": true, ".mount": true,
	".automount": true, ".swap": true, ".slice": true, ".scope": true, ".device": true}

// unitName is the name with a kind: a service where none is given.
func unitName(name string) string {
	if unitSuffixes[path.Ext(name)] {
		return name
	}
	return name + ".service"
}

// template is the template's name of an instance, and the instance: "getty@",
// "tty1" of getty@tty1.service.
func template(name string) (tmpl, instance string, ok bool) {
	ext := path.Ext(name)
	head, rest, ok := strings.Cut(strings.TrimSuffix(name, ext), "@")
	if !ok {
		return "", "", false
	}
	return head + "@" + ext, rest, true
}

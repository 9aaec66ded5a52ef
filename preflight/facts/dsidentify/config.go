package dsidentify

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// maxFiles bounds the files of cloud.cfg.d.
const maxFiles = 1000

// configLine is a line of the configuration with the file it is in.
type configLine struct{ file, text string }

// config looks for the lines of cloud.cfg and cloud.cfg.d that the script greps
// for. It does not read YAML: a key counts at any depth, and the last line of
// all files wins.
func (r *reader) config(g *Guest) {
	lines := r.configLines()
	if v, file, ok := g.Rules.key(lines, "datasource_list"); ok {
		if list := g.Rules.list(v); len(list) > 0 {
			g.List, g.ListFile = list, "/"+file
		}
	}
	set := func(key string) bool {
		_, _, ok := g.Rules.key(lines, key)
		return ok
	}
	if set("NoCloud") && g.FoundBy["NoCloud"] == "" {
		_, file, _ := g.Rules.key(lines, "NoCloud")
		if set("user-data") && set("meta-data") || !g.Rules.Old && set("seedfrom") {
			g.Found, g.FoundBy["NoCloud"] = append(g.Found, "NoCloud"), "/"+file
		}
	}
	if _, file, ok := g.Rules.key(lines, "MAAS"); ok {
		g.Found, g.FoundBy["MAAS"] = append(g.Found, "MAAS"), "/"+file
	}
	if v, _, ok := g.Rules.key(lines, "disable_vmware_customization"); ok {
		g.CustomizationOn = slices.Contains([]string{"0", "false", "False"}, strings.TrimSpace(v))
	}
	var ec2 []configLine
	for _, l := range lines {
		if l.file == configFile || strings.Contains(strings.ToLower(path.Base(l.file)), "ec2") {
			ec2 = append(ec2, l)
		}
	}
	if v, _, ok := g.Rules.key(ec2, "strict_id"); ok {
		g.Ec2 = strings.TrimSpace(v)
	}
}

func (r *reader) configLines() (lines []configLine) {
	files := []string{configFile}
	entries, err := r.fsys.ReadDir(configDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.note(err)
	}
	for _, e := range entries[:min(len(entries), maxFiles)] {
		// A shell's * leaves out what begins with a dot.
		if n := e.Name(); strings.HasSuffix(n, ".cfg") && n[0] != '.' {
			files = append(files, path.Join(configDir, n))
		}
	}
	for _, f := range files {
		s, _ := r.text(f)
		for line := range strings.Lines(s) {
			lines = append(lines, configLine{f, strings.TrimRight(line, "\n")})
		}
	}
	return lines
}

// key is the value that the script's check_config returns.
func (r *Rules) key(lines []configLine, key string) (value, file string, ok bool) {
	for _, l := range lines {
		if !strings.Contains(l.text, key) {
			continue
		}
		if r.Old {
			t, _, _ := strings.Cut(strings.TrimSpace(l.text), "#")
			if strings.HasPrefix(t, key+": ") || t == key+":" {
				value, file, ok = strings.TrimPrefix(t[len(key)+1:], " "), l.file, true
			}
			continue
		}
		if !keyed(l.text, key) {
			continue
		}
		t, _, _ := strings.Cut(l.text, "#")
		if t == "" {
			continue
		}
		value, file, ok = t, l.file, true
		if _, after, cut := strings.Cut(t, ": "); cut {
			value = after
		}
	}
	return value, file, ok
}

// keyed says whether a line has the key, quotes and blanks, and a colon.
func keyed(line, key string) bool {
	for {
		i := strings.Index(line, key)
		if i < 0 {
			return false
		}
		line = line[i+len(key):]
		if strings.HasPrefix(strings.TrimLeft(strings.TrimLeft(line, `"'`), " \t\r\v\f"), ":") {
			return true
		}
	}
}

// list reads the value of datasource_list: a sequence in brackets on one line.
func (r *Rules) list(value string) []string {
	if !r.Old {
		value = strings.TrimSpace(value[strings.LastIndex(value, ":")+1:])
	}
	return flow(value)
}

// flow reads [a, 'b', "c"] with or without the brackets. The script puts the
// names into one word list, so what is apart by blanks is several names.
func flow(s string) []string {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	var out []string
	for tok := range strings.SplitSeq(s, ",") {
		out = append(out, strings.Fields(unquote(strings.TrimSpace(tok)))...)
	}
	return out
}

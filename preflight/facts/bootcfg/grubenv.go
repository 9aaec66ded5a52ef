package bootcfg

import (
	"fmt"
	"strings"
)

// envSize is the size of GRUB's environment block. GRUB writes it in place and
// cannot make the file longer (GRUB manual, "The GRUB environment block").
const envSize = 1024

const envHeader = "# GRUB Environment Block\n"

// parseEnv reads an environment block: "name=value" lines, a backslash before a
// line feed or backslash of the value, "#" up to the end (grub-core/lib/envblk.c).
func parseEnv(b []byte) (vars [][2]string, err error) {
	s, ok := strings.CutPrefix(string(b), envHeader)
	if !ok {
		return nil, fmt.Errorf("it is not an environment block of GRUB: the header is missing; run grub-editenv FILE create")
	}
	for s != "" && len(vars) < maxVars {
		if s[0] == '#' {
			_, s, _ = strings.Cut(s, "\n")
			continue
		}
		var line strings.Builder
		i := 0
		for ; i < len(s) && s[i] != '\n'; i++ {
			if s[i] == '\\' && i+1 < len(s) {
				i++
			}
			line.WriteByte(s[i])
		}
		s = s[min(i+1, len(s)):]
		if name, v, ok := strings.Cut(line.String(), "="); ok {
			vars = append(vars, [2]string{name, v})
		}
	}
	return vars, nil
}

// loadEnv is load_env [--skip-sig] [-f FILE] [NAME...].
func (g *grub) loadEnv(line int, args []string) tri {
	file := g.vars["prefix"] + "/grubenv"
	var names []string
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case (a == "-f" || a == "--file") && i+1 < len(args):
			i++
			file = args[i]
		case strings.HasPrefix(a, "--file="):
			file = a[len("--file="):]
		case strings.HasPrefix(a, "-"):
		default:
			names = append(names, a)
		}
	}
	guest, found := g.locate(file)
	if found == no {
		return no
	}
	b, err := g.t.read(guest)
	if err != nil {
		g.doubt(line, "%s: %v", guest, err)
		return unknown
	}
	if len(b) != envSize {
		g.problem(line, "%s: it has %d bytes instead of %d, so GRUB cannot save to it; run grub-editenv %s create",
			guest, len(b), envSize, guest)
	}
	vars, err := parseEnv(b)
	if err != nil {
		g.problem(line, "%s: %v", guest, err)
		return no
	}
	for _, v := range vars {
		if len(names) == 0 || contains(names, v[0]) {
			g.set(v[0], v[1])
		}
	}
	return yes
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

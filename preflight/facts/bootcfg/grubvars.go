package bootcfg

import (
	"strconv"
	"strings"
)

func (g *grub) set(name, v string) {
	if len(v) > maxValue {
		v = v[:maxValue]
	}
	if _, ok := g.vars[name]; !ok && len(g.vars) >= maxVars {
		return
	}
	g.vars[name] = v
}

// value is a variable's value; one that the firmware or the disk tells only at
// boot stays as text, so that nobody takes it for empty.
func (g *grub) value(name string) string {
	switch name {
	case "@", "*":
		return strings.Join(g.params, " ")
	case "#":
		return strconv.Itoa(len(g.params))
	case "?":
		return "0"
	}
	if i, err := strconv.Atoi(name); err == nil {
		if i >= 1 && i <= len(g.params) {
			return g.params[i-1]
		}
		return ""
	}
	return g.vars[name]
}

// expand makes the fields of words: variables are replaced and, outside of
// quotes, split at white space.
func (g *grub) expand(words []word) (out []string) {
	total := 0
	for _, w := range words {
		for _, f := range g.fields(w) {
			if total += len(f); total > 4*maxValue || len(out) >= maxFields {
				return out
			}
			if g.run.text += len(f); g.run.text > maxText {
				g.run.steps = maxSteps // it ends at the next statement
				return nil
			}
			out = append(out, f)
		}
	}
	return out
}

func (g *grub) fields(w word) (out []string) {
	cur, started := "", false
	for _, p := range w {
		if !p.isVar {
			cur, started = cur+p.text, started || p.text != "" || p.quoted
			continue
		}
		if p.text == "@" && p.quoted {
			for i, v := range g.params {
				if i > 0 {
					out = append(out, cur)
					cur = ""
				}
				cur, started = cur+v, true
			}
			continue
		}
		v := g.value(p.text)
		if p.quoted {
			cur, started = cur+v, true
			continue
		}
		parts := strings.Fields(v)
		for i, part := range parts {
			if i > 0 || started && strings.TrimLeft(v, " \t\n") != v && i == 0 {
				out = append(out, cur)
				cur = ""
			}
			cur, started = cur+part, true
		}
	}
	if started {
		out = append(out, cur)
	}
	return out
}

package netcfg

import (
	"io/fs"
	"path"
	"slices"
	"strings"
)

// maxIncludes bounds the files that /etc/network/interfaces sources; each is
// read once.
const maxIncludes = 200

// eni is the state of reading ifupdown's files.
type eni struct {
	r    *reader
	seen map[string]bool
	auto []string
	// hotplug is what is brought up when the card is there, and not waited for.
	hotplug []string
	cs      []*Config
	byKey   map[string]*Config
	// inherits is what "inherits" names, by the configuration that says it.
	inherits map[*Config]string
}

// interfaces reads /etc/network/interfaces and what it sources (interfaces(5);
// ifupdown2 and ifupdown-ng read the same words).
func (r *reader) interfaces() {
	e := &eni{r: r, seen: map[string]bool{}, byKey: map[string]*Config{}, inherits: map[*Config]string{}}
	e.file("etc/network/interfaces")
	for _, c := range e.cs {
		// Bounded: a chain of templates is at most as long as there are files.
		for from, n := e.inherits[c], 0; from != "" && n < maxIncludes; n++ {
			t := e.byKey[from]
			if t == nil {
				break
			}
			inherit(c, t)
			from = e.inherits[t]
		}
		named := func(p string) bool {
			ok, err := path.Match(strings.TrimPrefix(p, "/"), c.Name)
			return p == c.Name || err == nil && ok
		}
		auto := slices.ContainsFunc(e.auto, named)
		c.Off, c.Optional = !auto && !slices.ContainsFunc(e.hotplug, named), !auto
	}
	first := len(r.res.Configs)
	for _, c := range e.cs {
		r.add(*c)
	}
	ports(r.res.Configs[first:])
}

// inherit fills what a configuration does not say from its template.
func inherit(c, t *Config) {
	for _, f := range []struct{ to, from *Family }{{&c.V4, &t.V4}, {&c.V6, &t.V6}} {
		f.to.Method = Method(firstOf(string(f.to.Method), string(f.from.Method)))
		f.to.Gateway = firstOf(f.to.Gateway, f.from.Gateway)
		if len(f.to.Addresses) == 0 {
			f.to.Addresses = f.from.Addresses
		}
	}
	c.SetMAC = firstOf(c.SetMAC, t.SetMAC)
	if len(c.DNS) == 0 {
		c.DNS = t.DNS
	}
}

func (e *eni) file(name string) {
	if e.seen[name] || len(e.seen) >= maxIncludes {
		return
	}
	e.seen[name] = true
	text, ok := e.r.read(name)
	if !ok {
		return
	}
	var cur *Config
	family, n, from := "", 0, 0
	joined := ""
	for line := range strings.Lines(text) {
		n++
		l := strings.TrimRight(line, "\r\n")
		if joined == "" {
			from = n
		}
		if strings.HasSuffix(l, `\`) && !strings.HasPrefix(strings.TrimSpace(joined+l), "#") {
			joined += strings.TrimSuffix(l, `\`)
			continue
		}
		w := strings.Fields(joined + l)
		joined = ""
		if len(w) == 0 || strings.HasPrefix(w[0], "#") {
			continue
		}
		switch {
		case w[0] == "auto" || strings.HasPrefix(w[0], "allow-"):
			if len(e.auto)+len(e.hotplug) > maxConfigs {
				continue
			}
			if w[0] == "auto" || w[0] == "allow-auto" {
				e.auto = append(e.auto, w[1:]...)
			} else {
				e.hotplug = append(e.hotplug, w[1:]...)
			}
			cur = nil
		case w[0] == "iface":
			cur, family = e.iface(name, text, from, w)
		case w[0] == "mapping":
			e.r.problem("/" + name + ": a mapping decides by a program what configures " + strings.Join(w[1:], " "))
			cur = nil
		case w[0] == "source" || w[0] == "source-directory" || w[0] == "source-dir":
			cur = nil
			for _, p := range w[1:] {
				e.source(name, p, w[0] != "source")
			}
		case slices.Contains([]string{"no-auto-down", "no-scripts", "rename", "template"}, w[0]):
			cur = nil
		case cur != nil && len(w) > 1:
			e.option(cur, family, w)
		}
	}
}

// iface begins a stanza; several of one name make one configuration.
func (e *eni) iface(file, text string, line int, w []string) (*Config, string) {
	if len(w) < 2 || w[1] == "lo" || len(e.cs) > maxConfigs {
		return nil, ""
	}
	name, _, _ := strings.Cut(w[1], ":")
	c := e.byKey[name]
	if c == nil {
		c = &Config{Manager: Interfaces, File: "/" + file, Line: line, ID: name, Name: name, Type: eniType(name), CloudInit: byCloudInit(file, text)}
		if c.Type == VLAN {
			c.Parent, _, _ = strings.Cut(name, ".")
		}
		e.byKey[name] = c
		e.cs = append(e.cs, c)
	}
	family := ""
	for i := 2; i < len(w); i++ {
		switch w[i] {
		case "inet", "inet6":
			family = w[i]
			if i+1 < len(w) && w[i+1] != "inherits" {
				i++
				f := &c.V4
				if family == "inet6" {
					f = &c.V6
				}
				m := map[string]Method{"dhcp": DHCP, "bootp": DHCP, "auto": DHCP, "static": Static, "loopback": None, "manual": None, "wvdial": None, "ppp": None}[w[i]]
				if f.Method == "" || f.Method == None {
					f.Method = m
				}
				if strings.HasSuffix(w[i], "tunnel") || w[i] == "6to4" {
					c.Type = Tunnel
				}
			}
		case "inherits":
			if i+1 < len(w) {
				e.inherits[c] = w[i+1]
				i++
			}
		}
	}
	return c, family
}

// eniType knows a VLAN by its name (interfaces(5): vlan extensions).
func eniType(name string) Type {
	if base, id, ok := strings.Cut(name, "."); ok && base != "" && id != "" && strings.Trim(id, "0123456789") == "" {
		return VLAN
	}
	if id, ok := strings.CutPrefix(name, "vlan"); ok && id != "" && strings.Trim(id, "0123456789") == "" {
		return VLAN
	}
	return ""
}

func (e *eni) source(from, p string, dir bool) {
	if !path.IsAbs(p) {
		p = path.Join("/", path.Dir(from), p)
	}
	p = strings.Trim(path.Clean(p), "/")
	if fi, err := e.r.fs.Stat(p); err == nil && fi.IsDir() {
		dir = true
	}
	if dir {
		names, _ := e.r.list(p)
		for _, n := range names {
			// Only names that shells call plain are read from a folder.
			if strings.Trim(n, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == "" && !strings.HasSuffix(n, ".dpkg-dist") && !strings.HasSuffix(n, ".dpkg-old") && !strings.HasPrefix(n, ".") {
				e.file(path.Join(p, n))
			}
		}
		return
	}
	if !strings.ContainsAny(path.Dir(p), "*?[") && strings.ContainsAny(p, "*?[") {
		names, _ := e.r.list(path.Dir(p))
		for _, n := range names {
			if ok, err := path.Match(path.Base(p), n); err == nil && ok && (n[0] != '.' || path.Base(p)[0] == '.') {
				e.file(path.Join(path.Dir(p), n))
			}
		}
		return
	}
	if strings.ContainsAny(p, "*?[") {
		// One folder by pattern is what people write; more would walk the disk.
		if dir := path.Dir(p); strings.Count(dir, "*")+strings.Count(dir, "?")+strings.Count(dir, "[") > 1 {
			e.r.problem("/" + from + ": source " + p + " has too many patterns to follow")
			return
		}
		found, err := fs.Glob(e.r.fs, p)
		if err != nil || len(found) > maxIncludes {
			e.r.problem("/" + from + ": source " + p + " cannot be followed")
			return
		}
		for _, f := range found {
			e.file(f)
		}
		return
	}
	e.file(p)
}

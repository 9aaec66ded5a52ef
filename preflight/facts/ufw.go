package facts

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"migimg/preflight/guestfs"
)

// ufw reads its settings and the rules that its program keeps in comments
// (ufw-framework(8)).
func (g *gatherer) ufw() (f Filter, on bool) {
	read := func(name string) string {
		b, err := guestfs.ReadFile(g.fs, name, guestfs.MaxConfig)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			f.Unsure = err.Error()
		}
		return string(b)
	}
	f.Name, f.File = "ufw", "/etc/ufw/user.rules"
	if !strings.EqualFold(ParseShellVars(read("etc/ufw/ufw.conf"))["ENABLED"], "yes") {
		return f, f.Unsure != ""
	}
	f.Drops = !strings.EqualFold(ParseShellVars(read("etc/default/ufw"))["DEFAULT_INPUT_POLICY"], "ACCEPT")
	n := 0
	for l := range strings.Lines(read("etc/ufw/user.rules")) {
		n++
		t, ok := strings.CutPrefix(strings.TrimSpace(l), "### tuple ### ")
		if !ok {
			continue
		}
		if a, ok := ufwTuple(strings.Fields(t)); ok {
			a.File, a.Line = f.File, n
			f.Allows = append(f.Allows, a)
		}
	}
	// The files as they are shipped let in DHCP's answers, multicast and the like;
	// owners add rules of their own.
	for own, chain := range map[string]string{"etc/ufw/before.rules": "ufw-before-input", "etc/ufw/after.rules": "ufw-after-input"} {
		f.Allows = append(f.Allows, parseChains("/"+own, read(own), chain).Allows...)
	}
	return f, true
}

// ufwTuple reads "allow tcp 22 0.0.0.0/0 any 10.0.0.0/8 in_eth0".
func ufwTuple(w []string) (a Allow, ok bool) {
	if len(w) < 6 || !strings.HasPrefix(w[0], "allow") && !strings.HasPrefix(w[0], "limit") || w[1] == "udp" {
		return a, false
	}
	dir := w[len(w)-1]
	if len(w) > 6 && strings.HasPrefix(w[6], "comment=") || strings.HasPrefix(dir, "comment=") {
		dir = w[len(w)-2]
	}
	switch {
	case strings.HasPrefix(dir, "in_"):
		a.Interface = dir[len("in_"):]
	case dir != "in":
		return a, false
	}
	for p := range strings.SplitSeq(w[2], ",") {
		a.Ports = append(a.Ports, p)
	}
	if w[5] != "0.0.0.0/0" && w[5] != "::/0" {
		a.Source = w[5]
	}
	return a, true
}

// suseFirewall reads /etc/sysconfig/SuSEfirewall2: everything that is not open
// is closed in the external zone, where cards without a zone belong.
func (g *gatherer) suseFirewall() Filter {
	text, ok, f := g.filterFile("SuSEfirewall2", "etc/sysconfig/SuSEfirewall2")
	if f.Unsure != "" {
		return f
	}
	f = Filter{Name: "SuSEfirewall2", File: "/etc/sysconfig/SuSEfirewall2", Drops: true}
	if !ok {
		f.Unsure = f.File + " is missing"
		return f
	}
	v := ParseShellVars(text)
	for p := range strings.FieldsSeq(v["FW_SERVICES_EXT_TCP"]) {
		f.Allows = append(f.Allows, Allow{File: f.File, Ports: []string{p}})
	}
	for s := range strings.FieldsSeq(v["FW_CONFIGURATIONS_EXT"]) {
		if path.Base(s) == "sshd" {
			f.Allows = append(f.Allows, Allow{File: f.File, Ports: []string{"ssh"}})
		}
	}
	if v["FW_SERVICES_ACCEPT_EXT"]+v["FW_TRUSTED_NETS"]+v["FW_CUSTOMRULES"] != "" {
		f.Unsure = "it has rules of its own (FW_SERVICES_ACCEPT_EXT, FW_TRUSTED_NETS, FW_CUSTOMRULES)"
	}
	return f
}

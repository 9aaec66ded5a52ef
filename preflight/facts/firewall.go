package facts

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"migimg/preflight/guestfs"
)

// KeyFirewall is the group of the packet filters' facts.
const KeyFirewall Key = "firewall"

// Firewall is what the guest's packet filters and access lists let in, as far
// as files tell it.
type Firewall struct {
	// Filters are the packet filters that are started at boot.
	Filters []Filter
	// Lists are lines of hosts.deny, and of access.conf, that refuse somebody.
	Lists []ListLine
	// SSHPorts are the ports that sshd listens on; 22 where no file says.
	SSHPorts []int
}

// Filter is one packet filter.
type Filter struct {
	// Name is "firewalld", "nftables", "iptables", "ip6tables", "ufw" or
	// "SuSEfirewall2"; File where its rules are.
	Name, File string
	// Drops says that what no rule lets in is dropped; Line is where that is said.
	Drops bool
	Line  int
	// Allows are the rules that let new connections in.
	Allows []Allow
	// Metadata are lines that drop packets to the clouds' metadata services.
	Metadata []Allow
	// Unsure is why the rules may let in more than Allows; empty if that is all.
	Unsure string
}

// Allow is a rule that lets connections in.
type Allow struct {
	File string
	Line int
	// Ports are what the rule lets in: numbers and ranges ("8000:8100"), "ssh",
	// or "any".
	Ports []string
	// Interface and Source limit it; empty where they do not.
	Interface, Source string
}

// ListLine is a line of an access list.
type ListLine struct {
	File string
	Line int
	// Text is the line, without comment.
	Text string
}

// Takes says whether the rule is for one of the ports.
func (a Allow) Takes(ports []int) bool {
	return slices.ContainsFunc(a.Ports, func(s string) bool { return portIn(s, ports) })
}

// metadataAddresses are those at which clouds serve a machine's configuration
// (AWS, Azure, GCP, OpenStack; Tencent).
var metadataAddresses = []string{"169.254.169.254", "169.254.0.23", "100.100.100.200"}

func (g *gatherer) firewall() {
	if err := g.unreadableAt("etc", "etc/firewalld", "etc/sysconfig", "etc/ufw", "etc/iptables", "etc/ssh"); err != nil {
		g.f.SetAbsent(KeyFirewall, Absence{Reason: err.Error()})
		return
	}
	fw := &g.f.Firewall
	ports, err := g.sshPorts()
	fw.SSHPorts = ports
	started := func(unit string, scripts ...string) bool {
		return g.unit(unit) == UnitEnabled || slices.ContainsFunc(scripts, g.initScript)
	}
	if started("firewalld.service", "firewalld") {
		fw.Filters = append(fw.Filters, g.firewalld())
	}
	for _, x := range []struct {
		name, file string
		on         bool
	}{
		{"nftables", "etc/nftables.conf", started("nftables.service", "nftables")},
		{"nftables", "etc/sysconfig/nftables.conf", started("nftables.service") && g.f.OS.Family() == "rhel"},
		{"nftables", "etc/nftables.nft", started("nftables.service", "nftables")},
		{"iptables", "etc/sysconfig/iptables", started("iptables.service", "iptables")},
		{"ip6tables", "etc/sysconfig/ip6tables", started("ip6tables.service", "ip6tables")},
		{"iptables", "etc/iptables/rules.v4", started("netfilter-persistent.service", "netfilter-persistent", "iptables-persistent")},
		{"ip6tables", "etc/iptables/rules.v6", started("netfilter-persistent.service", "netfilter-persistent", "iptables-persistent")},
		{"iptables", "etc/iptables/iptables.rules", started("iptables.service")}, // Arch
		{"iptables", "etc/iptables/rules-save", started("", "iptables")},         // Alpine
	} {
		if !x.on {
			continue
		}
		text, ok, f := g.filterFile(x.name, x.file)
		switch {
		case f.Unsure != "":
			fw.Filters = append(fw.Filters, f)
		case ok && x.name == "nftables":
			fw.Filters = append(fw.Filters, ParseNFT("/"+x.file, text))
		case ok:
			f := ParseIPTables("/"+x.file, text)
			f.Name = x.name
			fw.Filters = append(fw.Filters, f)
		}
	}
	if started("ufw.service", "ufw") {
		if f, on := g.ufw(); on {
			fw.Filters = append(fw.Filters, f)
		}
	}
	if started("SuSEfirewall2.service", "SuSEfirewall2_setup") {
		fw.Filters = append(fw.Filters, g.suseFirewall())
	}
	fw.Lists = g.accessLists()
	for i := range fw.Filters {
		if x := &fw.Filters[i]; err != nil {
			x.Unsure = firstOf(x.Unsure, err.Error())
		} else {
			x.settle(ports)
		}
	}
}

// settle makes a filter unsure that opens something by a name or a variable
// which may be sshd's port.
func (f *Filter) settle(ports []int) {
	for _, a := range f.Allows {
		for _, p := range a.Ports {
			named := strings.Trim(p, "0123456789:-/tcp") != "" && p != "any" && p != "ssh"
			if named && (strings.ContainsAny(p, "@$") || !slices.Equal(ports, []int{22})) {
				f.Unsure = firstOf(f.Unsure, "what "+p+" stands for is not known")
			}
		}
	}
}

// filterFile reads the rules of a filter that is started; a file that cannot be
// read makes the filter unsure.
func (g *gatherer) filterFile(name, file string) (text string, ok bool, f Filter) {
	b, err := guestfs.ReadFile(g.fs, file, guestfs.MaxConfig)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			f = Filter{Name: name, File: "/" + file, Unsure: err.Error()}
		}
		return "", false, f
	}
	return string(b), true, f
}

// accessLists reads hosts.deny and hosts.allow (hosts_access(5)), and
// access.conf where sshd's PAM configuration asks for it (pam_access(8)).
func (g *gatherer) accessLists() (out []ListLine) {
	lines := func(name string, keep func(string) bool) {
		b, err := guestfs.ReadFile(g.fs, name, guestfs.MaxConfig)
		if err != nil {
			return
		}
		n := 0
		for l := range strings.Lines(string(b)) {
			n++
			l, _, _ = strings.Cut(l, "#")
			if t := strings.TrimSpace(l); t != "" && keep(t) && len(out) < 200 {
				out = append(out, ListLine{"/" + name, n, t})
			}
		}
	}
	ssh := func(t string) bool {
		d, _, _ := strings.Cut(t, ":")
		return slices.ContainsFunc(strings.FieldsFunc(d, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' }), func(s string) bool { return s == "ALL" || s == "sshd" })
	}
	lines("etc/hosts.deny", ssh)
	lines("etc/hosts.allow", ssh)
	for _, pam := range []string{"etc/pam.d/sshd", "etc/pam.d/password-auth", "etc/pam.d/common-account"} {
		b, err := guestfs.ReadFile(g.fs, pam, guestfs.MaxConfig)
		if err != nil {
			continue
		}
		for l := range strings.Lines(string(b)) {
			if t := strings.TrimSpace(l); !strings.HasPrefix(t, "#") && strings.Contains(t, "pam_access.so") {
				lines("etc/security/access.conf", func(t string) bool { return strings.HasPrefix(t, "-") })
				return out
			}
		}
	}
	return out
}

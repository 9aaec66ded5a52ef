// Package netcfg reads the network configuration of a guest into one model,
// whatever program it is written for: ifcfg files of Red Hat and SUSE,
// NetworkManager's keyfiles, netplan, ifupdown, systemd-networkd, and dhcpcd.
// netctl, connman and wicked's XML are recognised and not read: they are
// problems, so that nobody takes them for nothing.
//
// Secrets (802.1X, Wi-Fi, WireGuard) are passed over: no key that may hold one
// is looked at.
package netcfg

import (
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"migimg/preflight/guestfs"
)

// Manager is the program that a configuration is written for.
type Manager string

// The managers.
const (
	Ifcfg      Manager = "ifcfg"      // Red Hat's network scripts, which NetworkManager reads, too
	Wicked     Manager = "wicked"     // SUSE's ifcfg files
	Interfaces Manager = "interfaces" // ifupdown
	Netplan    Manager = "netplan"
	Keyfile    Manager = "keyfile" // NetworkManager's own
	Networkd   Manager = "networkd"
	Dhcpcd     Manager = "dhcpcd"
	CloudInit  Manager = "cloud-init" // of its own files; not what a cloud offers
)

// Type is the kind of interface.
type Type string

// The kinds. An empty Type is a card of which nothing else is said.
const (
	Ethernet   Type = "ethernet"
	InfiniBand Type = "infiniband"
	Bond       Type = "bond"
	Team       Type = "team"
	Bridge     Type = "bridge"
	VLAN       Type = "vlan"
	OVS        Type = "ovs"
	Macvlan    Type = "macvlan" // and macvtap, ipvlan
	WireGuard  Type = "wireguard"
	Tunnel     Type = "tunnel" // GRE, IPIP, SIT, VXLAN, tun and tap
	VRF        Type = "vrf"
	Dummy      Type = "dummy" // dummy, veth and others that need no card
)

// Method is how an interface comes by its addresses of one family.
type Method string

// The methods. An empty Method is one that the file does not say.
const (
	DHCP      Method = "dhcp" // for IPv6 also by router advertisements
	Static    Method = "static"
	LinkLocal Method = "link-local"
	Shared    Method = "shared" // the interface serves others
	None      Method = "none"
)

// Family is the configuration of IPv4 or IPv6.
type Family struct {
	Method Method
	// Addresses are as written: with a prefix length where the file has one.
	Addresses []string
	// Gateway is the default route's, empty where there is none.
	Gateway string
}

// Config is what is configured for one interface, or for all that a match fits.
type Config struct {
	Manager Manager
	// File is the guest path, Line where it begins (0 for the whole file).
	File string
	Line int
	// ID is the manager's own name for the configuration.
	ID string
	// Name is the interface's name or patterns with * and ?, blank-separated;
	// empty where the configuration does not go by name. Negated patterns are
	// left out.
	Name string
	// MAC is the hardware address that it is bound to, in lower case; Place what
	// else it is bound to (a path); Driver the kernel module, or a pattern, that
	// the card has to have.
	MAC, Place, Driver string
	// SetName and SetMAC are what the interface is given.
	SetName, SetMAC string
	Type            Type
	// Parent is what a VLAN or macvlan lies on; Master the bond or bridge that
	// the interface is a port of; Members are the ports, by name.
	Parent, Master string
	Members        []string
	V4, V6         Family
	// DNS are the servers' addresses.
	DNS []string
	// Routes are static routes besides the default route; Rules are policy
	// routing rules. Both as written.
	Routes, Rules []string
	// Off: it is not brought up at boot. Optional: the boot does not wait for it.
	Off, Optional bool
	// CloudInit: cloud-init made the file, and makes it anew for a new machine.
	CloudInit bool
}

// Virtual says that the machine does not bring the interface: the system makes
// it.
func (c Config) Virtual() bool {
	switch c.Type {
	case "", Ethernet, InfiniBand:
		return false
	}
	return true
}

// Addresses are those of both families.
func (c Config) Addresses() []string { return append(slices.Clone(c.V4.Addresses), c.V6.Addresses...) }

// CatchAll says that the configuration takes any network card, or any ethernet
// card.
func (c Config) CatchAll() bool {
	if c.MAC != "" || c.Place != "" || c.Driver != "" || c.Virtual() || c.Off {
		return false
	}
	return c.Name == "" || slices.ContainsFunc(strings.Fields(c.Name), func(p string) bool { return p == "*" || p == "e*" })
}

// Fits says whether the configuration applies to an interface of that name,
// whatever its hardware address.
func (c Config) Fits(iface string) bool {
	if c.Name == "" {
		return !c.Virtual()
	}
	for p := range strings.FieldsSeq(c.Name) {
		if ok, err := path.Match(p, iface); err == nil && ok {
			return true
		}
	}
	return false
}

// NameRule is a rule that gives an interface its name by its hardware address
// or place.
type NameRule struct {
	// File is empty for the kernel's command line.
	File string
	Line int
	// Name is the name given, Bound what to: a MAC address, or a path.
	Name, Bound string
}

// Result is all that was found.
type Result struct {
	Configs []Config
	Rules   []NameRule
	// NoPredictable is the file that switches predictable interface names off.
	NoPredictable string
	// NetplanRenderer is "networkd" (netplan's default) or "NetworkManager".
	NetplanRenderer string
	// CloudInit is the file that gives cloud-init a network configuration, which
	// then goes before the cloud's; empty where there is none.
	CloudInit string
	// Problems are files that could not be read or parsed, or that decide by
	// running a program.
	Problems []string
}

// YAML parses a guest's YAML file within bounds.
type YAML func([]byte) (ast.Node, error)

// Read reads the network configuration of a guest. What cannot be read is in
// the result's Problems.
func Read(fsys guestfs.FS, yaml YAML) Result {
	r := &reader{fs: fsys, yaml: yaml}
	r.sysconfig()
	r.interfaces()
	r.netplan()
	r.keyfiles()
	r.networkd()
	r.udev()
	r.cloudInit()
	r.others()
	for i := range r.res.Configs {
		tidy(&r.res.Configs[i])
	}
	return r.res
}

// reader carries what the managers' readers share.
type reader struct {
	fs   guestfs.FS
	yaml YAML
	res  Result
}

// add keeps a configuration. What is about the loopback interface alone is of
// no use to anybody here.
func (r *reader) add(c Config) {
	if c.Name != "lo" && c.Name != "lo0" {
		r.res.Configs = append(r.res.Configs, c)
	}
}

// tidy makes the managers' spellings alike.
func tidy(c *Config) {
	c.MAC, c.SetMAC = mac(c.MAC), mac(c.SetMAC)
	slices.Sort(c.Members)
	c.Members = slices.Compact(c.Members)
}

// mac is a hardware address in lower case with colons.
func mac(s string) string { return strings.ToLower(strings.ReplaceAll(strings.TrimSpace(s), "-", ":")) }

// isMAC says that a word is a hardware address and not one of the words that
// stand for a policy ("preserve", "random").
func isMAC(s string) bool {
	return strings.Count(s, ":")+strings.Count(s, "-") >= 5 && strings.Trim(s, "0123456789abcdefABCDEF:-") == ""
}

// family is where an address belongs: V6 if it looks like it.
func (c *Config) family(addr string) *Family {
	if strings.Contains(addr, ":") {
		return &c.V6
	}
	return &c.V4
}

// address adds a static address, and makes the method static unless it is
// already said.
func (c *Config) address(a string) {
	if a == "" {
		return
	}
	f := c.family(a)
	f.Addresses = append(f.Addresses, a)
	if f.Method == "" || f.Method == None {
		f.Method = Static
	}
}

// gateway sets the default route, the first one counts.
func (c *Config) gateway(g string) {
	if g == "" {
		return
	}
	if f := c.family(g); f.Gateway == "" {
		f.Gateway = g
	}
}

// route sorts a route into default route and others. An empty gateway is one
// through the device.
func (c *Config) route(to, via string) {
	if isDefault(to) {
		c.gateway(via)
		return
	}
	c.Routes = append(c.Routes, strings.TrimSpace(to+" "+via))
}

// isDefault says whether a destination is the default route.
func isDefault(to string) bool {
	switch to {
	case "default", "0/0", "::/0", "0.0.0.0", "::", "default6", "default-ipv4", "default-ipv6":
		return true
	}
	p, err := netip.ParsePrefix(to)
	return err == nil && p.Bits() == 0
}

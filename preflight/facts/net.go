package facts

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"migimg/preflight/guestfs"
)

// Net is the guest's network configuration, as its files say it.
type Net struct {
	Configs []NetConfig
	Rules   []NameRule
	// Managers are the network managers that are started at boot.
	Managers []string
	// NoPredictable: net.ifnames=0 is on the default entry's command line, or the
	// guest's udev is older than predictable names (systemd 197).
	NoPredictable bool
	// NMAuto: NetworkManager runs and makes a DHCP profile for a card that has
	// none (no-auto-default is not set to *).
	NMAuto bool
	// CloudInit: cloud-init is installed, enabled and configures the network.
	CloudInit bool
	// Problems are files that could not be read or parsed.
	Problems []string
}

// NetConfig is a configuration of one interface, or of all that a pattern fits.
type NetConfig struct {
	// File is the guest path, Line where it begins (0 for the whole file).
	File string
	Line int
	// Manager is "ifcfg", "interfaces", "netplan", "keyfile" or "networkd".
	Manager string
	// Name is the interface's name or a pattern with * and ?, empty where the
	// configuration does not go by name.
	Name string
	// MAC is the hardware address that it is bound to.
	MAC string
	// Method is "dhcp", "static", "none" or "" (not said).
	Method string
	// Gateway: it sets a default route. Addresses are as written.
	Gateway   bool
	Addresses []string
	// Virtual: a bond, bridge, VLAN or the like, which the machine does not bring.
	Virtual bool
	// Off: it is not brought up at boot.
	Off bool
}

// CatchAll says that the configuration takes any network card, or any ethernet
// card.
func (c NetConfig) CatchAll() bool {
	if c.MAC != "" || c.Virtual || c.Off {
		return false
	}
	switch c.Name {
	case "", "*", "e*":
		return true
	}
	return false
}

// Fits says whether the configuration applies to an interface of that name.
func (c NetConfig) Fits(iface string) bool {
	if c.Name == "" {
		return c.CatchAll()
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
	File string
	Line int
	// Name is the name given, Bound what to: a MAC address, or a path.
	Name, Bound string
}

// maxNetFiles bounds the files of one manager.
const maxNetFiles = 1000

func (g *gatherer) net() {
	if err := g.unreadableAt("etc", "etc/sysconfig", "etc/network", "etc/netplan", "etc/systemd", "etc/udev"); err != nil {
		g.f.SetAbsent(KeyNet, Absence{Reason: err.Error()})
		return
	}
	n := &g.f.Net
	g.each("etc/sysconfig/network-scripts", g.ifcfg)
	g.each("etc/sysconfig/network", g.ifcfg)
	g.interfaces("etc/network/interfaces", map[string]bool{})
	for _, d := range []string{"etc/netplan", "usr/lib/netplan", "lib/netplan"} {
		g.each(d, g.netplan)
	}
	for _, d := range []string{"etc/NetworkManager/system-connections", "usr/lib/NetworkManager/system-connections"} {
		g.each(d, g.keyfile)
	}
	// A .network file of /usr/lib is the distribution's, and mostly for
	// containers and VPNs; those of /etc are the owner's.
	g.each("etc/systemd/network", g.networkd)
	g.each("etc/udev/rules.d", g.udevRules)
	n.Managers = g.netManagers()
	n.NMAuto = g.nmAuto()
	if e, ok := g.f.Boot.DefaultEntry(); ok {
		for w := range strings.FieldsSeq(e.Cmdline) {
			n.NoPredictable = n.NoPredictable || w == "net.ifnames=0"
		}
	}
	c := g.f.CloudInit
	n.CloudInit = c.Installed && len(c.Disabled) == 0 && c.NetworkDisabled == "" && len(c.Problems) == 0
}

// each calls f with the text of every regular file of a folder.
func (g *gatherer) each(dir string, f func(name, text string)) {
	entries, err := g.fs.ReadDir(dir)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			g.f.Net.Problems = append(g.f.Net.Problems, err.Error())
		}
		return
	}
	for i, e := range entries {
		if i == maxNetFiles {
			g.f.Net.Problems = append(g.f.Net.Problems, "/"+dir+": too many files")
			return
		}
		name := path.Join(dir, e.Name())
		fi, err := g.fs.Stat(name)
		if err != nil || !fi.Mode().IsRegular() {
			continue // a folder, or a link to nowhere or to /dev/null
		}
		b, err := guestfs.ReadFile(g.fs, name, guestfs.MaxConfig)
		if err != nil {
			g.f.Net.Problems = append(g.f.Net.Problems, err.Error())
			continue
		}
		f(name, string(b))
	}
}

func (g *gatherer) netManagers() (m []string) {
	for _, x := range []struct{ name, unit, script string }{
		{"NetworkManager", "NetworkManager.service", "NetworkManager"},
		{"networkd", "systemd-networkd.service", ""},
		{"network", "network.service", "network"},
		{"ifupdown", "networking.service", "networking"},
		{"wicked", "wicked.service", ""},
		{"connman", "connman.service", ""},
		{"dhcpcd", "dhcpcd.service", "dhcpcd"},
	} {
		if g.unit(x.unit) == UnitEnabled || x.script != "" && g.initScript(x.script) {
			m = append(m, x.name)
		}
	}
	return m
}

// nmAuto says whether NetworkManager would configure a card it has no profile
// for (NetworkManager.conf(5), no-auto-default).
func (g *gatherer) nmAuto() bool {
	if g.unit("NetworkManager.service") != UnitEnabled && !g.initScript("NetworkManager") {
		return false
	}
	auto := true
	look := func(_, text string) {
		for _, s := range ParseINI(text) {
			if s.Section == "main" && s.Key == "no-auto-default" && strings.Contains(s.Value, "*") {
				auto = false
			}
		}
	}
	if b, err := guestfs.ReadFile(g.fs, "etc/NetworkManager/NetworkManager.conf", guestfs.MaxConfig); err == nil {
		look("", string(b))
	}
	for _, d := range []string{"usr/lib/NetworkManager/conf.d", "etc/NetworkManager/conf.d"} {
		g.each(d, look)
	}
	return auto
}

// KeyValue is a line of an INI file.
type KeyValue struct {
	Line                int
	Section, Key, Value string
}

// maxINI bounds the lines of one INI file.
const maxINI = 20_000

// ParseINI reads sections and key=value lines, in order; comments begin with #
// or ; at a line's start (systemd.syntax(7), nm-settings-keyfile(5)).
func ParseINI(s string) (kv []KeyValue) {
	section, n := "", 0
	for line := range strings.Lines(s) {
		n++
		t := strings.TrimSpace(line)
		switch {
		case t == "" || t[0] == '#' || t[0] == ';':
		case t[0] == '[':
			if end := strings.IndexByte(t, ']'); end > 0 {
				section = t[1:end]
			}
		default:
			if k, v, ok := strings.Cut(t, "="); ok {
				if len(kv) == maxINI {
					return kv
				}
				kv = append(kv, KeyValue{n, section, strings.TrimSpace(k), strings.TrimSpace(v)})
			}
		}
	}
	return kv
}

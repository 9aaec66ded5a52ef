package facts

import (
	"slices"
	"strings"

	"migimg/preflight/facts/netcfg"
	"migimg/preflight/guestfs"
)

// NetConfig and NameRule are netcfg's; KeyValue is a line of an INI file.
type (
	NetConfig = netcfg.Config
	NameRule  = netcfg.NameRule
	KeyValue  = netcfg.KeyValue
)

// ParseINI reads the sections and key=value lines of an INI file, in order.
func ParseINI(s string) []KeyValue { return netcfg.ParseINI(s) }

// Net is the guest's network configuration, as its files say it.
type Net struct {
	Configs []NetConfig
	Rules   []NameRule
	// Managers are the network managers that are started at boot: NetworkManager,
	// networkd, network, ifupdown, wicked, connman, dhcpcd. Empty where none was
	// seen, which is not proof that there is none.
	Managers []string
	// NetplanRenderer is what netplan makes files for: "networkd" or
	// "NetworkManager"; empty where netplan's generator is not installed.
	NetplanRenderer string
	// NoPredictable: net.ifnames=0 is on the default entry's command line, or
	// NoPredictableBy, a file of the guest, switches predictable names off.
	NoPredictable   bool
	NoPredictableBy string
	// NMAuto: NetworkManager runs and makes a DHCP profile for a card that has
	// none (no-auto-default is not set to *).
	NMAuto bool
	// CloudInit: cloud-init is installed, enabled and configures the network.
	CloudInit bool
	// CloudInitFile is the file that gives cloud-init a network configuration of
	// this machine, which goes before the target's.
	CloudInitFile string
	// DHCPClients are the programs found that ask for an address: dhclient,
	// dhcpcd, udhcpc, pump, NetworkManager, networkd, wicked, connman.
	DHCPClients []string
	// WaitOnline are the units started at boot that wait for the network.
	WaitOnline []string
	// InitramfsRules are guest paths of rules that name cards in the initramfs,
	// each as "initramfs: path".
	InitramfsRules []string
	DNS            Resolver
	// Problems are files that could not be read or parsed.
	Problems []string
}

// InForce says whether the program that a configuration is written for is one
// of those that are started at boot; true where none of them is known.
func (n *Net) InForce(c NetConfig) bool {
	if c.Manager == netcfg.CloudInit {
		return n.CloudInitFile != ""
	}
	if c.Manager == netcfg.Netplan && n.NetplanRenderer != "" || len(n.Managers) == 0 {
		return true
	}
	for _, m := range map[netcfg.Manager][]string{
		netcfg.Ifcfg: {"network", "NetworkManager"}, netcfg.Wicked: {"wicked", "network", "NetworkManager"}, netcfg.Interfaces: {"ifupdown"},
		netcfg.Netplan: nil, netcfg.Keyfile: {"NetworkManager"}, netcfg.Networkd: {"networkd"}, netcfg.Dhcpcd: {"dhcpcd"},
	}[c.Manager] {
		if slices.Contains(n.Managers, m) {
			return true
		}
	}
	return false
}

// Active are the configurations that are brought up at boot.
func (n *Net) Active() (out []NetConfig) {
	for _, c := range n.Configs {
		if !c.Off && n.InForce(c) {
			out = append(out, c)
		}
	}
	return out
}

func (g *gatherer) net() {
	if err := g.unreadableAt("etc", "etc/sysconfig", "etc/network", "etc/netplan", "etc/systemd", "etc/udev", "etc/NetworkManager"); err != nil {
		g.f.SetAbsent(KeyNet, Absence{Reason: err.Error()})
		return
	}
	n := &g.f.Net
	r := netcfg.Read(g.fs, ParseYAML)
	n.Configs, n.Rules, n.NoPredictableBy = r.Configs, r.Rules, r.NoPredictable
	n.Problems = append(n.Problems, r.Problems...)
	n.Managers = g.netManagers()
	if p, err := g.exists("usr/sbin/netplan", "usr/bin/netplan", "usr/lib/netplan/generate", "usr/libexec/netplan/generate", "lib/netplan/generate"); len(p) > 0 {
		n.NetplanRenderer = r.NetplanRenderer
	} else if err != nil {
		n.Problems = append(n.Problems, err.Error())
	}
	n.NMAuto = g.nmAuto()
	n.NoPredictable = n.NoPredictableBy != ""
	if e, ok := g.f.Boot.DefaultEntry(); ok {
		for w := range strings.FieldsSeq(e.Cmdline) {
			n.NoPredictable = n.NoPredictable || w == "net.ifnames=0"
			// dracut.cmdline(7): ifname=NAME:MAC renames in the initramfs.
			if v, ok := strings.CutPrefix(w, "ifname="); ok {
				name, mac, _ := strings.Cut(v, ":")
				n.Rules = append(n.Rules, NameRule{Name: name, Bound: mac})
			}
		}
	}
	c := g.f.CloudInit
	n.CloudInit = c.Installed && len(c.Disabled) == 0 && c.NetworkDisabled == "" && len(c.Problems) == 0
	if n.CloudInitFile = r.CloudInit; !n.CloudInit {
		n.CloudInitFile = ""
	}
	g.dhcpClients(n)
	g.waitOnline(n)
	g.resolver(n)
	for _, i := range g.f.Drivers.Initrds {
		for _, p := range i.NetRules {
			n.InitramfsRules = append(n.InitramfsRules, i.Path+": "+p)
		}
	}
}

func (g *gatherer) netManagers() (m []string) {
	for _, x := range []struct {
		name    string
		units   []string
		scripts []string
	}{
		{"NetworkManager", []string{"NetworkManager.service"}, []string{"NetworkManager", "networkmanager", "network-manager"}},
		{"networkd", []string{"systemd-networkd.service"}, nil},
		{"network", []string{"network.service"}, []string{"network"}},
		{"ifupdown", []string{"networking.service"}, []string{"networking"}},
		{"wicked", []string{"wicked.service"}, nil},
		{"connman", []string{"connman.service"}, []string{"connman"}},
		{"dhcpcd", []string{"dhcpcd.service"}, []string{"dhcpcd"}},
	} {
		on := func(f func(string) bool, names []string) bool { return slices.ContainsFunc(names, f) }
		if on(func(u string) bool { return g.unit(u) == UnitEnabled }, x.units) || on(g.initScript, x.scripts) {
			m = append(m, x.name)
		}
	}
	return m
}

// nmAuto says whether NetworkManager would configure a card it has no profile
// for (NetworkManager.conf(5), no-auto-default). A file of /etc hides one of the
// same name in /usr/lib.
func (g *gatherer) nmAuto() bool {
	if g.unit("NetworkManager.service") != UnitEnabled && !g.initScript("NetworkManager") && !g.initScript("networkmanager") {
		return false
	}
	files := map[string]string{}
	for _, d := range []string{"usr/lib/NetworkManager/conf.d", "etc/NetworkManager/conf.d"} {
		entries, err := g.fs.ReadDir(d)
		if err != nil {
			continue
		}
		for i, e := range entries {
			if strings.HasSuffix(e.Name(), ".conf") && i < maxNetFiles {
				files[e.Name()] = d + "/" + e.Name()
			}
		}
	}
	value := ""
	for _, name := range append([]string{"etc/NetworkManager/NetworkManager.conf"}, sortedValues(files)...) {
		b, err := guestfs.ReadFile(g.fs, name, guestfs.MaxConfig)
		if err != nil {
			continue
		}
		for _, s := range ParseINI(string(b)) {
			if s.Section == "main" && strings.TrimSuffix(s.Key, "+") == "no-auto-default" {
				value = s.Value
			}
		}
	}
	return !slices.ContainsFunc(strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ';' || r == ' ' }), func(s string) bool { return s == "*" || s == "type:ethernet" })
}

// maxNetFiles bounds the files of one folder.
const maxNetFiles = 1000

// sortedValues are a map's values in the order of its keys.
func sortedValues(m map[string]string) (out []string) {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		out = append(out, m[k])
	}
	return out
}

func firstOf(s ...string) string {
	for _, x := range s {
		if x != "" {
			return x
		}
	}
	return ""
}

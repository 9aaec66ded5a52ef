package netcfg_test

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"migimg/preflight/facts/netcfg"
)

// one is the single configuration of a tree.
func one(t *testing.T, m fstest.MapFS) netcfg.Config {
	t.Helper()
	r := read(m)
	if len(r.Configs) != 1 || len(r.Problems) > 0 {
		t.Fatalf("%+v", r)
	}
	return r.Configs[0]
}

func TestRead(t *testing.T) {
	link := func(to string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(to), Mode: fs.ModeSymlink | 0o777}
	}
	const nm, nd = "etc/NetworkManager/system-connections/", "etc/systemd/network/"
	for _, c := range []struct {
		name string
		tree fstest.MapFS
		ok   func(netcfg.Config) bool
	}{
		{"several stanzas, one interface", fstest.MapFS{"etc/network/interfaces": text("auto e0\niface e0 inet static\n address 10.0.0.2\n netmask 255.255.255.0\niface e0 inet6 auto\n")},
			func(c netcfg.Config) bool {
				return c.V4.Addresses[0] == "10.0.0.2/24" && c.V6.Method == netcfg.DHCP && !c.Off && c.Line == 2
			}},
		{"a route by hand", fstest.MapFS{"etc/network/interfaces": text("allow-hotplug e0\niface e0 inet static\n address 10.0.0.2/24\n post-up /sbin/ip route add default via 10.0.0.1 dev e0\n")},
			func(c netcfg.Config) bool { return c.V4.Gateway == "10.0.0.1" && !c.Off }},
		{"source in a circle", fstest.MapFS{"etc/network/interfaces": text("source interfaces.d/*\nauto e0\niface e0 inet dhcp\n"), "etc/network/interfaces.d/a": text("source ../interfaces\nsource-directory .\n")},
			func(c netcfg.Config) bool { return c.V4.Method == netcfg.DHCP }},
		{"netplan, three folders", fstest.MapFS{"lib/netplan/a.yaml": text("network: {ethernets: {x: {dhcp4: true}}}"), "etc/netplan/a.yaml": text("network: {ethernets: {e0: {dhcp4: true}}}"), "etc/netplan/b.yaml": text("network: {ethernets: {e0: {dhcp4: false, addresses: [10.0.0.2/24]}}}")},
			func(c netcfg.Config) bool { return c.Name == "e0" && c.V4.Method == netcfg.Static }},
		{"netplan, an address that looks like a number", fstest.MapFS{"etc/netplan/a.yaml": text("network:\n  ethernets:\n    a:\n      match: {macaddress: 00:11:22:33:44:55}\n")},
			func(c netcfg.Config) bool { return c.MAC == "00:11:22:33:44:55" }},
		{"networkd drop-in", fstest.MapFS{nd + "a.network": text("[Match]\nName=e0\n[Network]\nAddress=10.0.0.2/24\n"), nd + "a.network.d/b.conf": text("[Network]\nGateway=10.0.0.1\n[Route]\nDestination=10.9.0.0/16\nGateway=10.0.0.9\n")},
			func(c netcfg.Config) bool { return c.V4.Gateway == "10.0.0.1" && len(c.Routes) == 1 }},
		{"networkd, routes apart", fstest.MapFS{nd + "a.network": text("[Match]\nName=e0\n[Route]\nGateway=10.0.0.1\n[Route]\nDestination=10.1.0.0/16\nGateway=10.0.0.9\n[Route]\nDestination=0.0.0.0/0\nGateway=10.0.0.7\nTable=9\n")},
			func(c netcfg.Config) bool {
				return c.V4.Gateway == "10.0.0.1" && len(c.Routes) == 1 && len(c.Rules) == 1
			}},
		{"networkd, two names", fstest.MapFS{nd + "a.network": text("[Match]\nName=eth* en*\n[Network]\nDHCP=ipv4\n")},
			func(c netcfg.Config) bool {
				return c.Fits("ens5") && c.Fits("eth0") && !c.Fits("wlan0") && !c.CatchAll()
			}},
		{"keyfile of /etc before /usr", fstest.MapFS{nm + "a.nmconnection": text("[connection]\ntype=ethernet\ninterface-name=e0\n"), "usr/lib/NetworkManager/system-connections/a.nmconnection": text("[connection]\ntype=ethernet\ninterface-name=e9\n")},
			func(c netcfg.Config) bool {
				return c.Name == "e0" && c.V4.Method == netcfg.DHCP && !strings.Contains(c.File, "usr")
			}},
		{"keyfile, never default", fstest.MapFS{nm + "a": text("[connection]\ntype=ethernet\nautoconnect=false\n[ipv4]\nmethod=manual\naddress1=10.0.0.2/24,10.0.0.1\nnever-default=true\n")},
			func(c netcfg.Config) bool { return c.V4.Gateway == "" && c.Off && c.Name == "" }},
		{"ifcfg of SUSE by MAC", fstest.MapFS{"etc/sysconfig/network/ifcfg-eth-id-00:11:22:33:44:55": text("BOOTPROTO='dhcp'\nSTARTMODE='auto'\n")},
			func(c netcfg.Config) bool {
				return c.MAC == "00:11:22:33:44:55" && c.Name == "" && c.V4.Method == netcfg.DHCP
			}},
		{"routes of SUSE", fstest.MapFS{"etc/sysconfig/network/ifcfg-eth0": text("IPADDR=10.0.0.2/24\nSTARTMODE=auto\n"), "etc/sysconfig/network/routes": text("default 10.0.0.1 - -\n")},
			func(c netcfg.Config) bool { return c.V4.Gateway == "10.0.0.1" && c.V4.Method == netcfg.Static }},
		{"ifcfg, not at boot", fstest.MapFS{"etc/sysconfig/network-scripts/ifcfg-eth0": text("DEVICE=\"eth0\"\r\nONBOOT='no' # for now\r\n")},
			func(c netcfg.Config) bool { return c.Off && c.Name == "eth0" }},
		{"dhcpcd", fstest.MapFS{"etc/dhcpcd.conf": text("hostname\ninterface eth0\nstatic ip_address=10.0.0.2/24\nstatic routers=10.0.0.1\n")},
			func(c netcfg.Config) bool { return c.V4.Method == netcfg.Static && c.V4.Gateway == "10.0.0.1" }},
		{"a masked file", fstest.MapFS{nd + "b.network": link("/dev/null"), "usr/lib/systemd/network/b.network": text("[Match]\nName=*\n"), nd + "c.network": text("[Match]\nName=e0\n")},
			func(c netcfg.Config) bool { return c.Name == "e0" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := one(t, c.tree); !c.ok(got) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// What is hostile or not understood is a problem, and never hangs.
func TestProblems(t *testing.T) {
	bomb := "network:\n  a: &a [x,x]\n  b: &b [*a,*a]\n  ethernets: {c: *b}\n"
	for name, tree := range map[string]fstest.MapFS{
		"aliases":        {"etc/netplan/a.yaml": text(bomb)},
		"no YAML":        {"etc/netplan/a.yaml": text("a: [")},
		"deep YAML":      {"etc/netplan/a.yaml": text(strings.Repeat("[", 100_000))},
		"a FIFO":         {"etc/sysconfig/network-scripts/ifcfg-a": {Mode: fs.ModeNamedPipe | 0o644}},
		"a large file":   {"etc/network/interfaces": text(strings.Repeat("#", 5<<20))},
		"many patterns":  {"etc/network/interfaces": text("source /*/*/*/x\n")},
		"a mapping":      {"etc/network/interfaces": text("mapping eth0\n script /x\n")},
		"wicked's XML":   {"etc/wicked/ifconfig/a.xml": text("<x/>")},
		"netctl":         {"etc/netctl/a": text("Interface=x\n")},
		"shell in ifcfg": {"etc/sysconfig/network-scripts/ifcfg-a": text("IPADDR=`hostname -i`\n")},
	} {
		if r := read(tree); len(r.Problems) == 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestNameRules(t *testing.T) {
	r := read(fstest.MapFS{"etc/udev/rules.d/70-persistent-net.rules": text("# c\n\nSUBSYSTEM==\"net\", ACTION==\"add\", \\\n  ATTR{address}==\"00:11:22:33:44:55\", ATTR{type}==\"1\", NAME=\"eth0\"\n" +
		"SUBSYSTEM==\"net\", KERNELS==\"0000:02:00.0\", NAME=\"lan\"\nSUBSYSTEM==\"net\", ATTR{address}==\"00:11:22:33:44:56\", NAME=\"$env{X}\"\nSUBSYSTEM==\"net\", NAME==\"eth0\", ATTR{address}==\"00:11:22:33:44:56\", RUN+=\"x\"\n")})
	want := []netcfg.NameRule{{File: "/etc/udev/rules.d/70-persistent-net.rules", Line: 3, Name: "eth0", Bound: "00:11:22:33:44:55"}, {File: "/etc/udev/rules.d/70-persistent-net.rules", Line: 5, Name: "lan", Bound: "0000:02:00.0"}}
	if !slices.Equal(r.Rules, want) {
		t.Errorf("%+v", r.Rules)
	}
}

package netcfg_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"migimg/preflight/facts/netcfg"
)

// FuzzRead gives every reader the same text.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"auto eth0\niface eth0 inet static\n address 1.2.3.4\n netmask 255.255.0.0\n up ip route add default via 1.1.1.1 table 5\nsource /etc/network/interfaces\nsource-directory .\niface a inherits b\niface b inherits a\n",
		"network:\n  ethernets:\n    a:\n      match: {name: 'e*'}\n      addresses: [1.2.3.4/24, {a: b}]\n      routes: [{to: default, via: 1.1.1.1, table: 5}]\n  bonds: {b: {interfaces: [a, b]}}\n",
		"DEVICE=eth0\nBOOTPROTO=$'\\x64hcp'\nIPADDR_a=\"1.2.3.4\"\nNETMASK_a=255.255.255.0\nMASTER=a\n", "[connection]\ntype=bond\nmaster=a\nuuid=a\n[ipv4]\naddress1=1.2.3.4;24;1.1.1.1\nroute1=0.0.0.0/0,1.1.1.1\n",
		"[Match]\nName=en*\n[Network]\nDHCP=yes\nVLAN=a\n[Route]\nGateway=1.1.1.1\n[NetDev]\nName=a\nKind=vlan\n[Link]\nName=x\n", "SUBSYSTEM==\"net\", ATTR{address}==\"x\", \\\nNAME=\"eth0\"\n",
		"interface eth0\nstatic ip_address=1.2.3.4/24\nstatic routers=1.1.1.1\n", "default 1.1.1.1 - -\n1.2.3.0/24 via 1.1.1.1 table 5\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 16<<10 {
			return
		}
		m := fstest.MapFS{}
		for _, n := range []string{
			"etc/network/interfaces", "etc/netplan/a.yaml", "etc/netplan/b.yaml", "etc/sysconfig/network-scripts/ifcfg-a", "etc/sysconfig/network-scripts/route-a",
			"etc/sysconfig/network-scripts/rule-a", "etc/sysconfig/network/ifcfg-a", "etc/sysconfig/network/routes", "etc/NetworkManager/system-connections/a",
			"etc/NetworkManager/system-connections/b", "etc/systemd/network/a.network", "etc/systemd/network/a.network.d/a.conf", "etc/systemd/network/a.netdev",
			"etc/systemd/network/a.link", "etc/udev/rules.d/70-persistent-net.rules", "etc/dhcpcd.conf",
		} {
			m[n] = text(s)
		}
		res := read(m)
		for _, c := range res.Configs {
			c.Fits("eth0")
			if !strings.HasPrefix(c.File, "/etc/") && c.File != "" {
				t.Errorf("file %q", c.File)
			}
		}
	})
}

func FuzzUnquote(f *testing.F) {
	for _, s := range []string{"a", "'a b'", "\"\\~\"", "$'\\U0010ffff\\u00e4\\x41\\101\\c'", "a; #", "\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if v, _ := netcfg.Unquote(s); len(v) > 2*len(s) {
			t.Errorf("%q grows to %q", s, v)
		}
	})
}

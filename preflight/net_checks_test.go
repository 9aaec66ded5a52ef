package preflight

import (
	"strings"
	"testing"
	"testing/fstest"
)

// enabled are the files of systemd units that are started at boot.
func enabled(units ...string) map[string]*fstest.MapFile {
	m := map[string]*fstest.MapFile{}
	for _, u := range units {
		m["usr/lib/systemd/system/"+u] = text("")
		m["etc/systemd/system/multi-user.target.wants/"+u] = link("/usr/lib/systemd/system/" + u)
	}
	return m
}

// Each row is one network that is set up some way, on the guest that is
// otherwise ready and whose cloud-init is off, unless the row turns it on.
func TestNetChecks(t *testing.T) {
	type m = map[string]*fstest.MapFile
	eni := func(lines ...string) m { return m{"etc/network/interfaces": text(strings.Join(lines, "\n") + "\n")} }
	netplan := func(s string) m {
		return m{"etc/network/interfaces": nil, "usr/sbin/netplan": text(""), "usr/lib/systemd/systemd-networkd": text(""), "etc/netplan/50-cloud-init.yaml": text("network:\n  version: 2\n" + s)}
	}
	join := func(parts ...m) m {
		all := m{}
		for _, p := range parts {
			for k, v := range p {
				all[k] = v
			}
		}
		return all
	}
	ifcfg := func(s string) m {
		return join(enabled("network.service"), m{"etc/network/interfaces": nil, "etc/sysconfig/network-scripts/ifcfg-eth0": text(s)})
	}
	ssh := func(s string) m { return m{"etc/ssh/sshd_config": text(s)} }
	byMAC := "  ethernets:\n    eth0:\n      dhcp4: true\n      match: {macaddress: '00:11:22:33:44:55'}\n      set-name: eth0\n"
	anyCard := "  ethernets:\n    any:\n      dhcp4: true\n      match: {name: 'e*'}\n"
	bond := "  ethernets: {eno1: {}, eno2: {}}\n  bonds:\n    bond0:\n      interfaces: [eno1, eno2]\n      addresses: [10.1.1.5/24]\n      routes: [{to: default, via: 10.1.1.1}]\n"
	zone := func(body string) m {
		return join(enabled("firewalld.service"), m{"etc/firewalld/zones/public.xml": text(`<?xml version="1.0"?><zone>` + body + `</zone>`)})
	}
	ipt := func(rules string) m {
		return join(enabled("netfilter-persistent.service"), m{"etc/iptables/rules.v4": text("*filter\n:INPUT DROP [0:0]\n-A INPUT -i lo -j ACCEPT\n-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n" + rules + "COMMIT\n")})
	}
	nft := func(rules string) m {
		return join(enabled("nftables.service"), m{"etc/nftables.conf": text("#!/usr/sbin/nft -f\nflush ruleset\ntable inet filter {\n  chain input {\n    type filter hook input priority 0; policy drop;\n    iif lo accept\n    ct state established,related accept\n    " + rules + "\n  }\n}\n")})
	}
	ufw := func(tuples string) m {
		return join(enabled("ufw.service"), m{"etc/ufw/ufw.conf": text("ENABLED=yes\n"), "etc/default/ufw": text("DEFAULT_INPUT_POLICY=\"DROP\"\n"), "etc/ufw/user.rules": text("*filter\n" + tuples + "COMMIT\n")})
	}
	for _, c := range []struct {
		name, check, tencent string
		cloudInit            bool
		change               m
	}{
		{"no binding", "net.mac-binding", "pass/high", false, nil},
		{"netplan by MAC", "net.mac-binding", "fail/high", false, netplan(byMAC)},
		{"netplan by MAC under cloud-init", "net.mac-binding", "warn/low", true, netplan(byMAC)},
		{"interfaces set an address", "net.mac-binding", "warn/medium", false, eni("auto ens3", "iface ens3 inet dhcp", " hwaddress ether 00:11:22:33:44:55")},
		{"ifcfg by MAC", "net.mac-binding", "fail/high", false, ifcfg("DEVICE=eth0\nHWADDR=00:11:22:33:44:55\nBOOTPROTO=dhcp\n")},
		{"profile by MAC, NetworkManager configures any", "net.mac-binding", "warn/medium", false, join(enabled("NetworkManager.service"), m{"etc/NetworkManager/system-connections/a.nmconnection": text("[connection]\ntype=ethernet\n[ethernet]\nmac-address=00:11:22:33:44:55\n")})},
		{"Ubuntu's installer", "net.mac-binding", "fail/high", true, join(netplan(byMAC), m{"etc/cloud/cloud.cfg.d/90-installer-network.cfg": text("network:\n  version: 2\n" + byMAC)})},
		{"the same, cloud-init off", "net.iface-names", "pass/high", false, join(netplan(anyCard), m{"etc/cloud/cloud.cfg.d/90-installer-network.cfg": text("network:\n  version: 2\n" + byMAC)})},
		{"cloud-init's file, version 1", "net.addressing", "warn/high", true, m{"etc/cloud/cloud.cfg.d/a.cfg": text("network:\n  version: 1\n  config:\n  - type: physical\n    name: eth0\n    subnets: [{type: static, address: 10.0.0.5/24, gateway: 10.0.0.1}]\n")}},
		{"cloud-init leaves the network alone", "net.iface-names", "fail/high", true, join(eni("auto ens192", "iface ens192 inet dhcp"), m{"etc/cloud/cloud.cfg.d/a.cfg": text("network: {config: disabled}\n")})},
		{"broken YAML", "net.mac-binding", "unknown/high", false, netplan("  ethernets: [\n")},

		{"ifname", "net.persistent-names", "fail/high", false, m{"boot/grub/grub.cfg": text(strings.ReplaceAll(string(debian()["boot/grub/grub.cfg"].Data), "root=UUID="+rootUUID, "root=UUID="+rootUUID+" ifname=lan0:00:11:22:33:44:55"))}},
		{"link file", "net.persistent-names", "fail/high", false, m{"etc/systemd/network/10-lan.link": text("[Match]\nMACAddress=00:11:22:33:44:55\n[Link]\nName=lan0\n")}},
		{"link file with a policy", "net.persistent-names", "pass/high", false, m{"etc/systemd/network/10-lan.link": text("[Match]\nOriginalName=*\n[Link]\nNamePolicy=kernel path\n")}},
		{"in the initramfs", "net.persistent-names", "warn/medium", false, m{"boot/initrd.img-" + kver: cpio("init", "etc/udev/rules.d/70-persistent-net.rules", ko("virtio_blk"))}},

		{"masked names", "net.iface-names", "pass/high", false, join(eni("auto eth0", "iface eth0 inet dhcp"), m{"etc/udev/rules.d/80-net-setup-link.rules": link("/dev/null")})},
		{"old udev", "net.iface-names", "pass/high", false, join(eni("auto eth0", "iface eth0 inet dhcp"), m{"usr/lib/udev/rules.d/50-udev-default.rules": text("")})},
		{"netplan for any card", "net.iface-names", "pass/high", false, netplan(anyCard)},
		{"not started", "net.iface-names", "warn/high", false, m{"etc/network/interfaces": nil, "etc/systemd/network/a.network": text("[Match]\nName=e*\n[Network]\nDHCP=yes\n")}},
		{"masked network file", "net.iface-names", "fail/high", false, join(enabled("systemd-networkd.service"), m{"etc/network/interfaces": nil, "usr/lib/systemd/network/zz.network": text("[Match]\nName=*\n[Network]\nDHCP=yes\n"), "etc/systemd/network/zz.network": link("/dev/null")})},
		{"network file of the distribution", "net.iface-names", "pass/high", false, join(enabled("systemd-networkd.service"), m{"etc/network/interfaces": nil, "usr/lib/systemd/network/zz.network": text("[Match]\nName=*\n[Network]\nDHCP=yes\n")})},
		{"a backup of ifcfg", "net.iface-names", "fail/high", false, join(enabled("network.service"), m{"etc/network/interfaces": nil, "etc/sysconfig/network-scripts/ifcfg-eth0.bak": text("DEVICE=eth0\nBOOTPROTO=dhcp\n")})},
		{"a bridge's port fits", "net.iface-names", "pass/high", false, join(eni("auto br0", "iface eth0 inet manual", "iface br0 inet dhcp", " bridge_ports eth0"), m{"etc/udev/rules.d/80-net-setup-link.rules": link("/dev/null")})},
		{"a bridge's port does not fit", "net.iface-names", "fail/high", false, eni("auto vmbr0", "iface eno1 inet manual", "iface vmbr0 inet static", " address 10.0.0.5/24", " bridge-ports eno1")},
		{"by the target's driver", "net.iface-names", "pass/high", false, netplan("  ethernets:\n    any: {dhcp4: true, match: {driver: virtio_net}}\n")},
		{"by another driver", "net.iface-names", "fail/high", false, netplan("  ethernets:\n    any: {dhcp4: true, match: {driver: vmxnet3}}\n")},
		{"Red Hat's file network", "net.iface-names", "pass/high", false, join(ifcfg("DEVICE=eth0\nBOOTPROTO=dhcp\nONBOOT=yes\n"), m{"etc/sysconfig/network": text("NETWORKING=yes\n"), "usr/lib/udev/rules.d/50-udev-default.rules": text("")})},
		{"netctl", "net.iface-names", "unknown/high", false, m{"etc/network/interfaces": nil, "etc/netctl/wired": text("Interface=ens3\n")}},

		{"static and gateway", "net.addressing", "warn/high", false, ifcfg("DEVICE=eth0\nBOOTPROTO=none\nIPADDR='10.0.0.5'\nPREFIX=24\nGATEWAY=10.0.0.1\n")},
		{"static without gateway", "net.addressing", "warn/medium", false, ifcfg("DEVICE=eth0\nBOOTPROTO=none\nIPADDR=10.0.0.5\nPREFIX=24\n")},
		{"DHCP and one address more", "net.addressing", "pass/high", false, netplan("  ethernets:\n    any: {dhcp4: true, addresses: [10.0.0.5/24], match: {name: 'e*'}}\n")},
		{"two cards", "net.addressing", "warn/medium", false, eni("auto ens3 ens4", "iface ens3 inet dhcp", "iface ens4 inet dhcp")},
		{"a value that only a shell knows", "net.addressing", "unknown/high", false, ifcfg("DEVICE=eth0\nBOOTPROTO=$(cat /etc/x)\n")},

		{"dhclient", "net.dhcp-client", "pass/high", false, nil},
		{"no client", "net.dhcp-client", "fail/high", false, m{"usr/sbin/dhclient": nil}},
		{"udhcpc", "net.dhcp-client", "pass/high", false, m{"usr/sbin/dhclient": nil, "sbin/udhcpc": text("")}},
		{"networkd asks itself", "net.dhcp-client", "pass/high", false, join(netplan(anyCard), m{"usr/sbin/dhclient": nil})},
		{"static needs none", "net.dhcp-client", "skip/high", false, eni("auto ens3", "iface ens3 inet static", " address 10.0.0.5/24")},
		{"nobody starts it", "net.dhcp-client", "warn/high", false, m{"etc/network/interfaces": nil, "etc/systemd/network/a.network": text("[Match]\nName=e*\n[Network]\nDHCP=yes\n")}},

		{"a card", "net.topology", "pass/high", false, nil},
		{"bond", "net.topology", "fail/high", false, netplan(bond)},
		{"bond under cloud-init", "net.topology", "warn/low", true, netplan(bond)},
		{"VLAN", "net.topology", "fail/high", false, eni("auto ens3 ens3.10", "iface ens3 inet manual", "iface ens3.10 inet static", " address 10.0.0.5/24")},
		{"bridge over a card", "net.topology", "warn/high", false, eni("auto br0", "iface br0 inet dhcp", " bridge_ports ens3")},
		{"bridge over nothing", "net.topology", "pass/high", false, eni("auto ens3 br0", "iface ens3 inet dhcp", "iface br0 inet static", " address 10.9.0.1/24", " bridge_ports none")},
		{"policy routing", "net.topology", "warn/medium", false, eni("auto ens3", "iface ens3 inet static", " address 10.0.0.5/24", " up ip rule add from 10.0.0.5 table 7")},
		{"team", "net.topology", "fail/high", false, ifcfg("DEVICE=team0\nDEVICETYPE=Team\nBOOTPROTO=dhcp\n")},

		{"waits for a card", "net.online-wait", "warn/medium", false, netplan("  ethernets:\n    ens192: {dhcp4: true}\n")},
		{"does not wait", "net.online-wait", "pass/medium", false, netplan("  ethernets:\n    ens192: {dhcp4: true, optional: true}\n")},
		{"hotplug", "net.online-wait", "pass/medium", false, eni("allow-hotplug ens192", "iface ens192 inet dhcp")},
		{"not there", "net.online-wait", "warn/low", false, eni("auto ens192", "iface ens192 inet dhcp")},

		{"private servers", "net.dns", "warn/medium", false, join(eni("auto ens3", "iface ens3 inet static", " address 10.0.0.5/24"), m{"etc/resolv.conf": text("nameserver 10.0.0.2\nnameserver 192.168.1.1\n")})},
		{"private servers, DHCP", "net.dns", "pass/medium", false, m{"etc/resolv.conf": text("nameserver 10.0.0.2\n")}},
		{"a public server, too", "net.dns", "pass/medium", false, m{"etc/resolv.conf": text("nameserver 10.0.0.2\nnameserver 9.9.9.9\n")}},
		{"written by a program", "net.dns", "pass/medium", false, m{"etc/resolv.conf": text("# Generated by NetworkManager\nnameserver 10.0.0.2\n")}},
		{"resolved is off", "net.dns", "fail/medium", false, m{"etc/resolv.conf": link("../run/systemd/resolve/stub-resolv.conf")}},
		{"resolved", "net.dns", "pass/medium", false, join(enabled("systemd-resolved.service"), m{"etc/resolv.conf": link("../run/systemd/resolve/stub-resolv.conf")})},
		{"nsswitch", "net.dns", "warn/medium", false, m{"etc/nsswitch.conf": text("passwd: files\nhosts: files mdns4 # dns\n")}},

		{"no filter", "net.firewall", "pass/high", false, nil},
		{"firewalld with ssh", "net.firewall", "pass/high", false, zone(`<service name="ssh"/>`)},
		{"firewalld without ssh", "net.firewall", "fail/high", false, zone(`<service name="http"/>`)},
		{"firewalld, another port", "net.firewall", "fail/high", false, join(zone(`<service name="ssh"/>`), ssh("Port 2222\n"))},
		{"firewalld, another port open", "net.firewall", "pass/high", false, join(zone(`<port port="2200-2300" protocol="tcp"/>`), ssh("Port 2222\n"))},
		{"firewalld, from a network", "net.firewall", "warn/high", false, zone(`<rule family="ipv4"><source address="10.0.0.0/8"/><service name="ssh"/><accept/></rule>`)},
		{"firewalld, broken zone", "net.firewall", "unknown/info", false, zone(`<service`)},
		{"iptables with ssh", "net.firewall", "pass/high", false, ipt("-A INPUT -p tcp -m tcp --dport 22 -m comment --comment \"let in\" -j ACCEPT\n")},
		{"iptables by card", "net.firewall", "fail/high", false, ipt("-A INPUT -i ens192 -p tcp -m multiport --dports 22,80 -j ACCEPT\n")},
		{"iptables without ssh", "net.firewall", "fail/high", false, ipt("-A INPUT -p tcp --dport 443 -j ACCEPT\n-A INPUT -p icmp -j ACCEPT\n")},
		{"iptables with a chain of its own", "net.firewall", "pass/high", false, ipt("-A INPUT -j RH-Firewall-1-INPUT\n-A RH-Firewall-1-INPUT -p tcp --dport 22 -j ACCEPT\n-A RH-Firewall-1-INPUT -j REJECT\n")},
		{"iptables, closed chain", "net.firewall", "fail/high", false, ipt("-A INPUT -j own\n-A own -p tcp --dport 443 -j ACCEPT\n-A own -j DROP\n-A INPUT -p tcp --dport 22 -j ACCEPT\n")},
		{"iptables, chains in a circle", "net.firewall", "unknown/info", false, ipt("-A INPUT -j a\n-A a -j b\n-A b -j a\n")},
		{"iptables with a chain for some", "net.firewall", "unknown/info", false, ipt("-A INPUT -p tcp -j own\n-A own -p tcp --dport 22 -j ACCEPT\n")},
		{"iptables asks a chain made elsewhere", "net.firewall", "unknown/info", false, ipt("-A INPUT -j f2b-sshd\n")},
		{"iptables from outside", "net.firewall", "warn/medium", false, ipt("-A INPUT -s 203.0.113.7/32 -p tcp --dport 22 -j ACCEPT\n")},
		{"iptables, metadata cut off", "net.firewall", "warn/medium", false, ipt("-A INPUT -p tcp --dport 22 -j ACCEPT\n-A OUTPUT -d 169.254.169.254/32 -j DROP\n")},
		{"nftables with ssh", "net.firewall", "pass/high", false, nft("tcp dport { 22, 443 } ct state new accept")},
		{"nftables without ssh", "net.firewall", "fail/high", false, nft("tcp dport 443 accept\n    ip protocol icmp accept\n    icmpv6 type echo-request accept")},
		{"nftables by card", "net.firewall", "fail/high", false, nft(`iifname "ens192" tcp dport ssh accept`)},
		{"nftables, IPv6 alone is closed", "net.firewall", "pass/high", false, join(enabled("nftables.service"), m{"etc/nftables.conf": text("table ip6 f {\n chain input { type filter hook input priority 0; policy drop; }\n}\ntable ip f { chain input { type filter hook input priority 0; policy accept; tcp dport 25 drop; } }\n")})},
		{"nftables, another chain lets it in", "net.firewall", "fail/high", false, join(enabled("nftables.service"), m{"etc/nftables.conf": text("table inet a { chain input { type filter hook input priority 0; policy accept; tcp dport 22 accept; } }\ntable inet b { chain input { type filter hook input priority 10; policy drop; ct state established accept; } }\n")})},
		{"nftables with a map", "net.firewall", "unknown/info", false, nft("tcp dport vmap @ports")},
		{"nftables with a set", "net.firewall", "unknown/info", false, nft("tcp dport @open accept")},
		{"ufw with ssh", "net.firewall", "pass/high", false, ufw("### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in\n")},
		{"ufw without ssh", "net.firewall", "fail/high", false, ufw("### tuple ### allow tcp 443 0.0.0.0/0 any 0.0.0.0/0 in\n")},
		{"ufw off", "net.firewall", "pass/high", false, join(ufw(""), m{"etc/ufw/ufw.conf": text("ENABLED=no\n")})},
		{"SuSEfirewall2", "net.firewall", "fail/high", false, join(enabled("SuSEfirewall2.service"), m{"etc/sysconfig/SuSEfirewall2": text("FW_DEV_EXT=\"eth0\"\nFW_SERVICES_EXT_TCP=\"http\"\n")})},
		{"SuSEfirewall2 with ssh", "net.firewall", "pass/high", false, join(enabled("SuSEfirewall2.service"), m{"etc/sysconfig/SuSEfirewall2": text("FW_CONFIGURATIONS_EXT=\"sshd\"\n")})},
		{"hosts.deny", "net.firewall", "warn/medium", false, m{"etc/hosts.deny": text("ALL: ALL\n")}},

		{"listens anywhere", "net.references", "pass/low", false, ssh("ListenAddress 0.0.0.0\nListenAddress ::\n")},
		{"listens on the old address", "net.references", "fail/high", false, ssh("ListenAddress 10.0.0.5:22\n")},
		{"listens there, too", "net.references", "warn/low", false, ssh("ListenAddress 10.0.0.5\nListenAddress 0.0.0.0\n")},
		{"listens in an included file", "net.references", "fail/high", false, join(ssh("Include /etc/ssh/sshd_config.d/*.conf\n"), m{"etc/ssh/sshd_config.d/a.conf": text("listenaddress [fd00::5]:22\n")})},
		{"sysctl of a card", "net.references", "warn/low", false, m{"etc/sysctl.d/a.conf": text("net.ipv4.conf.ens192.rp_filter = 0\nnet.ipv4.conf.all.rp_filter = 0\n")}},
		{"an address in a service", "net.references", "warn/low", false, join(eni("auto ens3", "iface ens3 inet static", " address 10.0.0.5/24"), m{"etc/nginx/conf.d/a.conf": text("listen 10.0.0.5:80;\n"), "etc/hosts": text("10.0.0.51 other\n")})},
		{"a longer address is another", "net.references", "pass/low", false, join(eni("auto ens3", "iface ens3 inet static", " address 10.0.0.5/24"), m{"etc/hosts": text("10.0.0.51 other\n110.0.0.5 third\n")})},
	} {
		t.Run(c.name, func(t *testing.T) {
			change := join(c.change)
			if !c.cloudInit {
				change["etc/cloud/cloud-init.disabled"] = text("")
			}
			r := judge(t, disk(), with(debian(), change), "tencent")
			if got := find(t, r, c.check, "tencent"); got != c.tencent {
				for _, x := range r.Checks {
					if x.ID == c.check {
						t.Errorf("%s, want %s: %s %+v", got, c.tencent, x.Summary, x.Evidence)
					}
				}
			}
		})
	}
}

package netcfg

import (
	"path"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// cloudInit reads the network configuration that files of the guest give
// cloud-init: it goes before that of the cloud (cloud-init documentation,
// "Network configuration sources"). Ubuntu's installer writes one for the cards
// of the machine it runs on. The last file that has one counts.
func (r *reader) cloudInit() {
	names, _ := r.list("etc/cloud/cloud.cfg.d")
	files := []string{"etc/cloud/cloud.cfg"}
	for _, n := range names {
		if strings.HasSuffix(n, ".cfg") {
			files = append(files, path.Join("etc/cloud/cloud.cfg.d", n))
		}
	}
	var network ast.Node
	file := ""
	for _, f := range files {
		text, ok := r.read(f)
		if !ok {
			continue
		}
		node, err := r.yaml([]byte(text))
		if err != nil {
			r.problem("/" + f + ": " + err.Error())
			continue
		}
		if n := get(node, "network"); n != nil {
			network, file = n, f
			if aliased(node) {
				r.problem("/" + f + ": " + errAlias.Error())
				return
			}
		}
	}
	if inner := get(network, "network"); inner != nil {
		network = inner
	}
	if network == nil || scalar(get(network, "config")) == "disabled" {
		return
	}
	r.res.CloudInit = "/" + file
	p := &netplanState{byID: map[string]*Config{}}
	switch scalar(get(network, "version")) {
	case "2":
		p.network(network, CloudInit, file, "")
	case "1":
		p.version1(get(network, "config"), file)
	default:
		r.problem("/" + file + ": a network configuration of no known version")
	}
	p.finish(r)
}

// version1 reads the older form: a list of interfaces with their subnets
// (cloud-init documentation, "Networking config Version 1").
func (p *netplanState) version1(list ast.Node, file string) {
	kinds := map[string]Type{"physical": Ethernet, "bond": Bond, "bridge": Bridge, "vlan": VLAN, "infiniband": InfiniBand}
	for _, n := range items(list) {
		kind, name := scalar(get(n, "type")), scalar(get(n, "name"))
		typ, ok := kinds[kind]
		if !ok || name == "" || len(p.order) > maxConfigs {
			continue
		}
		c := &Config{Manager: CloudInit, File: "/" + file, ID: name, Name: name, Type: typ, Parent: scalar(get(n, "vlan_link"))}
		if fs := fields(n); len(fs) > 0 {
			c.Line = fs[0].line
		}
		if m := scalar(get(n, "mac_address")); c.Virtual() {
			c.SetMAC = m
		} else if m != "" {
			c.MAC, c.SetName, c.Name = m, name, ""
		}
		c.Members = append(scalars(get(n, "bond_interfaces")), scalars(get(n, "bridge_interfaces"))...)
		for _, s := range items(get(n, "subnets")) {
			subnet(c, s)
		}
		p.byID[name] = c
		p.order = append(p.order, name)
	}
}

func subnet(c *Config, s ast.Node) {
	kind := scalar(get(s, "type"))
	switch kind {
	case "dhcp", "dhcp4":
		c.V4.Method = DHCP
	case "dhcp6", "ipv6_dhcpv6-stateful", "ipv6_dhcpv6-stateless", "ipv6_slaac":
		c.V6.Method = DHCP
	}
	if a := scalar(get(s, "address")); a != "" {
		c.address(withPrefix(a, "", scalar(get(s, "netmask"))))
	}
	c.gateway(scalar(get(s, "gateway")))
	c.DNS = addNew(c.DNS, scalars(get(s, "dns_nameservers"))...)
	for _, rt := range items(get(s, "routes")) {
		to := firstOf(scalar(get(rt, "network")), scalar(get(rt, "destination")))
		if m := scalar(get(rt, "netmask")); m != "" {
			to = withPrefix(to, "", m)
		}
		if to != "" {
			c.route(to, scalar(get(rt, "gateway")))
		}
	}
	// "control: manual" is not brought up at boot.
	if scalar(get(s, "control")) == "manual" {
		c.Off = true
	}
}

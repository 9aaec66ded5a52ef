package netcfg

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

func ifcfgIPv4(c *Config, v map[string]string) {
	proto := strings.ToLower(v["BOOTPROTO"])
	switch proto {
	case "dhcp", "bootp", "dhcp4", "dhcp+autoip", "ibft", "ibft+dhcp":
		c.V4.Method = DHCP
	case "autoip":
		c.V4.Method = LinkLocal
	case "shared":
		c.V4.Method = Shared
	default:
		c.V4.Method = None
	}
	if proto == "dhcp" && c.Manager == Wicked || proto == "dhcp6" { // SUSE: both families
		c.V6.Method = DHCP
	}
	for _, k := range numbered(v, "IPADDR") {
		suffix := strings.TrimPrefix(k, "IPADDR")
		if c.V4.Method == Shared && len(c.V4.Addresses) > 0 {
			break // one address is what is served from
		}
		if suffix == "6" && strings.Contains(v[k], ":") {
			c.address(v[k])
			continue
		}
		c.address(withPrefix(v[k], firstOf(v["PREFIX"+suffix], v["PREFIXLEN"+suffix]), v["NETMASK"+suffix]))
	}
	if c.V4.Method == "" {
		c.V4.Method = None
	}
	if yes(v["DEFROUTE"], true) {
		for _, k := range numbered(v, "GATEWAY") {
			if v[k] != "0.0.0.0" {
				c.gateway(v[k])
			}
		}
	}
}

// ifcfgIPv6 follows the variables of initscripts-ipv6, as NetworkManager reads
// them.
func ifcfgIPv6(c *Config, v map[string]string, m Manager) {
	if m == Wicked {
		return
	}
	init := yes(v["IPV6INIT"], false)
	auto := yes(v["IPV6_AUTOCONF"], !yes(v["IPV6FORWARDING"], false))
	for a := range strings.FieldsSeq(v["IPV6ADDR"] + " " + v["IPV6ADDR_SECONDARIES"]) {
		if init {
			c.V6.Addresses = append(c.V6.Addresses, a)
		}
	}
	switch {
	case !init || yes(v["IPV6_DISABLED"], false):
		c.V6.Method = None
	case auto, yes(v["DHCPV6C"], false):
		c.V6.Method = DHCP
	case len(c.V6.Addresses) > 0:
		c.V6.Method = Static
	default:
		c.V6.Method = LinkLocal
	}
	if init && yes(v["IPV6_DEFROUTE"], true) {
		gw, _, _ := strings.Cut(v["IPV6_DEFAULTGW"], "%")
		c.V6.Gateway = firstOf(c.V6.Gateway, gw)
	}
}

// maxNumbered is up to which number IPADDRn is looked for.
const maxNumbered = 256

// numbered are the names that begin with key and go on with nothing, a number
// or "_" and a suffix, in a stable order, and have a value.
func numbered(v map[string]string, key string) (names []string) {
	for k, val := range v {
		rest, ok := strings.CutPrefix(k, key)
		if !ok || val == "" {
			continue
		}
		n, err := strconv.Atoi(rest)
		if rest == "" || strings.HasPrefix(rest, "_") || err == nil && n >= 0 && n < maxNumbered {
			names = append(names, k)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	return names
}

// withPrefix joins an address and its prefix length or netmask.
func withPrefix(addr, prefix, mask string) string {
	if strings.Contains(addr, "/") {
		return addr
	}
	if prefix != "" {
		return addr + "/" + prefix
	}
	if n, ok := maskLen(mask); ok {
		return addr + "/" + strconv.Itoa(n)
	}
	return addr
}

// maskLen is the prefix length of a dotted netmask.
func maskLen(mask string) (int, bool) {
	a, err := netip.ParseAddr(mask)
	if err != nil || !a.Is4() {
		return 0, false
	}
	n, gap := 0, false
	for _, b := range a.As4() {
		for bit := 7; bit >= 0; bit-- {
			switch set := b>>bit&1 == 1; {
			case set && gap:
				return 0, false
			case set:
				n++
			default:
				gap = true
			}
		}
	}
	return n, true
}

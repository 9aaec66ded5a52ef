package facts

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"migimg/preflight/guestfs"
)

// maxIncludes bounds the files that /etc/network/interfaces sources; each is
// read once.
const maxIncludes = 200

// interfaces reads ifupdown's file and what it sources (interfaces(5)).
func (g *gatherer) interfaces(name string, seen map[string]bool) {
	if seen[name] || len(seen) >= maxIncludes {
		return
	}
	seen[name] = true
	b, err := guestfs.ReadFile(g.fs, name, guestfs.MaxConfig)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			g.f.Net.Problems = append(g.f.Net.Problems, err.Error())
		}
		return
	}
	auto := map[string]bool{}
	cur := -1
	n := 0
	start := len(g.f.Net.Configs)
	text := strings.ReplaceAll(string(b), "\\\n", "  ")
	for line := range strings.Lines(text) {
		n++
		w := strings.Fields(line)
		if len(w) == 0 || strings.HasPrefix(w[0], "#") {
			continue
		}
		switch w[0] {
		case "auto", "allow-hotplug", "allow-auto":
			for _, i := range w[1:] {
				auto[i] = true
			}
			cur = -1
		case "iface":
			cur = -1
			if len(w) < 4 || w[1] == "lo" || w[2] == "inet6" {
				continue
			}
			c := NetConfig{File: "/" + name, Line: n, Manager: "interfaces", Name: w[1], Method: w[3], Off: true}
			if w[3] == "manual" || w[3] == "loopback" {
				c.Method = "none"
			}
			cur = len(g.f.Net.Configs)
			g.f.Net.Configs = append(g.f.Net.Configs, c)
		case "source", "source-directory":
			for _, p := range w[1:] {
				if w[0] == "source-directory" {
					p += "/*"
				}
				if !path.IsAbs(p) {
					p = path.Join("/", path.Dir(name), p)
				}
				for _, f := range g.glob(guestName(p)) {
					g.interfaces(guestName(f), seen)
				}
			}
			cur = -1
		case "mapping", "no-auto-down", "no-scripts", "rename":
			cur = -1
		default:
			if cur >= 0 && len(w) > 1 {
				ifaceOption(&g.f.Net.Configs[cur], w)
			}
		}
	}
	for i := start; i < len(g.f.Net.Configs); i++ {
		for a := range auto {
			if g.f.Net.Configs[i].Manager == "interfaces" && (g.f.Net.Configs[i].Name == a || strings.HasPrefix(a, "/")) {
				g.f.Net.Configs[i].Off = false
			}
		}
	}
}

func ifaceOption(c *NetConfig, w []string) {
	switch w[0] {
	case "hwaddress":
		c.MAC = w[len(w)-1]
	case "address":
		c.Addresses = append(c.Addresses, w[1])
	case "gateway":
		c.Gateway = true
	case "bond-slaves", "bond-mode", "bridge_ports", "bridge-ports", "vlan-raw-device", "vlan_raw_device", "bond_mode":
		c.Virtual = true
	}
}

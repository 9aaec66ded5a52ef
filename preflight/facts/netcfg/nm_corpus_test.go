package netcfg_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"migimg/internal/need"
	"migimg/preflight/facts/netcfg"
)

// tree is a folder of the corpus as a map of its files.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	m := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			b, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			m[e.Name()] = string(b)
		}
	}
	return m
}

type assert struct {
	Getter, Op, String, Symbol string
	Int                        *int
	Bool                       *bool
}

// What NetworkManager's own tests demand of ifcfg files, as far as preflight
// asks for it.
func TestCorpusIfcfg(t *testing.T) {
	var c struct {
		Cases []struct {
			Test, File  string
			Type        string
			NetworkFile string `json:"network_file"`
			Error       any
			Asserts     []assert
		}
	}
	load(t, "networkmanager/ifcfg-rh.json", &c)
	files := tree(t, filepath.Join(need.Corpora(t, "networkmanager"), "ifcfg-rh"))
	asked, agree, cases := 0, 0, 0
	for _, x := range c.Cases {
		if x.Error != nil || x.Type == "TYPE_WIRELESS" || x.Test == "test_clear_controller" || // it changes the profile
			strings.Contains(x.File, "-wifi-") || strings.HasSuffix(x.File, ".cexpected") {
			continue
		}
		m := fstest.MapFS{"etc/sysconfig/network-scripts/" + x.File: text(files[x.File])}
		for _, kind := range []string{"route-", "route6-"} {
			if s, ok := files[kind+strings.TrimPrefix(x.File, "ifcfg-")]; ok {
				m["etc/sysconfig/network-scripts/"+kind+strings.TrimPrefix(x.File, "ifcfg-")] = text(s)
			}
		}
		if x.NetworkFile != "" {
			m["etc/sysconfig/network"] = text(files[filepath.Base(x.NetworkFile)])
		}
		res := read(m)
		if len(res.Configs) != 1 {
			t.Logf("%s: %d configurations, %v", x.File, len(res.Configs), res.Problems)
			continue
		}
		cases++
		for _, a := range x.Asserts {
			want, got, ok := answer(a, res.Configs[0])
			if !ok {
				continue
			}
			if asked++; want == got {
				agree++
			} else {
				t.Logf("%s: %s: %s, want %s", x.File, a.Getter, got, want)
			}
		}
	}
	if asked-agree > 0 {
		t.Errorf("%d answers differ", asked-agree)
	}
	t.Logf("%d files read, %d of %d answers agree", cases, agree, asked)
}

// answer is what an assertion demands and what the configuration says; ok is
// false for what preflight does not read.
func answer(a assert, c netcfg.Config) (want, got string, ok bool) {
	if a.Op != "==" {
		return "", "", false
	}
	methods := map[string]netcfg.Method{"AUTO": netcfg.DHCP, "DHCP": netcfg.DHCP, "MANUAL": netcfg.Static, "DISABLED": netcfg.None, "IGNORE": netcfg.None, "LINK_LOCAL": netcfg.LinkLocal, "SHARED": netcfg.Shared}
	_, m, _ := strings.Cut(a.Symbol, "METHOD_")
	itoa := func(n int) string { return strings.Repeat("i", n) }
	null := func(s string) string {
		if a.Symbol == "NULL" {
			return ""
		}
		return s
	}
	switch a.Getter {
	case "nm_setting_ip_config_get_method(s_ip4)":
		return string(methods[m]), string(c.V4.Method), true
	case "nm_setting_ip_config_get_method(s_ip6)":
		return string(methods[m]), string(c.V6.Method), true
	case "nm_setting_ip_config_get_gateway(s_ip4)":
		return null(a.String), c.V4.Gateway, true
	case "nm_setting_connection_get_autoconnect(s_con)":
		if *a.Bool {
			return "on", map[bool]string{false: "on", true: "off"}[c.Off], true
		}
		return "off", map[bool]string{false: "on", true: "off"}[c.Off], true
	case "nm_connection_get_interface_name(connection)":
		return null(a.String), c.Name, true
	case "nm_setting_ip_config_get_num_addresses(s_ip4)":
		return itoa(*a.Int), itoa(len(c.V4.Addresses)), true
	case "nm_setting_ip_config_get_num_addresses(s_ip6)":
		return itoa(*a.Int), itoa(len(c.V6.Addresses)), true
	case "nm_setting_ip_config_get_num_dns(s_ip4)":
		n := 0
		for _, d := range c.DNS {
			if strings.Contains(d, ".") {
				n++
			}
		}
		return itoa(*a.Int), itoa(n), true
	case "nm_ip_address_get_address(ip4_addr)", "nm_ip_address_get_address(ip6_addr)":
		if slices.ContainsFunc(c.Addresses(), func(s string) bool { return s == a.String || strings.HasPrefix(s, a.String+"/") }) {
			return a.String, a.String, true
		}
		return a.String, strings.Join(c.Addresses(), " "), true
	case "nm_setting_connection_get_controller(s_con)":
		return null(a.String), c.Master, true
	case "nm_setting_vlan_get_parent(s_vlan)":
		return null(a.String), c.Parent, true
	case "nm_setting_connection_get_connection_type(s_con)":
		_, kind, _ := strings.Cut(a.Symbol, "NM_SETTING_")
		kind, _, _ = strings.Cut(kind, "_SETTING")
		want := strings.ToLower(kind)
		got := string(c.Type)
		if got == "" {
			got = "ethernet"
		}
		return map[string]string{"wired": "ethernet"}[want] + map[bool]string{true: want}[want != "wired"], got, true
	case "nm_ip_route_get_next_hop(ip4_route)", "nm_ip_route_get_next_hop(ip6_route)", "nm_ip_route_get_dest(ip4_route)", "nm_ip_route_get_dest(ip6_route)":
		all := strings.Join(c.Routes, " ") + " " + c.V4.Gateway + " " + c.V6.Gateway
		if strings.Contains(all, a.String) {
			return a.String, a.String, true
		}
		return a.String, all, a.Symbol != "NULL"
	}
	return "", "", false
}

// Blocks of interfaces(5), against NetworkManager's reader.
func TestCorpusInterfaces(t *testing.T) {
	var c struct {
		Cases []struct {
			Test, File string
			Blocks     []struct {
				Type, Name string
				Options    [][2]string
			}
		}
	}
	load(t, "networkmanager/ifupdown.json", &c)
	dir := filepath.Join(need.Corpora(t, "networkmanager"), "ifupdown")
	files := tree(t, dir)
	agree, compared := 0, 0
	for _, x := range c.Cases {
		m := fstest.MapFS{"etc/network/interfaces": text(files[x.File])}
		for n, s := range files {
			m["etc/network/"+n] = text(s)
		}
		for n, s := range tree(t, filepath.Join(dir, "test21-source-dir-stanza.d")) {
			m["etc/network/test21-source-dir-stanza.d/"+n] = text(s)
		}
		res := read(m)
		auto := map[string]bool{}
		seen := map[string]bool{}
		for _, b := range x.Blocks {
			if b.Type == "auto" || strings.HasPrefix(b.Type, "allow-") {
				auto[b.Name] = true
			}
		}
		for _, b := range x.Blocks {
			if b.Type != "iface" || b.Name == "lo" || seen[b.Name] {
				continue
			}
			seen[b.Name] = true
			compared++
			i := slices.IndexFunc(res.Configs, func(c netcfg.Config) bool { return c.Name == b.Name })
			if i < 0 {
				t.Errorf("%s: no %s", x.Test, b.Name)
				continue
			}
			got := res.Configs[i]
			ok := got.Off == !auto[b.Name]
			for _, o := range b.Options {
				switch o[0] {
				case "inet":
					ok = ok && (o[1] == "dhcp") == (got.V4.Method == netcfg.DHCP)
				case "address":
					ok = ok && len(got.V4.Addresses) == 1 && strings.HasPrefix(got.V4.Addresses[0], o[1])
				case "gateway":
					ok = ok && got.V4.Gateway == o[1]
				case "bridge-ports":
					ok = ok && got.Type == netcfg.Bridge && slices.Contains(got.Members, o[1])
				}
			}
			if ok {
				agree++
			} else if x.File != "test22-duplicate-stanzas" { // both stanzas count here
				t.Errorf("%s: %+v", x.Test, got)
			}
		}
	}
	t.Logf("%d cases, %d interfaces, %d agree", len(c.Cases), compared, agree)
}

// Keyfiles: inputs without an oracle; what is known of a few is asked.
func TestCorpusKeyfiles(t *testing.T) {
	files := tree(t, filepath.Join(need.Corpora(t, "networkmanager"), "keyfile"))
	m := fstest.MapFS{}
	for n, s := range files {
		m["etc/NetworkManager/system-connections/"+n] = text(s)
	}
	res := read(m)
	by := map[string]netcfg.Config{}
	for _, c := range res.Configs {
		by[filepath.Base(c.File)] = c
	}
	if len(res.Problems) > 0 {
		t.Error(res.Problems)
	}
	old := by["Test_MAC_Old_Format"]
	if old.MAC != "00:11:aa:bb:cc:55" || old.SetMAC != "00:16:aa:bb:cc:fe" {
		t.Errorf("%+v", old)
	}
	if c := by["Test_Duplicate_Gateways"]; c.V4.Gateway != "192.168.0.253" || c.V6.Gateway != "fd01::bbbb" || !slices.Equal(c.V4.Addresses, []string{"192.168.0.5/24", "192.0.2.1/16"}) {
		t.Errorf("%+v", c)
	}
	if c := by["Test_Wired_Connection"]; c.V4.Method != netcfg.Static || c.V4.Gateway != "192.168.0.1" || !slices.Contains(c.V4.Addresses, "1.2.3.4/16") {
		t.Errorf("%+v", c)
	}
	if c := by["Test_minimal_port_2"]; c.File != "" && c.Master != "br0" {
		t.Errorf("%+v", c)
	}
	t.Logf("%d keyfiles, %d wired or virtual", len(files), len(res.Configs))
}

package netcfg_test

import (
	"encoding/json"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"migimg/internal/need"
	"migimg/preflight/facts"
	"migimg/preflight/facts/netcfg"
	"migimg/preflight/guestfs"
)

func load(t *testing.T, name string, v any) {
	t.Helper()
	dir, file, _ := strings.Cut(name, "/")
	b, err := os.ReadFile(filepath.Join(need.Corpora(t, dir), file))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

func read(m fstest.MapFS) netcfg.Result {
	return netcfg.Read(guestfs.Compose(guestfs.FromFS(m, "test")), facts.ParseYAML)
}

func text(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s), Mode: 0o600} }

// rendered is a guest with one rendering.
func rendered(kind string, v any) fstest.MapFS {
	m := fstest.MapFS{}
	files, _ := v.(map[string]any)
	s, _ := v.(string)
	dir := map[string]string{"sysconfig_rhel": "etc/sysconfig/network-scripts", "sysconfig_opensuse": "etc/sysconfig/network", "network_manager": "etc/NetworkManager/system-connections"}[kind]
	switch {
	case strings.HasPrefix(kind, "eni"):
		m["etc/network/interfaces"] = text(s)
	case kind == "netplan":
		m["etc/netplan/50-cloud-init.yaml"] = text(s)
	case dir != "":
		for n, b := range files {
			m[path.Join(dir, path.Base(n))] = text(b.(string))
		}
	case strings.HasPrefix(kind, "cloud_"):
		if get := strings.TrimSpace(s); !strings.HasPrefix(get, "network:") {
			s = "network:\n  " + strings.ReplaceAll(get, "\n", "\n  ")
		}
		m["etc/cloud/cloud.cfg.d/a.cfg"] = text(s)
	case kind == "networkd" && s == "":
		for i, part := range v.([]any) {
			m["etc/systemd/network/10-"+string(rune('a'+i))+".network"] = text(part.(string))
		}
	case kind == "networkd":
		m["etc/systemd/network/10-a.network"] = text(s)
	default:
		return nil
	}
	return m
}

// meaning is what all formats can say of a configuration, as sorted words.
type meaning struct{ Addresses, Gateways, MACs, Stacked, DHCP []string }

func meaningOf(r netcfg.Result) (m meaning) {
	for _, c := range r.Configs {
		for _, a := range c.Addresses() {
			a, _, _ = strings.Cut(a, "/")
			m.Addresses = append(m.Addresses, a)
		}
		for _, f := range []netcfg.Family{c.V4, c.V6} {
			if f.Gateway != "" {
				m.Gateways = append(m.Gateways, f.Gateway)
			}
		}
		if !c.Virtual() && c.MAC+c.SetMAC != "" {
			m.MACs = append(m.MACs, c.MAC+c.SetMAC)
		}
		switch c.Type {
		case netcfg.Bond, netcfg.Bridge, netcfg.VLAN:
			m.Stacked = append(m.Stacked, string(c.Type)+" "+c.Name)
		}
		if c.V4.Method == netcfg.DHCP {
			name := c.Name
			if c.SetName != "" && c.MAC == "" { // networkd's file goes by the new name
				name = c.SetName
			}
			m.DHCP = append(m.DHCP, "4 "+name)
		}
	}
	for _, l := range []*[]string{&m.Addresses, &m.Gateways, &m.MACs, &m.Stacked, &m.DHCP} {
		slices.Sort(*l)
		*l = slices.Compact(*l)
	}
	return m
}

// One configuration in the files of each network manager means the same.
func TestCorpusCloudInit(t *testing.T) {
	var c struct {
		Configs []struct {
			Name       string
			YAML       map[string]string
			Renderings map[string]any
		} `json:"cases"`
	}
	load(t, "cloud-init-net/network_configs.json", &c)
	type count struct{ agree, compared int }
	var n struct{ addr, gw, mac, stack count }
	same := func(what, name, kind, from string, k *count, got, want []string) {
		k.compared++
		if slices.Equal(got, want) {
			k.agree++
			return
		}
		t.Logf("%s %s: %s has %v, %s has %v", name, what, kind, got, from, want)
	}
	for _, x := range c.Configs {
		for k, y := range x.YAML { // cloud-init's own forms are renderings, too
			x.Renderings["cloud_"+k] = y
		}
		var want meaning
		from := ""
		if a, ok := x.Renderings["networkd_eth1"]; ok { // two files of one guest
			x.Renderings["networkd"] = []any{a, x.Renderings["networkd_eth99"]}
			delete(x.Renderings, "networkd_eth1")
			delete(x.Renderings, "networkd_eth99")
		}
		for _, kind := range slices.Sorted(maps.Keys(x.Renderings)) {
			m := rendered(kind, x.Renderings[kind])
			if m == nil {
				continue
			}
			res := read(m)
			if len(res.Problems) > 0 {
				t.Errorf("%s %s: %v", x.Name, kind, res.Problems)
			}
			got := meaningOf(res)
			if from == "" {
				want, from = got, kind
				continue
			}
			same("addresses", x.Name, kind, from, &n.addr, got.Addresses, want.Addresses)
			same("gateways", x.Name, kind, from, &n.gw, got.Gateways, want.Gateways)
			if !strings.HasPrefix(kind, "eni") && strings.HasPrefix(from, "eni") {
				want.MACs, from = got.MACs, kind // interfaces(5) cannot match by address
			} else if !strings.HasPrefix(kind, "eni") {
				same("hardware addresses", x.Name, kind, from, &n.mac, got.MACs, want.MACs)
			}
			same("bonds, bridges, VLANs", x.Name, kind, from, &n.stack, got.Stacked, want.Stacked)
		}
	}
	// What is left: an InfiniBand card that netplan's form cannot say, and
	// gateways that SUSE's renderings have in files (ifroute-*) that are not in the
	// corpus.
	for what, k := range map[string]struct {
		count
		differ int
	}{"addresses": {n.addr, 6}, "gateways": {n.gw, 10}, "hardware addresses": {n.mac, 4}, "bonds, bridges, VLANs": {n.stack, 0}} {
		if k.compared-k.agree > k.differ {
			t.Errorf("%s: %d of %d renderings differ, %d were known", what, k.compared-k.agree, k.compared, k.differ)
		}
	}
	t.Logf("agreeing of compared: addresses %v, gateways %v, hardware addresses %v, bonds bridges and VLANs %v", n.addr, n.gw, n.mac, n.stack)
}

// Whole trees that cloud-init's tests render from one file.
func TestCorpusArtifacts(t *testing.T) {
	dir := filepath.Join(need.Corpora(t, "cloud-init-net"), "artifacts")
	for _, c := range []struct{ tree, yaml string }{
		{"openstack_net_config_v1", "openstack_net_config_v1.yaml"}, {"photon_net_config_v2", "photon_net_config_v2.yaml"}, {"no_matching_mac", "no_matching_mac_v2.yaml"},
	} {
		m := fstest.MapFS{}
		root := filepath.Join(dir, c.tree)
		if err := filepath.WalkDir(root, func(p string, e os.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			b, err := os.ReadFile(p)
			rel, _ := filepath.Rel(root, p)
			m[rel] = text(string(b))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(dir, c.yaml))
		if err != nil {
			t.Fatal(err)
		}
		y := string(b)
		if !strings.Contains(y, "network:") {
			y = "network:\n  " + strings.ReplaceAll(y, "\n", "\n  ")
		}
		from, to := read(fstest.MapFS{"etc/cloud/cloud.cfg.d/a.cfg": text(y)}), read(m)
		if len(from.Problems)+len(to.Problems) > 0 {
			t.Errorf("%s: %v %v", c.tree, from.Problems, to.Problems)
		}
		a, b2 := meaningOf(from), meaningOf(to)
		if c.tree == "no_matching_mac" {
			// Its profiles go by the definitions' ids, as cloud-init writes them, and
			// NetworkManager's default for a profile without addresses is DHCP.
			a.DHCP, b2.DHCP = nil, nil
		}
		if d := cmp.Diff(a, b2); d != "" {
			t.Errorf("%s: %s", c.tree, d)
		}
	}
}

// ifcfg values, against NetworkManager's reader.
func TestCorpusQuoting(t *testing.T) {
	var c struct {
		Cases []struct {
			Value       string
			ExpectedHex string `json:"expected_hex"`
			Error       bool
		}
	}
	load(t, "networkmanager/svunescape.json", &c)
	bad := 0
	for _, x := range c.Cases {
		got, ok := netcfg.Unquote(x.Value)
		want := unhex(t, x.ExpectedHex)
		if ok == x.Error || ok && got != want {
			bad++
			t.Errorf("%q: %q %v, want %q, error %v", x.Value, got, ok, want, x.Error)
		}
	}
	t.Logf("%d cases, %d agree", len(c.Cases), len(c.Cases)-bad)
}

func unhex(t *testing.T, s string) string {
	b := make([]byte, len(s)/2)
	for i := range b {
		v := strings.IndexByte("0123456789abcdef", s[2*i])<<4 | strings.IndexByte("0123456789abcdef", s[2*i+1])
		b[i] = byte(v)
	}
	return string(b)
}

package netcfg_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"migimg/internal/need"
)

type netplanCase struct {
	Test, YAML   string
	Confs        map[string]string
	Networkd, NM map[string]string
	ExpectFail   bool `json:"expect_fail"`
	Depends      bool `json:"depends_on_other_files"`
	IgnoreErrors bool `json:"ignore_errors"`
}

// What netplan's own generator makes of a YAML file for networkd and for
// NetworkManager means the same as the file.
func TestCorpusNetplan(t *testing.T) {
	var c struct{ Cases []netplanCase }
	load(t, "netplan/generator.json", &c)
	var networkd, nm struct{ compared, agree int }
	invalid, refused, unread := 0, 0, 0
	for _, x := range c.Cases {
		tree := fstest.MapFS{"etc/netplan/a.yaml": text(x.YAML)}
		for n, s := range x.Confs {
			tree["etc/netplan/"+n+".yaml"] = text(s)
		}
		res := read(tree)
		if x.ExpectFail {
			if invalid++; len(res.Problems) > 0 {
				refused++
			}
			continue
		}
		if x.Depends || x.IgnoreErrors {
			continue
		}
		if len(res.Problems) > 0 {
			unread++
			t.Logf("%s: %v", x.Test, res.Problems)
			continue
		}
		want := meaningOf(res)
		compare := func(out fstest.MapFS, n *struct{ compared, agree int }) {
			n.compared++
			got := meaningOf(read(out))
			got.MACs, want.MACs = nil, nil // of cards that a bond takes, netplan's rules say the address
			if d := cmp.Diff(want, got); d != "" {
				t.Logf("%s:\n%s\n%s", x.Test, x.YAML, d)
			} else {
				n.agree++
			}
		}
		if len(x.NM) == 0 && len(x.Networkd) > 0 {
			out := fstest.MapFS{}
			for n, s := range x.Networkd {
				out["etc/systemd/network/10-netplan-"+n] = text(s)
			}
			compare(out, &networkd)
		}
		if len(x.Networkd) == 0 && len(x.NM) > 0 {
			out := fstest.MapFS{}
			for n, s := range x.NM {
				out["etc/NetworkManager/system-connections/netplan-"+n] = text(s)
			}
			compare(out, &nm)
		}
	}
	// What is left: interfaces that belong to Open vSwitch because another
	// definition does, a Wi-Fi card, a VLAN in hardware (SR-IOV), and files with a
	// key twice, which the YAML parser refuses.
	if d := networkd.compared - networkd.agree + nm.compared - nm.agree; d > 10 || unread > 4 {
		t.Errorf("%d differ, %d not read", d, unread)
	}
	t.Logf("%d cases; networkd %d of %d agree, NetworkManager %d of %d; %d valid files not read; of %d that netplan refuses %d are refused here", len(c.Cases),
		networkd.agree, networkd.compared, nm.agree, nm.compared, unread, invalid, refused)
}

// The documentation's examples are all read, and say something.
func TestCorpusNetplanExamples(t *testing.T) {
	dir := filepath.Join(need.Corpora(t, "netplan"), "examples")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var silent []string
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		res := read(fstest.MapFS{"etc/netplan/a.yaml": text(string(b))})
		if len(res.Problems) > 0 {
			t.Errorf("%s: %v", e.Name(), res.Problems)
		}
		if len(res.Configs) == 0 {
			silent = append(silent, e.Name())
		}
	}
	want := []string{"loopback_interface.yaml", "modem.yaml", "network_manager.yaml", "wireless.yaml", "wireless_adhoc.yaml", "wireless_wpa3.yaml", "wpa3_enterprise.yaml", "wpa_enterprise.yaml"}
	if !slices.Equal(silent, want) {
		t.Errorf("nothing found in %s", strings.Join(silent, ", "))
	}
	t.Logf("%d examples, %d without a wired interface", len(entries), len(silent))
}

package facts

import (
	"strings"
	"testing"
)

func FuzzFilters(f *testing.F) {
	for _, s := range []string{
		"*filter\n:INPUT DROP [0:0]\n:a - [0:0]\n-A INPUT -j a\n-A a -i eth0 -p tcp -m multiport --dports 22,80:90 -m comment --comment \"a b\" -j ACCEPT\n-A a -j INPUT\nCOMMIT\n",
		"table inet f {\n set s { type ipv4_addr; elements = { 1.2.3.4, 5.6.7.0/24 } }\n chain input {\n type filter hook input priority 0; policy drop;\n iifname { \"a\", \"b\" } tcp dport { 22 } ct state new accept\n jump x\n }\n}\n",
		"}}}}{{{", "-A", "-A INPUT", "chain a { type filter hook input priority 0; tcp dport",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 16<<10 {
			return
		}
		for _, x := range []Filter{ParseIPTables("/a", s), ParseNFT("/a", s)} {
			x.settle([]int{22})
			for _, a := range x.Allows {
				a.Takes([]int{22, 2222})
				if len(a.Ports) == 0 {
					t.Errorf("%+v lets in nothing", a)
				}
			}
		}
	})
}

func FuzzSSHTuple(f *testing.F) {
	f.Add("allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in_eth0", "10.0.0.5:22")
	f.Fuzz(func(t *testing.T, tuple, addr string) {
		ufwTuple(strings.Fields(tuple))
		listen(sshdLine{value: addr})
		hasWord(tuple, "10.0.0.5")
	})
}

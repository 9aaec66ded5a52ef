package bootcfg

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"migimg/internal/need"

	"github.com/google/go-cmp/cmp"
)

func TestArgs(t *testing.T) {
	for _, c := range []struct {
		name, line string
		want       []Arg
	}{
		{"empty", " \t\n", nil},
		{"plain", "ro root=/dev/sda1", []Arg{{Key: "ro"}, {"root", "/dev/sda1", true}}},
		{"empty value", "a=", []Arg{{"a", "", true}}},
		{"quoted value", `a="b c" d`, []Arg{{"a", "b c", true}, {Key: "d"}}},
		{"quoted argument", `"a=b c" d`, []Arg{{"a", "b c", true}, {Key: "d"}}},
		{"quote inside", `root=UUID="x"`, []Arg{{"root", `UUID="x"`, true}}},
		{"not closed", `a="b c`, []Arg{{"a", "b c", true}}},
		{"two signs", "a=b=c", []Arg{{"a", "b=c", true}}},
		{"sign first", "=a", []Arg{{Key: "=a"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, Args(c.line)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestParam(t *testing.T) {
	line := "root=/dev/sda1 console=tty0 console=ttyS0 rd.driver-blacklist=x root=UUID=1 quiet"
	for _, c := range []struct {
		key, want string
		ok        bool
	}{
		{"root", "UUID=1", true}, {"console", "ttyS0", true}, {"quiet", "", true}, {"roo", "", false},
		{"rd.driver_blacklist", "x", true},
	} {
		if v, ok := Param(line, c.key); v != c.want || ok != c.ok {
			t.Errorf("Param(%q) = %q, %v", c.key, v, ok)
		}
	}
	if d := cmp.Diff([]string{"tty0", "ttyS0"}, Params(line, "console")); d != "" {
		t.Error(d)
	}
}

func TestParseRoot(t *testing.T) {
	for _, c := range []struct{ raw, kind, value string }{
		{"UUID=abc", RootUUID, "abc"},
		{`UUID="abc"`, RootUUID, "abc"},
		{"PARTUUID=1-02", RootPARTUUID, "1-02"},
		{"LABEL=/", RootLABEL, "/"},
		{"PARTLABEL=root", RootPARTLABEL, "root"},
		{"block:UUID=abc", RootUUID, "abc"},
		{"/dev/disk/by-uuid/abc", RootUUID, "abc"},
		{`/dev/disk/by-label/my\x20root`, RootLABEL, "my root"},
		{"/dev/disk/by-partuuid/x", RootPARTUUID, "x"},
		{"/dev/disk/by-id/ata-x-part1", RootDevice, "/dev/disk/by-id/ata-x-part1"},
		{"/dev/disk/by-path/pci-1", RootDevice, "/dev/disk/by-path/pci-1"},
		{"/dev/sda1", RootDevice, "/dev/sda1"},
		{"/dev/nvme0n1p2", RootDevice, "/dev/nvme0n1p2"},
		{"/dev/cciss/c0d0p1", RootDevice, "/dev/cciss/c0d0p1"},
		{"/dev/mapper/vg-lv", RootMapper, "/dev/mapper/vg-lv"},
		{"/dev/vg0/root", RootMapper, "/dev/vg0/root"},
		{"/dev/md0", RootMD, "/dev/md0"},
		{"/dev/md/root", RootMD, "/dev/md/root"},
		{"/dev/nfs", RootOther, "/dev/nfs"},
		{"ZFS=rpool/ROOT", RootOther, "ZFS=rpool/ROOT"},
		{"live:CDLABEL=x", RootOther, "live:CDLABEL=x"},
		{"801", RootOther, "801"},
	} {
		if got := ParseRoot(c.raw); got != (Root{c.kind, c.value, c.raw}) {
			t.Errorf("ParseRoot(%q) = %+v", c.raw, got)
		}
	}
	if _, ok := RootSpec("ro quiet"); ok {
		t.Error("a root without root=")
	}
	if r, ok := RootSpec("root=/dev/sda1 root=LABEL=x"); !ok || r.Kind != RootLABEL {
		t.Errorf("the last root= does not count: %+v", r)
	}
}

// TestBooster compares with booster's tests. Where booster's reader is not the
// kernel's the case is named with the reason.
func TestBooster(t *testing.T) {
	differs := map[string]string{
		`\param00=test00`:                  "booster drops a backslash, next_arg keeps it",
		`param14=te\ st14`:                 "a backslash does not protect a space from next_arg",
		`param15="te\"st15"`:               "nor a quote",
		`=test21`:                          "next_arg takes a sign in front for a part of the key",
		`param17="te"st17"`:                "only the last quote is taken off",
		`param22="test22 param23="test23"`: "only the last quote is taken off",
	}
	raw, err := os.ReadFile(filepath.Join(need.Corpora(t, "booster"), "cmdline.json"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Cases []struct {
			Input     string
			Params    []struct{ Key, Value string }
			RootMount string `json:"root_mount"`
		}
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	agree, differ := 0, 0
	for _, c := range doc.Cases {
		if c.RootMount != "" { // the last of ro and rw counts
			mode := "rw"
			for _, a := range Args(c.Input) {
				if a.Key == "ro" || a.Key == "rw" {
					mode = a.Key
				}
			}
			if mode != c.RootMount {
				t.Errorf("%q: %s, want %s", c.Input, mode, c.RootMount)
			}
			agree++
			continue
		}
		got := Args(c.Input)
		same := len(got) >= len(c.Params)
		for i, p := range c.Params {
			same = same && got[i].Key == p.Key
			v := got[i].Value
			if p.Key == "root" { // userland takes the quotes off within the value
				r := ParseRoot(v)
				v = r.Kind + "=" + r.Value
			}
			same = same && v == p.Value
		}
		_, known := differs[c.Input]
		switch {
		case same && !known:
			agree++
		case !same && known:
			differ++
		default:
			t.Errorf("%q: %+v, booster says %+v (known difference: %v)", c.Input, got, c.Params, known)
		}
	}
	t.Logf("%d agree, %d differ for known reasons", agree, differ)
}

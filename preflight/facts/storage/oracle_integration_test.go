//go:build integration

package storage

import (
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"migimg/internal/need"
)

func output(t *testing.T, stdin string, env []string, name string, args ...string) string {
	t.Helper()
	c := exec.Command(name, args...)
	c.Env = append(os.Environ(), env...)
	c.Stdin = strings.NewReader(stdin)
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s %v: %v", name, args, err)
	}
	return string(out)
}

// What LVM itself makes of configurations, by lvmconfig.
func TestLVMConfig(t *testing.T) {
	need.Tool(t, "lvmconfig")
	cases := []string{
		"devices {\n\tfilter = [ \"a|^/dev/sd|\", \"r|.*|\" ]\n}\n",
		"devices { filter = \"r|x|\" global_filter=['a/one/','r/two/'] }",
		"devices/filter = [ \"a|x|\" ]\nglobal { system_id_source = \"uname\" locking_type = 1 }\n",
		"# c\ndevices { # d\n filter = [ # e\n \"a|#|\", # f\n \"r|.*|\" ] }\n",
		"devices { filter = [ \"a|a\\\"b|\" ] }",
		"devices { filter = [ \"a|a\\\\.b|\" ] }",
		"devices { filter = [ \"a|x|\" ]\n filter = [ \"r|y|\" ] }",
		"devices { use_devicesfile = 1 devicesfile = \"other.devices\" }\n",
		"global { use_lvmlockd = 1 }\ndevices {\n\n}\nlocal { system_id = \"abc\" }",
	}
	n := 0
	for _, text := range cases {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "lvm.conf"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		theirs, err := ParseLVMConf(output(t, "", []string{"LVM_SYSTEM_DIR=" + dir, "LVM_SUPPRESS_FD_WARNINGS=1"}, "lvmconfig", "--type", "current"))
		if err != nil {
			t.Fatal(err)
		}
		ours, err := ParseLVMConf(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		for k, v := range ours {
			if x := theirs[k]; !slices.Equal(x.Words, v.Words) {
				t.Errorf("%q: %s is %q; LVM has %q", text, k, v.Words, x.Words)
			} else {
				n++
			}
		}
	}
	for _, bad := range []string{"devices { filter = [ \"a|x|\"", "devices {", "devices { filter = }", "}", "x"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "lvm.conf"), []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		c := exec.Command("lvmconfig", "--type", "current")
		c.Env = append(os.Environ(), "LVM_SYSTEM_DIR="+dir, "LVM_SUPPRESS_FD_WARNINGS=1")
		if _, err := ParseLVMConf(bad); (c.Run() == nil) != (err == nil) {
			t.Errorf("%q: %v, LVM does not agree", bad, err)
		}
	}
	t.Logf("%d settings of %d files agree", n, len(cases))
}

// Filters on a real physical volume: whether LVM lists it.
func TestLVMFilterPVS(t *testing.T) {
	need.Root(t)
	need.Tool(t, "pvs", "pvcreate", "losetup")
	img := filepath.Join(t.TempDir(), "pv")
	if err := os.WriteFile(img, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(img, 16<<20); err != nil {
		t.Fatal(err)
	}
	dev := strings.TrimSpace(output(t, "", nil, "losetup", "--find", "--show", img))
	t.Cleanup(func() { _ = exec.Command("losetup", "-d", dev).Run() })
	base := filepath.Base(dev)
	only := `devices { use_devicesfile=0 external_device_info_source="none" obtain_device_list_from_udev=0 scan="/dev" filter=%s }`
	conf := func(words []string) string {
		var q []string
		for _, w := range words {
			q = append(q, `"`+strings.ReplaceAll(w, `\`, `\\`)+`"`)
		}
		return fmt.Sprintf(only, "["+strings.Join(q, ",")+"]")
	}
	output(t, "", []string{"LVM_SUPPRESS_FD_WARNINGS=1"}, "pvcreate", "-qq", "-y", "--config", conf([]string{"a|.*|"}), dev)
	n := 0
	for _, words := range [][]string{
		{"a|.*|"}, {"r|.*|"}, {"a|^" + dev + "$|", "r|.*|"}, {"a|^/dev/vd|", "r|.*|"}, {"r|" + base + "|"}, {"r|" + base + "|", "a|.*|"}, {"a|loop[0-9]*$|", "r|.*|"},
		{"a(/dev/loop)", "r(.*)"}, {"a/loop/", "r/.*/"}, {"r|/dev/sd|"}, {"a|/dev/l..p|", "r|.*|"}, {"a|/dev/lo+p|", "r|.*|"}, {"a|^/dev/(sda|" + base + ")$|", "r|.*|"}, {"a|^loop|", "r|.*|"}, {"a|/dev/[^l]|", "r|/dev|"},
	} {
		f, err := ParseLVMFilter(words)
		if err != nil {
			t.Errorf("%q: %v", words, err)
			continue
		}
		c := exec.Command("pvs", "--noheadings", "-o", "pv_name", "--config", conf(words))
		c.Env = append(os.Environ(), "LVM_SUPPRESS_FD_WARNINGS=1")
		out, _ := c.Output() // without device mapper it complains, and lists all the same
		listed := regexp.MustCompile(`(?m)^\s*` + regexp.QuoteMeta(dev) + `\s*$`).Match(out)
		// udev's other names of the device come into it, too.
		if ok, by := f.Accepts(dev); ok != listed {
			t.Errorf("%q: %v by %s; pvs lists it: %v", words, ok, by, listed)
			continue
		}
		n++
	}
	t.Logf("%d filters agree", n)
}

// Headers that cryptsetup makes, with tokens in them.
func TestCryptsetup(t *testing.T) {
	need.Tool(t, "cryptsetup")
	pin := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"dir","clevis":{"pin":"tpm2","tpm2":{"hash":"sha256"}},"enc":"A256GCM"}`))
	for _, c := range []struct {
		kind   string
		tokens []string
		want   string
	}{
		{"luks1", nil, "1 aes-xts-plain64 slots 0+1 tokens  typed 0+1"},
		{"luks2", nil, "2 aes-xts-plain64 slots 0+1 tokens  typed 0+1"},
		{"luks2", []string{`{"type":"systemd-tpm2","keyslots":["1"],"tpm2-blob":"AAAA","tpm2-pcrs":[7],"tpm2-pcr-bank":"sha256","tpm2-primary-alg":"ecc","tpm2-policy-hash":"00","tpm2-pin":false}`}, "2 aes-xts-plain64 slots 0+1 tokens systemd-tpm2:1 typed 0"},
		{"luks2", []string{`{"type":"clevis","keyslots":["1"],"jwe":{"protected":"` + pin + `"}}`, `{"type":"systemd-recovery","keyslots":["0"]}`}, "2 aes-xts-plain64 slots 0+1 tokens clevis:1/tpm2 systemd-recovery:0 typed 0"},
	} {
		img := filepath.Join(t.TempDir(), "img")
		if err := os.WriteFile(img, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(img, 32<<20); err != nil {
			t.Fatal(err)
		}
		fast := []string{"-q", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"}
		output(t, "secret", nil, "cryptsetup", append([]string{"luksFormat", "--type", c.kind, "--key-file", "-", img}, fast...)...)
		key := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(key, []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
		output(t, "other\n", nil, "cryptsetup", append([]string{"luksAddKey", "--key-file", key, img}, fast...)...)
		for _, tok := range c.tokens {
			output(t, tok, nil, "cryptsetup", "token", "import", "-q", img)
		}
		f, err := os.Open(img)
		if err != nil {
			t.Fatal(err)
		}
		l, err := ReadLUKS(f, 32<<20)
		_ = f.Close()
		if err != nil {
			t.Fatal(err)
		}
		var slots, tokens []string
		for _, s := range l.Slots {
			slots = append(slots, s.ID)
			if s.KDF != "pbkdf2" {
				t.Errorf("slot %s: %s", s.ID, s.KDF)
			}
		}
		for _, x := range l.Tokens {
			w := x.Type + ":" + strings.Join(x.Slots, "+")
			if len(x.Pins) > 0 {
				w += "/" + strings.Join(x.Pins, "+")
			}
			tokens = append(tokens, w)
		}
		if got := fmt.Sprintf("%d %s slots %s tokens %s typed %s", l.Version, l.Cipher, strings.Join(slots, "+"), strings.Join(tokens, " "), strings.Join(l.Typed(), "+")); got != c.want {
			t.Errorf("%s %v: %s, want %s", c.kind, c.tokens, got, c.want)
		}
	}
}

//go:build integration

package luks_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"migimg/blockmap/luks"
	"migimg/blockmap/scantest"
	"migimg/internal/need"
)

func run(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return string(out)
}

// TestCryptsetup compares with what cryptsetup and blkid say of headers that
// cryptsetup made.
func TestCryptsetup(t *testing.T) {
	need.Tool(t, "cryptsetup", "blkid")
	for _, c := range []struct {
		name string
		args []string
	}{
		{"LUKS1", []string{"--type", "luks1", "--cipher", "aes-cbc-essiv:sha256", "--key-size", "256"}},
		{"LUKS2", []string{"--type", "luks2", "--label", "my data", "--subsystem", "sub"}},
		{"LUKS2 with sectors of 512", []string{"--type", "luks2", "--sector-size", "512"}},
		{"LUKS2 with large headers", []string{"--type", "luks2", "--luks2-metadata-size", "1m", "--luks2-keyslots-size", "4m"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			img := filepath.Join(t.TempDir(), "luks.img")
			if err := os.WriteFile(img, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(img, 24<<20); err != nil {
				t.Fatal(err)
			}
			args := append([]string{"cryptsetup", "luksFormat", "-q", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-file", "-"}, c.args...)
			run(t, "secret", append(args, img)...)
			b, err := os.ReadFile(img)
			if err != nil {
				t.Fatal(err)
			}
			r, free, err := scantest.Scan(t, luks.Scanner{}, b)
			if err != nil || len(free) > 0 || len(r.Warnings) > 0 {
				t.Fatalf("%+v, %v, %v", r, free, err)
			}
			dump := run(t, "", "cryptsetup", "luksDump", img)
			said := func(pattern string) string {
				m := regexp.MustCompile(`(?m)^\s*` + pattern + `:\s*(.*)$`).FindStringSubmatch(dump)
				if m == nil {
					return ""
				}
				return strings.TrimSpace(m[1])
			}
			cipher := said("cipher")
			if cipher == "" {
				cipher = said("Cipher name") + "-" + said("Cipher mode")
			}
			words := strings.Join(r.Features, "; ")
			if r.UUID != said("UUID") || !strings.Contains(words, cipher) || !strings.Contains(words, "LUKS"+said("Version")) {
				t.Errorf("%+v\ncryptsetup says\n%s", r, dump)
			}
			if s := said(`sector`); s != "" && !strings.Contains(words, "sectors of "+strings.Fields(s)[0]) {
				t.Errorf("%q; sector %s", words, s)
			}
			blkid := run(t, "", "blkid", "-p", "-o", "value", "-s", "TYPE", "-s", "LABEL", "-s", "UUID", img)
			for _, w := range []string{r.Type, r.UUID, r.Label} {
				if !strings.Contains(blkid, w) {
					t.Errorf("%q is not what blkid says: %s", w, blkid)
				}
			}
			t.Logf("%q %q", r.Label, r.Features)
		})
	}
}

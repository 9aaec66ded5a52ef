package preflight

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"io"
	"testing"
	"testing/fstest"

	"migimg/blockmap"
)

// Who opens an encrypted volume, by its header and /etc/crypttab.
func TestLUKSChecks(t *testing.T) {
	const uuid = "22222222-2222-3333-4444-555555555555"
	jwe := func(pin string) string {
		return `{"type":"clevis","keyslots":["1"],"jwe":{"ciphertext":"SECRET","protected":"` + base64.RawURLEncoding.EncodeToString([]byte(`{"clevis":{"pin":"`+pin+`"}}`)) + `"}}`
	}
	const (
		one    = `{"keyslots":{"0":{"type":"luks2","kdf":{"type":"argon2id","salt":"SECRET"}}}`
		two    = `{"keyslots":{"0":{"type":"luks2"},"1":{"type":"luks2"}}`
		second = `{"keyslots":{"1":{"type":"luks2"}}`
		tpm    = `{"type":"systemd-tpm2","keyslots":["1"],"tpm2-blob":"SECRET"}`
		fido   = `{"type":"systemd-fido2","keyslots":["1"]}`
	)
	for _, c := range []struct {
		name, slots, token, crypttab, want string
	}{
		{"a passphrase", one, "", "UUID=" + uuid + " none luks", "warn/high"},
		{"a passphrase, nofail", one, "", "UUID=" + uuid + " none luks,nofail", "warn/low"},
		{"a passphrase, not in crypttab", one, "", "UUID=" + rootUUID + " none luks", "warn/medium"},
		{"a passphrase, crypttab by device", one, "", "/dev/sdb1 none luks", "warn/high"},
		{"TPM and passphrase", two, tpm, "UUID=" + uuid + " none tpm2-device=auto", "fail/high"},
		{"TPM and passphrase, nofail", two, tpm, "UUID=" + uuid + " none tpm2-device=auto,nofail", "fail/medium"},
		{"TPM alone", second, tpm, "UUID=" + uuid + " none tpm2-device=auto", "fail/high"},
		{"clevis with the TPM", two, jwe("tpm2"), "UUID=" + uuid + " none luks", "fail/high"},
		{"clevis with tang", two, jwe("tang"), "UUID=" + uuid + " none _netdev", "warn/medium"},
		{"FIDO2 alone", second, fido, "UUID=" + uuid + " none fido2-device=auto", "fail/high"},
		{"FIDO2 and passphrase", two, fido, "UUID=" + uuid + " none fido2-device=auto", "warn/high"},
		{"no slot", `{"keyslots":{}`, "", "UUID=" + uuid + " none luks", "fail/high"},
		{"a new key at every boot", one, "", "UUID=" + uuid + " /dev/urandom swap", "pass/high"},
		{"no JSON", `{{`, "", "UUID=" + uuid + " none luks", "unknown/high"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := make([]byte, 128<<10)
			copy(b, "LUKS\xba\xbe\x00\x02")
			copy(b[168:], uuid)
			binary.BigEndian.PutUint64(b[8:], 16384)
			doc := c.slots
			if c.token != "" {
				doc += `,"tokens":{"0":` + c.token + `}`
			}
			copy(b[4096:], doc+"}")
			s := disk()
			head := make([]byte, 1<<20+8192)
			if _, err := s.View.ReadAt(head, 0); err != nil && err != io.EOF {
				t.Fatal(err)
			}
			s.View = bytes.NewReader(append(head, b...))
			s.Volumes.Children = append(s.Volumes.Children, &blockmap.VolumeInfo{Report: blockmap.Report{Type: "crypto_LUKS", UUID: uuid}, Name: "2", Start: int64(len(head)), Size: int64(len(b))})
			r := judgeRoot(t, s, with(debian(), map[string]*fstest.MapFile{"etc/crypttab": text("data " + c.crypttab + "\n")}), "kvm")
			if got := find(t, r, "disk.luks", "kvm"); got != c.want {
				t.Errorf("%s, want %s: %s", got, c.want, summaryOf(r, "disk.luks", "kvm"))
			}
			noSecrets(t, r)
		})
	}
}

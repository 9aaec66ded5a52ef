package storage

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"migimg/internal/need"
)

// booster's crypttab cases. Booster unlocks LUKS alone and turns options into
// flags of its own; what both know is compared.
func TestCorpusCrypttab(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(need.Corpora(t, "booster"), "crypttab.json"))
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Cases []struct {
			Test, Input string
			Entries     []map[string]any
			Error       bool
			Initrd      []string `json:"initrd_entries"`
			Field       *string  `json:"keyfile_field"`
			OnDevice    bool     `json:"on_device"`
		}
	}
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	agree, other := 0, 0
	for _, x := range c.Cases {
		var ok bool
		switch {
		case x.Field != nil:
			_, _, on := CryptEntry{Key: *x.Field}.KeyDevice()
			ok = on == x.OnDevice
		case x.Error:
			ok = len(ParseCrypttab(x.Input).Errors) > 0
		case x.Initrd != nil:
			early := []string{}
			for _, e := range ParseCrypttab(x.Input).Entries {
				if e.Early() {
					early = append(early, e.Name)
				}
			}
			ok = slices.Equal(early, x.Initrd)
		default:
			got := ParseCrypttab(x.Input)
			// To unlock at boot: not noauto, and LUKS.
			at := slices.DeleteFunc(slices.Clone(got.Entries), func(e CryptEntry) bool {
				return e.Has("noauto", "swap", "tmp", "plain", "bitlk", "tcrypt")
			})
			ok = len(got.Errors) == 0 && len(at) == len(x.Entries)
			for i := 0; ok && i < len(at); i++ {
				ok = same(at[i], x.Entries[i], &other)
			}
		}
		if !ok {
			t.Errorf("%s: %q: %+v", x.Test, x.Input, ParseCrypttab(x.Input))
			continue
		}
		agree++
	}
	t.Logf("%d cases, %d agree; %d fields are of booster's own and were not compared", len(c.Cases), agree, other)
}

// same compares the fields that both have.
func same(e CryptEntry, want map[string]any, other *int) bool {
	value := func(k string) string { v, _ := e.Value(k); return v }
	for k, v := range want {
		switch k {
		case "name":
			if e.Name != v {
				return false
			}
		case "keyfile":
			if e.Key != v {
				return false
			}
		case "noFail":
			if e.Has("nofail") != v {
				return false
			}
		case "tries", "keyfileOffset", "keyfileSize", "keySlot":
			name := map[string]string{"tries": "tries", "keyfileOffset": "keyfile-offset", "keyfileSize": "keyfile-size", "keySlot": "key-slot"}[k]
			n, _ := json.Marshal(v)
			if got := value(name); got != string(n) && !(got == "" && string(n) == "-1") {
				return false
			}
		case "tpm2Signature":
			if value("tpm2-signature") != v {
				return false
			}
		default:
			*other++
		}
	}
	return true
}

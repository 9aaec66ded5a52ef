package luks_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/luks"
	"migimg/blockmap/scantest"
)

const uuid = "11111111-2222-3333-4444-555555555555"

func volumeOf(b []byte) blockmap.Volume {
	return blockmap.Bytes(bytes.NewReader(b), int64(len(b)), 512)
}

func luks1() []byte {
	b := make([]byte, 64<<10)
	copy(b, "LUKS\xba\xbe\x00\x01aes")
	copy(b[40:], "xts-plain64")
	copy(b[72:], "sha256")
	binary.BigEndian.PutUint32(b[108:], 64)
	copy(b[168:], uuid)
	return b
}

// luks2 has both headers of 16 KiB each.
func luks2(json string) []byte {
	b := make([]byte, 64<<10)
	for i, magic := range []string{"LUKS\xba\xbe", "SKUL\xba\xbe"} {
		h := b[i*16<<10:][:16<<10]
		copy(h, magic+"\x00\x02")
		binary.BigEndian.PutUint64(h[8:], 16<<10)
		copy(h[24:], "my label")
		copy(h[72:], "sha256")
		copy(h[168:], uuid)
		copy(h[208:], "sub")
		binary.BigEndian.PutUint64(h[256:], uint64(i*16<<10))
		copy(h[4096:], json)
		sum := sha256.Sum256(h)
		copy(h[448:], sum[:])
	}
	return b
}

const doc = `{"segments":{"0":{"type":"crypt","encryption":"aes-xts-plain64","sector_size":4096}},"config":{"requirements":{"mandatory":["online-reencrypt"]}}}`

func edited(b []byte, at int, s string) []byte {
	copy(b[at:], s)
	return b
}

func TestScan(t *testing.T) {
	for _, c := range []struct {
		name     string
		img      []byte
		label    string
		features []string
		warn     string
	}{
		{"LUKS1", luks1(), "", []string{"LUKS1", "aes-xts-plain64", "sha256", "512 bits"}, ""},
		{"LUKS2", luks2(doc), "my label", []string{"LUKS2", "subsystem=sub", "aes-xts-plain64, sectors of 4096", "requires online-reencrypt"}, ""},
		{"no JSON", luks2("x"), "my label", []string{"LUKS2", "subsystem=sub"}, ""},
		{"second header only", edited(luks2(doc), 0, "\x00\x00\x00\x00\x00\x00"), "my label", []string{"LUKS2", "subsystem=sub", "aes-xts-plain64, sectors of 4096", "requires online-reencrypt"}, "cryptsetup repair"},
		{"wrong checksum", edited(luks2(doc), 5000, "x"), "my label", []string{"LUKS2", "subsystem=sub"}, "wrong checksum"},
		{"checksum of another kind", edited(luks2(doc), 72, "md5\x00\x00\x00\x00"), "my label", []string{"LUKS2", "subsystem=sub"}, `"md5"`},
		{"large", edited(luks2(doc), 8, "\xff\xff"), "my label", []string{"LUKS2", "subsystem=sub"}, "size or place"},
		{"larger than the volume", edited(luks2(doc), 8, "\x00\x00\x00\x00\x00\x10\x00\x00"), "my label", []string{"LUKS2", "subsystem=sub"}, "size or place"},
		{"elsewhere", edited(luks2(doc), 256, "\x01"), "my label", []string{"LUKS2", "subsystem=sub"}, "size or place"},
		{"version 3", edited(luks1(), 6, "\x00\x03"), "", nil, "version 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, free, err := scantest.Scan(t, luks.Scanner{}, c.img)
			if err != nil || len(free) > 0 || !strings.HasPrefix(r.Whole, "encrypted: free space cannot be told from data") {
				t.Fatalf("%+v, %v, %v", r, free, err)
			}
			if r.Label != c.label || !slices.Equal(r.Features, c.features) || r.UUID != uuid && c.features != nil {
				t.Errorf("%+v", r)
			}
			if (len(r.Warnings) > 0) != (c.warn != "") || !strings.Contains(strings.Join(r.Warnings, "\n"), c.warn) {
				t.Errorf("%q", r.Warnings)
			}
			_, info, err := blockmap.Scan(context.Background(), volumeOf(c.img), []blockmap.Scanner{luks.Scanner{}}, blockmap.ScanOptions{})
			if err != nil || info.Type != "crypto_LUKS" || info.Carried != int64(len(c.img)) || !strings.HasPrefix(info.Whole, "encrypted") {
				t.Errorf("%+v, %v", info, err)
			}
		})
	}
}

func TestHostile(t *testing.T) {
	scantest.Hostile(t, luks.Scanner{}, luks1(), luks2(doc))
}

func FuzzScan(f *testing.F) {
	f.Add(luks1()[:512], "", false)
	f.Add(luks2(doc)[:512], doc, true)
	f.Add(luks2(doc)[16<<10:][:512], `{"segments":{"0":[]}}`, true)
	f.Fuzz(func(t *testing.T, head []byte, json string, second bool) {
		b := make([]byte, 64<<10)
		at := 0
		if second {
			at = 16 << 10
		}
		h := b[at : at+16<<10]
		copy(h[4096:], json)
		copy(h[:4096], head)
		clear(h[448:512])
		sum := sha256.Sum256(h)
		copy(h[448:], sum[:])
		if r, free, err := scantest.Scan(t, luks.Scanner{}, b); len(free) > 0 || err == nil && r.Whole == "" {
			t.Fatalf("%+v, %v, %v", r, free, err)
		}
	})
}

//go:build integration

package swap_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/swap"
	"migimg/internal/need"
)

// What mkswap makes, and what blkid says of it.
func TestMkswap(t *testing.T) {
	need.Tool(t, "mkswap", "blkid", "swaplabel")
	for _, c := range []struct {
		name string
		args []string
		size int64
		free int64
	}{
		{"default", []string{"-L", "swap 1"}, 8 << 20, 8<<20 - 4096},
		{"64 KiB pages", []string{"-p", "65536", "-U", "11111111-2222-3333-4444-555555555555"}, 8 << 20, 8<<20 - 65536},
		{"16 KiB pages, odd size", []string{"-p", "16384"}, 8<<20 + 5000, 8<<20 - 16384},
	} {
		t.Run(c.name, func(t *testing.T) {
			img := filepath.Join(t.TempDir(), "swap.img")
			if err := os.WriteFile(img, bytes.Repeat([]byte{0x5a}, int(c.size)), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("mkswap", append(c.args, img)...).CombinedOutput(); err != nil {
				t.Fatalf("mkswap: %v\n%s", err, out)
			}
			b, err := os.ReadFile(img)
			if err != nil {
				t.Fatal(err)
			}
			m, info, err := blockmap.Scan(context.Background(), blockmap.Bytes(bytes.NewReader(b), c.size, 512), []blockmap.Scanner{swap.Scanner{}}, blockmap.ScanOptions{})
			if err != nil || info.Whole != "" {
				t.Fatalf("%+v, %v", info, err)
			}
			if got := c.size - m.Bytes(); got != c.free {
				t.Errorf("%d bytes are free, must be %d", got, c.free)
			}
			out, err := exec.Command("blkid", "-p", "-o", "export", img).Output()
			if err != nil {
				t.Fatal(err)
			}
			said := map[string]string{}
			for line := range strings.Lines(string(out)) {
				k, v, _ := strings.Cut(strings.TrimSpace(line), "=")
				said[k] = strings.ReplaceAll(v, `\`, "")
			}
			if info.UUID != said["UUID"] || info.Label != said["LABEL"] || info.Type != said["TYPE"] {
				t.Errorf("%+v, blkid says %v", info.Report, said)
			}
			// What is restored from the map is swap still.
			back := make([]byte, c.size)
			if _, err := blockmap.NewView(bytes.NewReader(b), m).ReadAt(back, 0); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(img, back, 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("swaplabel", img).CombinedOutput(); err != nil || !strings.Contains(string(out), info.UUID) {
				t.Errorf("swaplabel: %v\n%s", err, out)
			}
		})
	}
}

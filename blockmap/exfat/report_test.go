package exfat_test

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/exfat"
	"migimg/blockmap/fat"
	"migimg/blockmap/ptable"
	"migimg/blockmap/swap"
	"migimg/internal/need"
)

// variants are filesystems that mkfs.exfat makes without root.
var variants = []struct{ name, size, mkfs string }{
	{"default", "64M", `mkfs.exfat "$IMG"`},
	{"label", "64M", `mkfs.exfat -L "Größe 10 €" "$IMG"`},
	{"small", "2M", `mkfs.exfat -b 64K "$IMG"`},
	{"clusters of 512 bytes", "64M", `mkfs.exfat -c 512 "$IMG"`},
	{"clusters of 128 KiB", "1G", `mkfs.exfat -c 128K -b 1M "$IMG"`},
	{"clusters of 32 MiB", "40G", `mkfs.exfat -c 32M "$IMG"`},
	{"packed", "64M", `mkfs.exfat --pack-bitmap "$IMG"`},
	{"large", "2T", `mkfs.exfat "$IMG"`},
	{"odd size", "70000001", `mkfs.exfat -c 8K "$IMG"`},
	{"smaller than the volume", "64M", `mkfs.exfat "$IMG"; truncate -s 70000001 "$IMG"`},
}

// Map and report against dump.exfat and blkid.
func TestVariants(t *testing.T) {
	need.Tool(t, "mkfs.exfat", "dump.exfat", "blkid", "sh")
	for _, c := range variants {
		t.Run(c.name, func(t *testing.T) {
			img := filepath.Join(t.TempDir(), "fs.img")
			cmd := exec.Command("sh", "-ec", `truncate -s "$SIZE" "$IMG"; `+c.mkfs)
			cmd.Env = append(cmd.Environ(), "IMG="+img, "SIZE="+c.size, "LC_ALL=C.UTF-8")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if c.name == "large" {
				scatter(t, img)
			}
			f, err := os.Open(img)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = f.Close() })
			st, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			m, info, err := blockmap.Scan(context.Background(), blockmap.Bytes(f, st.Size(), 512), []blockmap.Scanner{ptable.Scanner{}, swap.Scanner{}, fat.Scanner{}, exfat.Scanner{Still: true}}, blockmap.ScanOptions{})
			if err != nil || info.Whole != "" || len(info.Warnings) > 0 {
				t.Fatalf("%+v, %v", info, err)
			}
			var free []blockmap.Range
			at := int64(0)
			for r := range m.Ranges(0, st.Size()) {
				if r.Off > at {
					free = append(free, blockmap.Range{Off: at, Len: r.Off - at})
				}
				at = r.End()
			}
			if at < st.Size() {
				free = append(free, blockmap.Range{Off: at, Len: st.Size() - at})
			}
			if want := freeOf(t, img); !slices.Equal(free, want) {
				t.Errorf("free: %v\ndump.exfat: %v", free, want)
			}
			out, err := exec.Command("blkid", "-p", "-o", "value", "-s", "TYPE", "-s", "UUID", "-s", "LABEL", img).Output()
			if err != nil {
				t.Fatal(err)
			}
			said := strings.Split(strings.TrimSpace(string(out)), "\n")
			is := []string{info.UUID, info.Type}
			if info.Label != "" {
				is = append(is, info.Label)
			}
			slices.Sort(is)
			slices.Sort(said)
			if !slices.Equal(is, said) {
				t.Errorf("%q; blkid says %q", is, said)
			}
			if want := runDump(t, img)["Cluster size"]; info.BlockSize != want {
				t.Errorf("unit %d, must be %d", info.BlockSize, want)
			}
		})
	}
}

// scatter writes random bits into the bitmap on both sides of its first MiB.
func scatter(t *testing.T, img string) {
	t.Helper()
	d := runDump(t, img)
	f, err := os.OpenFile(img, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	b := make([]byte, 4<<10)
	rnd := rand.New(rand.NewPCG(5, 6))
	for i := range b {
		b[i] = byte(rnd.Uint32() & rnd.Uint32())
	}
	at := d["Cluster Heap Offset (sector offset)"]<<d["Sector Size Bits"] + (d["Bitmap start cluster"]-2)*d["Cluster size"]
	if _, err := f.WriteAt(b, at+1<<20-2<<10); err != nil {
		t.Fatal(err)
	}
}

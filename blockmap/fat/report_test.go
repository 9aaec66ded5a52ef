package fat_test

import (
	"context"
	"errors"
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
	"migimg/blockmap/scantest"
	"migimg/blockmap/swap"
	"migimg/internal/need"
)

// variants are filesystems that mkfs.fat and mformat make without root.
var variants = []struct{ name, size, mkfs string }{
	{"12, floppy", "1440K", `mkfs.fat -n FLOPPY "$IMG"`},
	{"12, 16 MiB", "16M", `mkfs.fat -F 12 "$IMG"`},
	{"12, one FAT", "7M", `mkfs.fat -F 12 -f 1 "$IMG"`},
	{"16", "32M", `mkfs.fat -F 16 -n "TWO WORDS" "$IMG"`},
	{"16, 64 KiB clusters", "2G", `mkfs.fat -F 16 -s 128 "$IMG"`},
	{"16, many root entries", "64M", `mkfs.fat -F 16 -r 4096 -R 9 "$IMG"`},
	{"16, sectors of 4096", "64M", `mkfs.fat -F 16 -S 4096 "$IMG"`},
	{"32", "64M", `mkfs.fat -F 32 -i 00000000 "$IMG"`},
	{"32, EFI system partition", "512M", `mkfs.fat -F 32 -n EFI "$IMG"`},
	{"32, few clusters", "40M", `mkfs.fat -F 32 -s 8 -i abcd1234 "$IMG"; exit`}, // which mtools refuses
	{"32, sectors of 4096", "300M", `mkfs.fat -F 32 -S 4096 "$IMG"`},
	{"32, sectors of 2048", "300M", `mkfs.fat -F 32 -S 2048 -a "$IMG"`},
	{"32, one FAT", "64M", `mkfs.fat -F 32 -f 1 "$IMG"`},
	{"32, no backup", "64M", `mkfs.fat -F 32 -b 0 "$IMG"`},
	{"32, large clusters", "40G", `mkfs.fat -F 32 -s 64 "$IMG"`},
	{"32, many clusters", "8G", `mkfs.fat -F 32 -s 8 "$IMG"`},
	{"32, label in the boot sector alone", "64M", `mkfs.fat -F 32 -n GONE "$IMG"; printf '\345' | dd of="$IMG" bs=1 seek=$((0x100800+0)) conv=notrunc`},
	{"32, smaller than the volume", "64M", `mkfs.fat -F 32 -s 1 "$IMG" 50000; truncate -s 70000001 "$IMG"`},
	{"mformat, floppy", "1440K", `mformat -i "$IMG" -f 1440 -v "of mtools" ::`},
	{"mformat, 16", "64M", `mformat -i "$IMG" -T 131072 -h 16 -s 63 ::`},
	{"mformat, 32", "600M", `mformat -i "$IMG" -F -T 1228800 -h 255 -s 63 -v X ::`},
}

// Map and report against fsck.fat and blkid.
func TestVariants(t *testing.T) {
	need.Tool(t, "mkfs.fat", "fsck.fat", "blkid", "mformat", "mcopy", "sh")
	src := t.TempDir()
	for name, n := range map[string]int{"small": 10, "a long name of a file.txt": 5000, "large": 700_000} {
		if err := os.WriteFile(filepath.Join(src, name), make([]byte, n), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range variants {
		t.Run(c.name, func(t *testing.T) {
			img := filepath.Join(t.TempDir(), "fs.img")
			cmd := exec.Command("sh", "-ec", `truncate -s "$SIZE" "$IMG"; `+c.mkfs+`; mcopy -i "$IMG" "$SRC"/* ::`)
			cmd.Env = append(cmd.Environ(), "IMG="+img, "SIZE="+c.size, "SRC="+src, "LC_ALL=C")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
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
			m, info, err := blockmap.Scan(context.Background(), blockmap.Bytes(f, st.Size(), 512), []blockmap.Scanner{ptable.Scanner{}, swap.Scanner{}, exfat.Scanner{Still: true}, fat.Scanner{}}, blockmap.ScanOptions{})
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
				t.Errorf("free: %v\nfsck.fat: %v", free, want)
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
			if info.UUID != said["UUID"] || info.Label != said["LABEL"] || info.Type != said["TYPE"] || info.Features[0] != said["VERSION"] {
				t.Errorf("%s %q %q %q; blkid says %v", info.Type, info.UUID, info.Label, info.Features, said)
			}
			if k := runFsck(t, img); info.BlockSize != k.cluster {
				t.Errorf("unit %d, must be %d", info.BlockSize, k.cluster)
			}
		})
	}
}

// A filesystem that a crash left marked as mounted has the same map, where it
// cannot be mounted.
func TestCrashed(t *testing.T) {
	need.Tool(t, "mkfs.fat", "mcopy", "fsck.fat", "sh")
	for _, c := range []struct{ name, mkfs, at string }{
		{"12", "mkfs.fat -F 12", "37"},
		{"16", "mkfs.fat -F 16 -s 2", "37"},
		{"32", "mkfs.fat -F 32 -s 1", "65"},
	} {
		t.Run(c.name, func(t *testing.T) {
			img := filepath.Join(t.TempDir(), "fs.img")
			cmd := exec.Command("sh", "-ec", `truncate -s 34M "$IMG"; `+c.mkfs+` "$IMG"; mcopy -s -i "$IMG" ./* ::; printf '\001' | dd of="$IMG" bs=1 seek=`+c.at+` conv=notrunc`)
			cmd.Env = append(cmd.Environ(), "IMG="+img)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			b, err := os.ReadFile(img)
			if err != nil {
				t.Fatal(err)
			}
			r, free, err := scantest.Scan(t, fat.Scanner{Still: true}, b)
			if err != nil || r.Whole != "" || len(r.Warnings) != 1 {
				t.Fatalf("%+v %v", r, err)
			}
			if want := freeOf(t, img); !slices.Equal(free, want) {
				t.Errorf("free: %v\nfsck.fat: %v", free, want)
			}
		})
	}
}

// What other tools write in the first sectors is not claimed; a FAT whose boot
// sector became a partition table's is not believed.
func TestOthers(t *testing.T) {
	need.Tool(t, "mkfs.fat", "mkfs.exfat", "mke2fs", "mkswap", "sfdisk", "sh")
	for _, c := range []struct {
		name, make string
		claimed    bool
	}{
		{"exFAT", `mkfs.exfat "$IMG"`, false},
		{"ext4", `mke2fs -q -t ext4 "$IMG"`, false},
		{"ext4 over FAT", `mkfs.fat -F 16 "$IMG"; mke2fs -q -F -t ext4 "$IMG"`, false},
		{"swap", `mkswap "$IMG"`, false},
		{"MBR", `echo 2048,8192,c | sfdisk "$IMG"`, false},
		{"GPT", `printf 'label: gpt\n2048,8192\n' | sfdisk "$IMG"`, false},
		{"MBR over FAT", `mkfs.fat -F 16 "$IMG"; printf 'label: dos\n2048,8192,c\n' | sfdisk --force --wipe never "$IMG"`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			img := filepath.Join(t.TempDir(), "fs.img")
			cmd := exec.Command("sh", "-ec", `truncate -s 40M "$IMG"; `+c.make)
			cmd.Env = append(cmd.Environ(), "IMG="+img)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			f, err := os.Open(img)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = f.Close() })
			v := blockmap.Bytes(f, 40<<20, 512)
			if err := (fat.Scanner{}).Probe(v); errors.Is(err, blockmap.ErrNotMine) == c.claimed {
				t.Errorf("claimed: %v", err)
			}
			if !c.claimed {
				return
			}
			m, info, err := blockmap.Scan(context.Background(), v, []blockmap.Scanner{ptable.Scanner{}, fat.Scanner{}}, blockmap.ScanOptions{})
			if err != nil || info.Whole == "" || m.Bytes() != v.Size() {
				t.Errorf("%+v %v", info, err)
			}
		})
	}
}

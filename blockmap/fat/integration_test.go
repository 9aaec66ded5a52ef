//go:build integration

package fat_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/fat"
	"migimg/blockmap/scantest"
	"migimg/internal/need"
)

const mib = 1 << 20

// fill is shell for mtools, for there need not be a kernel that mounts FAT. It
// has no links, and $SRC/sparse is larger than some disks.
const (
	fill   = `rm -f "$SRC/short" "$SRC/long" "$SRC/sparse"; mcopy -s -i "$IMG" "$SRC"/* ::;`
	many   = `mkdir "$SRC/many"; i=0; while [ $i -lt 90 ]; do head -c $((i * 37 % 41 * SIZE * 2)) /dev/urandom >"$SRC/many/file number $i"; i=$((i+1)); done; mcopy -s -i "$IMG" "$SRC/many" ::;`
	holes  = `mdel -i "$IMG" '::/many/*[02468]'; head -c $((SIZE * 900)) /dev/urandom >"$SRC/big"; mcopy -i "$IMG" "$SRC/big" ::;`
	toFull = `head -c $((SIZE * 500)) /dev/urandom >"$SRC/piece"; i=0; while mcopy -i "$IMG" "$SRC/piece" "::piece-$i"; do i=$((i+1)); done; mdel -i "$IMG" "::piece-$((i-1))";`
)

func disk(name string, size int64, mkfs, fill string) scantest.Disk {
	d := scantest.Disk{
		Name: name, Size: size, Mkfs: mkfs + ` "$IMG"; ` + fill,
		Extract: `mcopy -s -n -i "$IMG" ::/ "$DST"`,
	}
	if fill == "" {
		d.Fill = scantest.Empty
	}
	return d
}

// both are the two oracles' word. partclone takes the sectors behind the last
// cluster for free; of FAT12 it has another, wrong notion.
func both(t testing.TB, img string) []blockmap.Range {
	t.Helper()
	free := freeOf(t, img)
	k := runFsck(t, img)
	end := k.dataAt + k.clusters*k.cluster
	other := scantest.Partclone(t, "partclone.vfat", img)
	for i, r := range other {
		other[i].Len = min(r.End(), end) - r.Off
	}
	other = slices.DeleteFunc(other, func(r blockmap.Range) bool { return r.Len <= 0 })
	if !slices.Equal(free, other) {
		t.Errorf("the oracles differ: fsck.fat %v\npartclone %v", free, other)
	}
	return free
}

func TestDisks(t *testing.T) {
	sized := func(n int, s string) string { return fmt.Sprintf("SIZE=%d; ", n) + s }
	disks := []scantest.Disk{
		disk("12-floppy", 1440<<10, "mkfs.fat -n FLOPPY", fill),
		disk("12-16m-fragmented", 16*mib, "mkfs.fat -F 12", fill+sized(1000, many+holes)),
		disk("12-one-fat-full", 8*mib, "mkfs.fat -F 12 -f 1", fill+sized(500, many+toFull)),
		disk("16-half", 32*mib, "mkfs.fat -F 16 -n LABEL", fill+sized(4000, many)),
		disk("16-large-clusters", 140*mib+7*512, "mkfs.fat -F 16 -s 64", fill+sized(3000, many+holes)),
		disk("32-full-one-fat", 40*mib, "mkfs.fat -F 32 -s 1 -f 1", fill+sized(5000, many+toFull)),
		disk("32-sectors-of-4096", 300*mib, "mkfs.fat -F 32 -S 4096", fill+sized(4000, many)),
		disk("32-empty", 64*mib, "mkfs.fat -F 32", ""),
		disk("mformat-32", 100*mib, `f() { mformat -i "$1" -F -T 204800 -h 16 -s 63 -v MTOOLS ::; }; f`, fill+sized(3000, many+holes)),
	}
	for _, c := range []struct{ name, script string }{
		{"dirty-16", `mkfs.fat -F 16 "$IMG"; printf '\001' | dd of="$IMG" bs=1 seek=37 conv=notrunc`},
		{"dirty-32", `mkfs.fat -F 32 -s 1 "$IMG"; printf '\001' | dd of="$IMG" bs=1 seek=65 conv=notrunc`},
		{"cut", `mkfs.fat -F 16 "$IMG"; truncate -s -512 "$IMG"`},
	} {
		disks = append(disks, scantest.Disk{Name: c.name, Size: 40 * mib, Mkfs: c.script, Fill: scantest.Empty, Whole: true})
	}
	suite := scantest.Suite{
		Scanner: fat.Scanner{},
		Check:   `fsck.fat -n "$IMG"`,
		Free:    freeOf,
		Tools:   []string{"mkfs.fat", "fsck.fat", "mcopy", "mdel", "mformat", "partclone.vfat", "dd", "truncate"},
		Disks:   disks,
	}
	scantest.Run(t, suite)
	suite.Free = both
	suite.Disks = []scantest.Disk{
		disk("16-fragmented-4096", 64*mib, "mkfs.fat -F 16 -S 4096", fill+sized(5000, many+holes)),
		disk("16-full", 24*mib, "mkfs.fat -F 16 -s 1", fill+sized(2000, many+toFull)),
		disk("32-esp", 128*mib, "mkfs.fat -F 32 -n EFI", fill),
		disk("32-longer-volume", 80*mib+512, `f() { mkfs.fat -F 32 -s 1 "$1" 70000; }; f`, fill+sized(2000, many+holes)),
	}
	scantest.Run(t, suite)
}

// Deleted files are nowhere in what is carried.
func TestLeak(t *testing.T) {
	need.Tool(t, "mkfs.fat", "mcopy", "mdel", "sh")
	const pattern = "MIGIMG DELETED!\n"
	src := filepath.Join(t.TempDir(), "gone")
	if err := os.WriteFile(src, bytes.Repeat([]byte(pattern), 300<<10/len(pattern)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"12", "16", "32 -s 1"} {
		img := filepath.Join(t.TempDir(), "fs.img")
		cmd := exec.Command("sh", "-ec", `truncate -s 33M "$IMG"; mkfs.fat -F `+kind+` "$IMG"; i=0
			while [ $i -lt 12 ]; do mcopy -i "$IMG" "$SRC" ::gone$i; mcopy -i "$IMG" "$0" ::stays$i; i=$((i+1)); done
			mdel -i "$IMG" '::gone*'`, "/bin/sh")
		cmd.Env = append(cmd.Environ(), "IMG="+img, "SRC="+src)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		b, err := os.ReadFile(img)
		if err != nil {
			t.Fatal(err)
		}
		m, info, err := blockmap.Scan(context.Background(), blockmap.Bytes(bytes.NewReader(b), int64(len(b)), 512), []blockmap.Scanner{fat.Scanner{}}, blockmap.ScanOptions{})
		if err != nil || info.Whole != "" {
			t.Fatalf("%+v %v", info, err)
		}
		seen := make([]byte, len(b))
		if _, err := blockmap.NewView(bytes.NewReader(b), m).ReadAt(seen, 0); err != nil {
			t.Fatal(err)
		}
		raw, carried := bytes.Count(b, []byte(pattern)), bytes.Count(seen, []byte(pattern))
		if raw < 1000 || carried != 0 {
			t.Errorf("FAT%s: %d of %d pieces of deleted files are carried", kind, carried, raw)
		}
	}
}

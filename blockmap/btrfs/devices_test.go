//go:build integration

package btrfs_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/btrfs"
	"migimg/internal/need"
	"migimg/internal/shell"
)

// array is images that hold one filesystem together, on loop devices.
type array struct {
	images, loops []string
	dir           string
}

func (a *array) attach(t *testing.T) {
	t.Helper()
	a.loops = nil
	for _, img := range a.images {
		a.loops = append(a.loops, strings.TrimSpace(shell.Run(t, `losetup -f --show $IMG`, "IMG="+img)))
	}
}

func (a *array) detach(t *testing.T) {
	for _, l := range a.loops {
		shell.Run(t, `losetup -d $L; btrfs device scan -u $L || true`, "L="+l)
	}
	a.loops = nil
}

func (a *array) env() []string {
	return []string{"LOOPS=" + strings.Join(a.loops, " "), "ONE=" + a.loops[0], "DIR=" + a.dir}
}

const hashes = `btrfs device scan $LOOPS >&2; mount -o ro $ONE $DIR; (cd $DIR; find . -type f | sort | xargs sha256sum); umount $DIR`

// TestDevices has filesystems on several devices: each device's map is exact,
// and with what is free on all of them overwritten, the filesystem is as it was.
func TestDevices(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mkfs.btrfs", "btrfs", "losetup", "mount")
	for _, c := range []struct {
		name, mkfs string
		n          int
		whole      string
	}{
		{"raid1-data-raid0", "-m raid1 -d raid0", 2, ""},
		{"raid1c4-data-raid10", "-m raid1c4 -d raid10", 4, ""},
		{"raid1c3-data-raid5", "-m raid1c3 -d raid5", 3, ""},
		{"raid0", "-m raid0 -d raid0", 2, "other devices"},
		{"raid5", "-m raid5 -d raid5", 3, "parity"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			a := &array{dir: t.TempDir()}
			for i := range c.n {
				a.images = append(a.images, filepath.Join(dir, fmt.Sprintf("%d.img", i+1)))
				shell.Run(t, `truncate -s 200M $IMG`, "IMG="+a.images[i])
			}
			t.Cleanup(func() { a.detach(t) })
			a.attach(t)
			more := 0
			if c.whole != "" { // with few blocks of metadata, all may be on one device
				more = 8000000
			}
			files := shell.Run(t, `mkfs.btrfs -q -f `+c.mkfs+` $LOOPS >/dev/null 2>&1; mount $ONE $DIR; cd $DIR
				for i in $(seq 60); do head -c $((i*5000)) /dev/urandom > f$i; done; sync -f .; rm f?; head -c $MORE /dev/urandom | split -a 4 -b 5000 - g; head -c 20000000 /dev/urandom > large;
				cd /; umount $DIR; `+hashes, append(a.env(), fmt.Sprint("MORE=", more))...)
			var maps []*blockmap.Map
			var sizes []int64
			for i, img := range a.images {
				f, size := openImage(t, img)
				m, info, err := blockmap.Scan(context.Background(), blockmap.Bytes(f, size, 512), []blockmap.Scanner{btrfs.Scanner{Still: true}}, blockmap.ScanOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if c.whole == "" && info.Whole != "" || !strings.Contains(info.Whole, c.whole) {
					t.Fatalf("whole: %q", info.Whole)
				}
				if len(info.Warnings) != 1 || !strings.Contains(info.Warnings[0], fmt.Sprintf("one of %d devices", c.n)) || !strings.Contains(info.Warnings[0], "; they are 1 (") && c.whole == "" {
					t.Errorf("warnings %q", info.Warnings)
				}
				if c.whole != "" {
					t.Logf("device %d: whole: %s; %s", i+1, info.Whole, info.Warnings)
					continue
				}
				t.Logf("device %d: carried %d of %d KiB", i+1, m.Bytes()>>10, size>>10)
				exact(t, m, size, freeOn(t, a.loops[i], int64(i+1)))
				maps, sizes = append(maps, m), append(sizes, size)
			}
			if c.whole != "" {
				return
			}
			a.detach(t)
			for i, img := range a.images {
				punch(t, img, maps[i], sizes[i])
			}
			a.attach(t)
			if now := shell.Run(t, `btrfs check --check-data-csum $ONE >&2; `+hashes, a.env()...); !sameHashes(files, now) {
				t.Errorf("files were\n%s\nand are\n%s", files, now)
			}
			if c.n > 2 {
				return
			}
			shell.Run(t, `mount $ONE $DIR; btrfs scrub start -B -R $DIR > $DIR/scrub; umount $DIR; mount -o ro $ONE $DIR; cat $DIR/scrub; ! grep -E '(error|corrected)[a-z_]*: [1-9]' $DIR/scrub; umount $DIR`, a.env()...)
		})
	}
}

// sameHashes compares what sha256sum printed, among the rest.
func sameHashes(a, b string) bool {
	only := func(s string) string {
		var out []string
		for line := range strings.Lines(s) {
			if i := strings.Index(line, "  ./"); i == 64 {
				out = append(out, line)
			}
		}
		return strings.Join(out, "")
	}
	return only(a) != "" && only(a) == only(b)
}

// punch overwrites what is free with 0xa5.
func punch(t *testing.T, img string, m *blockmap.Map, size int64) {
	t.Helper()
	f, err := os.OpenFile(img, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	junk := []byte(strings.Repeat("\xa5", 1<<20))
	write := func(off, n int64) {
		for ; n > 0; off, n = off+mib, n-mib {
			if _, err := f.WriteAt(junk[:min(n, mib)], off); err != nil {
				t.Fatal(err)
			}
		}
	}
	at := int64(0)
	for r := range m.Ranges(0, size) {
		write(at, r.Off-at)
		at = r.End()
	}
	write(at, size-at)
}

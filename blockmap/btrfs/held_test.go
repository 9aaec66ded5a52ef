//go:build integration

package btrfs_test

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"migimg/blockmap"
	"migimg/blockmap/btrfs"
	"migimg/blockmap/device"
	"migimg/blockmap/device/snapshots"
	"migimg/internal/need"
	"migimg/internal/shell"
)

// TestHeld makes the image of a filesystem all of whose files are deleted or
// rewritten after the freeze, and whose room is then used again. With snapshots
// each file is in the image as it was, and has its checksums; without them the
// checker finds that they have not.
func TestHeld(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mkfs.btrfs", "btrfs", "losetup", "fsfreeze")
	for _, held := range []bool{true, false} {
		t.Run(map[bool]string{true: "held", false: "not held"}[held], func(t *testing.T) {
			img, dir := t.TempDir(), t.TempDir()
			env := []string{"IMG=" + img, "DIR=" + dir}
			env = append(env, "DEV="+strings.TrimSpace(shell.Run(t, `truncate -s 250M $IMG/live; mkfs.btrfs -q $IMG/live >/dev/null 2>&1; losetup -f --show $IMG/live`, env...)))
			t.Cleanup(func() {
				shell.Run(t, `umount $DIR || true; losetup -d $DEV; for i in $(seq 100); do losetup $DEV >/dev/null 2>&1 || exit 0; sleep 0.1; done; exit 1`, env...)
			})
			shell.Run(t, `mount -o discard=sync,compress=zstd $DEV $DIR; cd $DIR; btrfs subvolume create sub
				for i in $(seq 200); do head -c $((i*997)) /dev/urandom > sub/$i; seq $((i*1000)) > $i; done
				truncate -s 0 nocow; chattr +C nocow; head -c 5M /dev/urandom > nocow; sync -f .; sha256sum [0-9]* nocow sub/* > $IMG/sums`, env...)
			var hold func() *snapshots.Held
			hold = func() *snapshots.Held { return nil }
			if held {
				hold = func() *snapshots.Held {
					h, err := snapshots.Hold(t.Context(), dir)
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { _ = h.Release() })
					return h
				}
			}
			first := hold()
			// These are younger than the snapshots: it takes those after the thaw.
			shell.Run(t, `cd $DIR; for i in $(seq 20); do head -c 100000 /dev/urandom > young$i; done; sync -f .; sha256sum young* >> $IMG/sums`, env...)
			files, m := copyFrozen(t, img, dir, env)
			second := hold()
			shell.Run(t, `cd $DIR; for i in $(seq 200); do head -c $((i*500)) /dev/urandom | dd of=sub/$i conv=notrunc status=none; done; rm [0-9]* young*
				dd if=/dev/urandom of=nocow bs=1M count=5 conv=notrunc status=none; sync -f .
				i=0; while head -c 4M /dev/urandom > more$i 2>/dev/null; do i=$((i+1)); done; sync -f . || true; rm more*; sync -f .`, env...)
			shell.Run(t, `cp $IMG/live $IMG/built`, env...)
			overlay(t, img, files, m)
			shell.Run(t, `btrfs check $IMG/built`, env...)
			if held {
				shell.Run(t, `btrfs check --check-data-csum $IMG/built; mkdir $IMG/mnt; mount -o ro,loop $IMG/built $IMG/mnt; cd $IMG/mnt; r=0; sha256sum --quiet -c $IMG/sums || r=1
					cd /; umount $IMG/mnt; exit $r`, env...)
			} else {
				shell.Run(t, `! btrfs check --check-data-csum $IMG/built`, env...)
			}
			for _, h := range []*snapshots.Held{first, second} {
				if h != nil {
					if err := h.Release(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
}

// copyFrozen freezes the filesystem, scans it and copies what it has on the disk
// to "frozen".
func copyFrozen(t *testing.T, img, dir string, env []string) (*blockmap.Files, *blockmap.Map) {
	t.Helper()
	shell.Run(t, `(sleep 20; fsfreeze -u $DIR) >/dev/null 2>&1 &
		fsfreeze -f $DIR`, env...)
	t.Cleanup(func() { shell.Run(t, `fsfreeze -u $DIR 2>/dev/null || true`, env...) })
	defer shell.Run(t, `fsfreeze -u $DIR`, env...)
	d, err := device.Open(img + "/live")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	files := &blockmap.Files{}
	start := time.Now()
	m, info, err := blockmap.Scan(t.Context(), d, []blockmap.Scanner{btrfs.Scanner{}}, blockmap.ScanOptions{
		Frozen: func(string) bool { return true }, Files: files,
	})
	if err != nil || info.Whole != "" || len(info.Warnings) > 0 {
		t.Fatal(info.Whole, info.Warnings, err)
	}
	t.Logf("scanned in %v while it was frozen", time.Since(start))
	shell.Run(t, `cp --sparse=always $IMG/live $IMG/frozen`, env...)
	return files, m
}

// overlay writes what is pinned over the image that was read later.
func overlay(t *testing.T, img string, files *blockmap.Files, m *blockmap.Map) {
	t.Helper()
	from, size := openImage(t, img+"/frozen")
	to, err := os.OpenFile(img+"/built", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	pinned := int64(0)
	for r := range files.Pinned(m, 0, size) {
		if _, err := io.Copy(io.NewOffsetWriter(to, r.Off), io.NewSectionReader(from, r.Off, r.Len)); err != nil {
			t.Fatal(err)
		}
		pinned += r.Len
	}
	t.Logf("%d KiB pinned", pinned>>10)
}

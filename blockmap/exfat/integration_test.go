//go:build integration

package exfat_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/exfat"
	"migimg/blockmap/scantest"
)

const mib = 1 << 20

func disk(name string, size int64, options string, fill scantest.Fill) scantest.Disk {
	return scantest.Disk{Name: name, Size: size, Mkfs: "mkfs.exfat " + options + ` "$IMG"`, Fill: fill}
}

// partclone is what partclone's domain log says is free.
func partclone(t testing.TB, img string) (free []blockmap.Range) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	if out, err := exec.Command("partclone.exfat", "-q", "-L", log+".txt", "-D", "-s", img, "-o", log).CombinedOutput(); err != nil {
		t.Fatalf("partclone.exfat: %v\n%s", err, out)
	}
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var r blockmap.Range
		var status string
		if n, _ := fmt.Sscanf(line, "0x%x 0x%x %s", &r.Off, &r.Len, &status); n == 3 && status == "?" {
			free = append(free, r)
		}
	}
	return free
}

// both are the word of dump.exfat and of partclone.
func both(t testing.TB, img string) []blockmap.Range {
	t.Helper()
	free, other := freeOf(t, img), partclone(t, img)
	if !slices.Equal(free, other) {
		t.Errorf("the oracles differ: dump.exfat %v\npartclone %v", free, other)
	}
	return free
}

// The disks are filled by the driver of exfat-fuse, for there need not be a
// kernel that mounts exFAT.
func TestDisks(t *testing.T) {
	suite := scantest.Suite{
		Scanner: exfat.Scanner{Still: true},
		Mount:   "exfat-fuse",
		Check:   `fsck.exfat -n "$IMG"`,
		Free:    freeOf,
		Tools:   []string{"mkfs.exfat", "fsck.exfat", "dump.exfat", "mount.exfat-fuse", "partclone.exfat", "dd", "truncate"},
		Disks: []scantest.Disk{
			disk("light", 64*mib, "-L label", scantest.Light),
			disk("empty", 64*mib, "", scantest.Empty),
			disk("512-byte-clusters-fragmented", 48*mib, "-c 512", scantest.Fragmented),
			disk("full", 48*mib, "-c 4K", scantest.Full),
		},
	}
	large := disk("large-clusters-half", 96*mib, "-c 64K", scantest.Half)
	large.Granular = true
	whole := func(name, script string) scantest.Disk {
		return scantest.Disk{Name: name, Size: 16 * mib, Mkfs: `mkfs.exfat "$IMG"; ` + script, Fill: scantest.Empty, Whole: true}
	}
	suite.Disks = append(suite.Disks, large,
		whole("dirty", `printf '\002' | dd of="$IMG" bs=1 seek=106 conv=notrunc`),
		whole("cut", `truncate -s -512 "$IMG"`),
		whole("bad-boot-region", `printf '\002' | dd of="$IMG" bs=1 seek=1000 conv=notrunc`),
	)
	scantest.Run(t, suite)
	suite.Free = both
	suite.Disks = []scantest.Disk{
		disk("fragmented", 64*mib, "-c 4K", scantest.Fragmented),
		disk("half-packed", 48*mib, "-c 8K --pack-bitmap", scantest.Half),
	}
	scantest.Run(t, suite)
}

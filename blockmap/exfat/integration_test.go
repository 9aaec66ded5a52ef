//go:build integration

package exfat_test

import (
	"slices"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/exfat"
	"migimg/blockmap/scantest"
)

const mib = 1 << 20

func disk(name string, size int64, options string, fill scantest.Fill) scantest.Disk {
	return scantest.Disk{Name: name, Size: size, Mkfs: "mkfs.exfat " + options + ` "$IMG"`, Fill: fill}
}

// both are the word of dump.exfat and of partclone.
func both(t testing.TB, img string) []blockmap.Range {
	t.Helper()
	free, other := freeOf(t, img), scantest.Partclone(t, "partclone.exfat", img)
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

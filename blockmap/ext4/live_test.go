//go:build integration

package ext4_test

import (
	"testing"

	"migimg/blockmap/ext4"
	"migimg/blockmap/scantest"
)

// TestLive freezes filesystems that are being written.
func TestLive(t *testing.T) {
	suite := func(settle string, disks ...scantest.Disk) scantest.Suite {
		for i := range disks {
			disks[i].Live = true
		}
		return scantest.Suite{
			Scanner: ext4.Scanner{},
			Mount:   "ext4",
			Check:   `e2fsck -fn "$IMG"`,
			Tools:   []string{"mke2fs", "e2fsck", "fsfreeze"},
			Frozen:  scantest.Frozen{Settle: settle},
			Disks:   disks,
		}
	}
	t.Run("as it is", func(t *testing.T) {
		scantest.Run(t, suite("",
			disk("default", 80*mib, "mke2fs -q -t ext4", scantest.Light),
			disk("ext3", 80*mib, "mke2fs -q -t ext3 -b 1024", scantest.Light),
			// Without a journal, nobody but e2fsck deletes what was deleted while it was open.
			disk("no-journal", 80*mib, "mke2fs -q -t ext4 -O ^has_journal", scantest.Light),
			disk("ext2", 80*mib, "mke2fs -q -t ext2", scantest.Light),
			disk("1k-inline_data", 80*mib, "mke2fs -q -t ext4 -b 1024 -O inline_data -I 256", scantest.Light),
		))
	})
	bigalloc := disk("bigalloc", 80*mib, "mke2fs -q -t ext4 -O bigalloc -C 16384", scantest.Light)
	bigalloc.Granular = true
	// What was deleted while it was open goes away with the first mount.
	t.Run("mounted", func(t *testing.T) {
		scantest.Run(t, suite(replay,
			disk("4k", 80*mib, "mke2fs -q -t ext4 -b 4096", scantest.Light),
			disk("orphan_file-ea_inode", 80*mib, "mke2fs -q -t ext4 -O orphan_file,ea_inode", scantest.Light),
			bigalloc,
		))
	})
}

//go:build integration

package ext4_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/ext4"
	"migimg/blockmap/scantest"
)

const mib = 1 << 20

func freeOf(t testing.TB, img string) []blockmap.Range { return runDumpe2fs(t, img).free }

func disk(name string, size int64, mkfs string, fill scantest.Fill) scantest.Disk {
	return scantest.Disk{Name: name, Size: size, Mkfs: mkfs + ` "$IMG"`, Fill: fill}
}

// unmounted is a disk that not every kernel mounts.
func unmounted(name string, size int64, mkfs string) scantest.Disk {
	return scantest.Disk{
		Name: name, Size: size, Mkfs: mkfs + ` -d "$SRC" "$IMG"`,
		Extract: `debugfs -R "rdump / $DST" "$IMG"`,
	}
}

const capSysResource = 24

// may says whether the process has a capability (kernel, include/uapi/linux/
// capability.h).
func may(t *testing.T, capability int) bool {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(b), "CapEff:")
	word, _, _ := strings.Cut(strings.TrimSpace(after), "\n")
	mask, err := strconv.ParseUint(word, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return mask>>capability&1 != 0
}

func TestDisks(t *testing.T) {
	quota := unmounted("quota-project", 64*mib, "mke2fs -q -t ext4 -O quota,project -E quotatype=usrquota:grpquota:prjquota")
	quota.After = `e2fsck -fy "$IMG" || test $? -le 1` // mke2fs -d does not count what it copies
	disks := []scantest.Disk{
		disk("ext2-1k", 64*mib, "mke2fs -q -t ext2 -b 1024 -L mylabel", scantest.Fragmented),
		disk("ext2-rev0", 32*mib, "mke2fs -q -t ext2 -r 0 -O none", scantest.Half),
		disk("ext3", 96*mib, "mke2fs -q -t ext3 -b 4096", scantest.Half),
		disk("ext3-1k-full", 64*mib, "mke2fs -q -t ext3 -b 1024", scantest.Full),
		disk("ext4-1k", 96*mib, "mke2fs -q -t ext4 -b 1024", scantest.Fragmented),
		disk("ext4-2k", 96*mib, "mke2fs -q -t ext4 -b 2048", scantest.Light),
		disk("default-empty", 300*mib, "mke2fs -q -t ext4 -b 4096", scantest.Empty),
		disk("default-light", 300*mib, "mke2fs -q -t ext4 -b 4096", scantest.Light),
		disk("default-half", 150*mib, "mke2fs -q -t ext4 -b 4096", scantest.Half),
		disk("default-full", 100*mib, "mke2fs -q -t ext4 -b 4096", scantest.Full),
		disk("default-fragmented", 130*mib, "mke2fs -q -t ext4 -b 4096", scantest.Fragmented),
		disk("odd-size", 200*mib+7*512, "mke2fs -q -t ext4 -b 1024", scantest.Light),
		disk("short-last-group", 8*mib*9+300*1024, "mke2fs -q -t ext4 -b 1024 -O ^resize_inode", scantest.Half),
		disk("no-journal", 64*mib, "mke2fs -q -t ext4 -O ^has_journal", scantest.Half),
		disk("no-64bit", 100*mib, "mke2fs -q -t ext4 -O ^64bit", scantest.Light),
		disk("meta_bg", 100*mib, "mke2fs -q -t ext4 -b 1024 -O meta_bg,^resize_inode", scantest.Half),
		disk("meta_bg-4k", 200*mib, "mke2fs -q -t ext4 -b 4096 -g 1024 -O meta_bg,^resize_inode", scantest.Light),
		disk("meta_bg-no-flex", 100*mib, "mke2fs -q -t ext4 -b 1024 -O meta_bg,^resize_inode,^flex_bg,^metadata_csum,uninit_bg", scantest.Light),
		disk("sparse_super2", 100*mib, "mke2fs -q -t ext4 -b 1024 -O sparse_super2", scantest.Half),
		disk("sparse_super2-one-backup", 100*mib, "mke2fs -q -t ext4 -b 1024 -O sparse_super2 -E num_backup_sb=1", scantest.Light),
		disk("no-sparse_super", 100*mib, "mke2fs -q -t ext4 -b 1024 -O ^sparse_super,^resize_inode", scantest.Light),
		disk("no-flex_bg", 100*mib, "mke2fs -q -t ext4 -b 1024 -O ^flex_bg", scantest.Half),
		disk("uninit_bg", 100*mib, "mke2fs -q -t ext4 -b 1024 -O uninit_bg,^metadata_csum", scantest.Light),
		disk("uninit_bg-no-64bit", 100*mib, "mke2fs -q -t ext4 -b 1024 -O uninit_bg,^metadata_csum,^64bit", scantest.Half),
		disk("no-csum-at-all", 100*mib, "mke2fs -q -t ext4 -b 1024 -O ^uninit_bg,^metadata_csum", scantest.Light),
		{Name: "metadata_csum_seed", Size: 64 * mib, Mkfs: `mke2fs -q -t ext4 -O metadata_csum_seed "$IMG"; tune2fs -U random "$IMG"`, Fill: scantest.Half},
		quota,
		disk("orphan_file", 64*mib, "mke2fs -q -t ext4 -O orphan_file", scantest.Light),
		disk("inline_data", 64*mib, "mke2fs -q -t ext4 -O inline_data -I 256", scantest.Half),
		disk("mmp", 64*mib, "mke2fs -q -t ext4 -O mmp", scantest.Light),
		unmounted("casefold", 64*mib, "mke2fs -q -t ext4 -O casefold"),
		disk("stripe", 64*mib, "mke2fs -q -t ext4 -E stride=16,stripe_width=64", scantest.Light),
		disk("packed_meta_blocks", 200*mib, "mke2fs -q -t ext4 -b 1024 -E packed_meta_blocks=1", scantest.Light),
		disk("lazy-init-off", 64*mib, "mke2fs -q -t ext4 -E lazy_itable_init=0,lazy_journal_init=0", scantest.Light),
		disk("fast_commit", 64*mib, "mke2fs -q -t ext4 -O fast_commit", scantest.Light),
		disk("ea_inode-large_dir-encrypt-verity", 64*mib, "mke2fs -q -t ext4 -O ea_inode,large_dir,encrypt,verity", scantest.Light),
		disk("flex-4-groups", 100*mib, "mke2fs -q -t ext4 -b 1024 -G 4", scantest.Half),
		disk("small-groups", 100*mib, "mke2fs -q -t ext4 -b 4096 -g 256 -N 4096", scantest.Light),
		disk("no-reserved-inodes", 64*mib, "mke2fs -q -t ext4 -I 1024 -N 2000", scantest.Light),
		{
			Name: "grown", Size: 60 * mib, Mkfs: `mke2fs -q -t ext4 -b 1024 "$IMG"`, Fill: scantest.Half,
			After: `truncate -s 230M "$IMG"; e2fsck -fy "$IMG"; resize2fs "$IMG"`,
		},
		{ // as the kernel does when a filesystem outgrows its reserved descriptors
			Name: "grown-into-meta_bg", Size: 16 * mib, Mkfs: `mke2fs -q -t ext4 -b 1024 -g 256 -O ^resize_inode "$IMG"`, Fill: scantest.Light,
			After: `printf 'ssv first_meta_bg 4\nfeature meta_bg\n' | debugfs -w -f - "$IMG"; truncate -s 150M "$IMG"; e2fsck -fy "$IMG"; resize2fs "$IMG"`,
		},
		{
			Name: "shrunk", Size: 120 * mib, Mkfs: `mke2fs -q -t ext4 -b 1024 "$IMG"`, Fill: scantest.Light,
			After: `e2fsck -fy "$IMG"; resize2fs "$IMG" 50M`,
		},
		{
			Name: "to-64bit", Size: 64 * mib, Mkfs: `mke2fs -q -t ext4 -O ^64bit "$IMG"`, Fill: scantest.Light,
			After: `e2fsck -fy "$IMG"; resize2fs -b "$IMG"`,
		},
		{
			Name: "tuned-from-ext2", Size: 64 * mib, Mkfs: `mke2fs -q -t ext2 "$IMG"`, Fill: scantest.Half,
			After: `tune2fs -j -O extents,uninit_bg,dir_index "$IMG"; e2fsck -fyD "$IMG" || test $? -le 1; tune2fs -O metadata_csum "$IMG"; e2fsck -fyD "$IMG" || test $? -le 1`,
		},
		unmounted("64k-blocks", 300*mib, "mke2fs -q -F -t ext4 -b 65536"),
		unmounted("8k-blocks-bigalloc", 100*mib, "mke2fs -q -F -t ext4 -b 8192 -O bigalloc -C 65536"),
	}
	if may(t, capSysResource) {
		disks = append(disks, scantest.Disk{
			Name: "grown-online", Size: 120 * mib, Mkfs: `mke2fs -q -t ext4 -b 1024 "$IMG" 30M`, Fill: scantest.Half,
			After: `d=$(mktemp -d); mount -o loop "$IMG" $d; trap 'umount $d; rmdir $d' EXIT; resize2fs $(findmnt -no SOURCE $d)`,
		})
	} else {
		t.Log("no CAP_SYS_RESOURCE: without growing online")
	}
	for _, c := range []struct {
		name, opts string
		size       int64
		fill       scantest.Fill
	}{
		{"bigalloc-16k", "-O bigalloc -C 16384", 200 * mib, scantest.Half},
		{"bigalloc-64k", "-O bigalloc -C 65536", 200 * mib, scantest.Fragmented},
		{"bigalloc-1k-blocks", "-b 1024 -O bigalloc -C 16384", 130*mib + 5*1024, scantest.Light},
		{"bigalloc-many-groups", "-b 1024 -O bigalloc -C 2048", 200*mib + 1024, scantest.Half},
		{"bigalloc-1k-meta_bg", "-b 1024 -O bigalloc,meta_bg,^resize_inode -C 8192", 130 * mib, scantest.Light},
	} {
		d := disk(c.name, c.size, "mke2fs -q -t ext4 "+c.opts, c.fill)
		d.Granular = true
		disks = append(disks, d)
	}
	whole := []scantest.Disk{
		{Name: "error-flag", Size: 16 * mib, Mkfs: `mke2fs -q -t ext4 "$IMG"; debugfs -wR "ssv state 2" "$IMG"`},
		{Name: "not-clean-ext2", Size: 16 * mib, Mkfs: `mke2fs -q -t ext2 "$IMG"; debugfs -wR "ssv state 0" "$IMG"`},
		{Name: "unknown-incompat", Size: 16 * mib, Mkfs: `mke2fs -q -t ext4 -O ^metadata_csum "$IMG"; debugfs -wR "ssv feature_incompat 0x800242" "$IMG"`},
		{Name: "journal-device", Size: 16 * mib, Mkfs: `mke2fs -q -O journal_dev "$IMG"`},
		{Name: "wrong-free-count", Size: 16 * mib, Mkfs: `mke2fs -q -t ext4 "$IMG"; debugfs -wR "set_bg 0 free_blocks_count 1000" "$IMG"; debugfs -wR "set_bg 0 checksum calc" "$IMG"`},
		{Name: "wrong-bitmap", Size: 16 * mib, Mkfs: `mke2fs -q -t ext4 -O ^metadata_csum,^uninit_bg "$IMG"; b=$(dumpe2fs "$IMG" | sed -n 's/.*Block bitmap at \([0-9]*\).*/\1/p' | head -1); printf '\000' | dd of="$IMG" bs=1 seek=$((b*1024)) conv=notrunc`},
		{Name: "wrong-bitmap-csum", Size: 16 * mib, Mkfs: `mke2fs -q -t ext4 "$IMG"; b=$(dumpe2fs "$IMG" | sed -n 's/.*Block bitmap at \([0-9]*\).*/\1/p' | head -1); printf '\000' | dd of="$IMG" bs=1 seek=$((b*1024)) conv=notrunc`},
	}
	for i := range whole {
		whole[i].Whole, whole[i].Fill = true, scantest.Empty
	}
	scantest.Run(t, scantest.Suite{
		Scanner: ext4.Scanner{},
		Mount:   "ext4",
		Check:   `e2fsck -fn "$IMG"`,
		Free:    freeOf,
		Tools:   []string{"mke2fs", "e2fsck", "dumpe2fs", "debugfs", "tune2fs", "resize2fs", "findmnt"},
		Disks:   append(disks, whole...),
	})
}

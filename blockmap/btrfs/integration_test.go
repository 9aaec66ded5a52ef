//go:build integration

package btrfs_test

import (
	"strings"
	"testing"

	"migimg/blockmap/btrfs"
	"migimg/blockmap/scantest"
)

const mib = 1 << 20

func disk(name string, size int64, mkfs string, fill scantest.Fill) scantest.Disk {
	return scantest.Disk{Name: name, Size: size, Mkfs: "mkfs.btrfs -q " + mkfs + ` "$IMG"`, Fill: fill}
}

// then is a disk on whose mounted filesystem, at ".", a script runs at last.
func then(d scantest.Disk, options, script string) scantest.Disk {
	d.After = `d=$(mktemp -d); mount -o loop` + options + ` "$IMG" $d; trap 'cd /; umount $d; rmdir $d' EXIT; cd $d; ` + script
	return d
}

func suite(disks ...scantest.Disk) scantest.Suite {
	return scantest.Suite{
		Scanner: btrfs.Scanner{Still: true},
		Mount:   "btrfs",
		Check:   `btrfs check --check-data-csum "$IMG"`,
		Free:    freeOf,
		Frozen:  scantest.Frozen{Check: `btrfs check "$IMG"`, Owners: checkOwners},
		Tools:   []string{"mkfs.btrfs", "btrfs", "btrfstune", "btrfs-convert", "btrfs-map-logical", "mke2fs"},
		Disks:   disks,
	}
}

func after(d scantest.Disk, script string) scantest.Disk {
	d.After = script
	return d
}

func with(d scantest.Disk, options string) scantest.Disk {
	d.Options = options
	return d
}

func live(d scantest.Disk) scantest.Disk {
	d.Live = true
	return d
}

func TestDisks(t *testing.T) {
	disks := []scantest.Disk{
		disk("default-full", 144*mib, "", scantest.Full),
		disk("default-fragmented", 112*mib, "", scantest.Fragmented),
		with(disk("holes-v1-cache", 112*mib, "-O ^no-holes -R ^free-space-tree", scantest.Half), "space_cache=v1"),
		disk("xxhash-dup-dup", 232*mib, "--csum xxhash -m dup -d dup", scantest.Light),
		live(disk("sha256-single", 160*mib, "--csum sha256 -m single -d single", scantest.Light)),
		disk("blake2-mixed", 32*mib, "--csum blake2 --mixed", scantest.Fragmented),
		live(disk("mixed", 160*mib, "--mixed", scantest.Light)),
		disk("nodes-4k-no-skinny", 64*mib, "-n 4096 -m single -O ^skinny-metadata", scantest.Half),
		disk("nodes-64k", 170*mib, "-n 65536", scantest.Light),
		after(disk("empty-metadata-uuid", 112*mib, "-L mylabel", scantest.Empty), `btrfstune -m "$IMG"`),
		live(then(disk("snapshots", 112*mib, "", scantest.Light), ",compress=zstd", `
			btrfs quota enable .; btrfs subvolume create a; yes compressible | head -c 9000000 > a/1; head -c 3000000 /dev/urandom > a/2
			btrfs subvolume snapshot a b; btrfs subvolume snapshot -r a c; rm b/1; cp --reflink=always b/2 a/3; sync
			btrfs subvolume delete c; fallocate -l 2M a/prealloc; fallocate -p -o 300000 -l 500000 a/2`)),
		then(disk("balanced", 160*mib, "", scantest.Light), "", "btrfs balance start -f -dconvert=single -mconvert=single ."),
		// The kernel resizes to 256 MiB at least.
		then(disk("resized", 200*mib, "", scantest.Light), "", `cd /; umount $d; truncate -s 270M "$IMG"; mount -o loop "$IMG" $d
			btrfs filesystem resize max $d; head -c 20M /dev/urandom > $d/more; btrfs filesystem resize 260M $d`),
		{
			Name: "converted-from-ext4", Size: 160 * mib, Fill: scantest.Light,
			Mkfs: `s=$(mktemp -d); for i in $(seq 200); do head -c 50000 /dev/urandom > $s/$i; done; mke2fs -q -t ext4 -b 4096 -d $s "$IMG"; rm -r $s; btrfs-convert "$IMG"`,
		},
	}
	if known := tool(t, "mkfs.btrfs", "-O", "list-all"); strings.Contains(known, "block-group-tree") {
		disks = append(disks, disk("block-group-tree-squota", 160*mib, "-O block-group-tree,squota", scantest.Half))
	} else {
		t.Log("mkfs.btrfs is too old for -O block-group-tree")
	}
	scantest.Run(t, suite(disks...))
}

// TestWholeDisks has what must be carried whole.
func TestWholeDisks(t *testing.T) {
	whole := []scantest.Disk{
		after(disk("seed", 112*mib, "", scantest.Empty), `btrfstune -S 1 "$IMG"`),
		after(disk("cut-off", 112*mib, "", scantest.Empty), `truncate -s 111M "$IMG"`),
		after(disk("bad-super", 160*mib, "", scantest.Empty), `printf x | dd of="$IMG" bs=1 seek=69000 conv=notrunc`),
		after(disk("bad-extent-root", 160*mib, "-m single", scantest.Empty),
			`b=$(btrfs inspect-internal dump-tree -t extent "$IMG" | sed -n 's/^leaf \([0-9]*\).*/\1/p' | head -1)
			p=$(btrfs-map-logical -l $b "$IMG" | sed -n 's/.*physical \([0-9]*\).*/\1/p' | head -1); printf x | dd of="$IMG" bs=1 seek=$((p+5000)) conv=notrunc`),
	}
	for i := range whole {
		whole[i].Whole = true
	}
	scantest.Run(t, suite(whole...))
}

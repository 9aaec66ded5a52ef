//go:build integration

package scantest

import "slices"

const mib = 1 << 20

// bothSectors are the sector sizes of disks.
var bothSectors = []int64{512, 4096}

// partclone is an oracle that knows many filesystems: it lists what it would copy.
func partclone(program string) string {
	return program + ` -D -s "$DEV" -O "$TMP/domain" >"$TMP/partclone.log" 2>&1 || { cat "$TMP/partclone.log"; exit 1; }
n=0; while read -r _ len kind; do [ "$kind" != + ] || n=$((n + len)); done <"$TMP/domain"; rm "$TMP/domain"; echo $n`
}

// filesystems are all that the matrix makes. To add a variant, add a line; to add
// a filesystem, a struct. One whose scanner is not in blockmap/all is made only
// when it is asked for by name, and is carried whole.
func filesystems() []*filesystem {
	every := []Fill{Empty, Light, Half, Full, Fragmented}
	written := []Fill{Empty, Light, Half, Full} // at once: there are no holes
	// xorriso writes nothing where there is nothing.
	const some = `[ -n "$(ls -A "$SRC")" ] || mkdir "$SRC/empty"; `
	ext := func(name string, variants ...variant) *filesystem {
		return &filesystem{
			name: name, scanner: "ext4", size: 48 * mib, fills: every, variants: variants,
			tools: []string{"mke2fs", "e2fsck", "dumpe2fs"},
			mount: "mount -t " + name + ` -o "$RO" "$DEV" "$DIR"`,
			check: `e2fsck -fn "$DEV"`,
			used: `dumpe2fs -h "$DEV" 2>/dev/null | awk -F: '/^Block count/ {n = $2} /^Free blocks/ {f = $2} /^Block size/ {b = $2}
				END {printf "%d\n", (n - f) * b}'`,
		}
	}
	return []*filesystem{
		ext("ext2",
			variant{name: "defaults", mkfs: `mke2fs -q -t ext2 "$DEV"`, sectors: bothSectors},
			variant{name: "oldest: revision 0", mkfs: `mke2fs -q -t ext2 -r 0 -O none "$DEV"`}),
		ext("ext3",
			variant{name: "defaults", mkfs: `mke2fs -q -t ext3 "$DEV"`, sectors: bothSectors}),
		ext("ext4",
			variant{name: "defaults", mkfs: `mke2fs -q -t ext4 "$DEV"`, sectors: bothSectors},
			variant{name: "oldest: as of 2.6.28", mkfs: `mke2fs -q -t ext4 -I 128 -O ^metadata_csum,^64bit,^flex_bg,uninit_bg,^huge_file "$DEV"`, sectors: bothSectors},
			variant{name: "newest", mkfs: `mke2fs -q -t ext4 -O metadata_csum_seed,orphan_file,inline_data,fast_commit,sparse_super2,large_dir,ea_inode "$DEV"`, sectors: bothSectors},
			variant{name: "bigalloc", mkfs: `mke2fs -q -t ext4 -O bigalloc "$DEV"`, sectors: bothSectors}),
		{
			name: "swap", scanner: "swap", size: 48 * mib, fills: []Fill{Empty}, tools: []string{"mkswap", "swaplabel", "blkid"},
			check: `swaplabel "$DEV"`,
			// The page of the header.
			used: `blkid -p -o value -s BLOCK_SIZE "$DEV" | grep . || for p in 4096 8192 16384 32768 65536; do
				[ "$(dd if="$DEV" bs=1 skip=$((p - 10)) count=10 2>/dev/null)" != SWAPSPACE2 ] || echo $p; done`,
			variants: []variant{
				{name: "defaults", mkfs: `mkswap -q "$DEV"`},
				{name: "64 KiB pages", mkfs: `mkswap -q -p 65536 "$DEV"`},
			},
		},
		{
			name: "squashfs", scanner: "squashfs", size: 48 * mib, overhead: 5 * mib, fills: written, tools: []string{"mksquashfs", "unsquashfs"},
			extract: `unsquashfs -q -no-progress -f -d "$DST" "$DEV"`,
			check:   `unsquashfs -s "$DEV"`,
			used:    `unsquashfs -s "$DEV" | sed -n 's/^Filesystem size \([0-9]*\) bytes.*/\1/p'`,
			variants: []variant{
				{name: "defaults", mkfs: `mksquashfs "$SRC" "$DEV" -noappend -no-progress -quiet`},
				{name: "zstd, 1 MiB blocks", mkfs: `mksquashfs "$SRC" "$DEV" -noappend -no-progress -quiet -comp zstd -b 1M`},
				{name: "uncompressed, no fragments", mkfs: `mksquashfs "$SRC" "$DEV" -noappend -no-progress -quiet -noI -noD -noF -noX -no-fragments`},
			},
		},
		{
			name: "erofs", scanner: "erofs", size: 48 * mib, overhead: 6 * mib, fills: written, tools: []string{"mkfs.erofs", "fsck.erofs", "dump.erofs"},
			extract: `fsck.erofs --extract="$DST" --overwrite "$DEV"`,
			check:   `fsck.erofs "$DEV"`,
			used:    `echo $(($(dump.erofs -s "$DEV" | sed -n 's/^Filesystem blocks: *//p') * 4096))`,
			variants: []variant{
				{name: "defaults", mkfs: `rm "$DEV"; mkfs.erofs --quiet "$DEV" "$SRC"`},
				{name: "oldest: legacy lz4", mkfs: `rm "$DEV"; mkfs.erofs --quiet -zlz4 -Elegacy-compress "$DEV" "$SRC"`},
				{name: "newest: lz4, big clusters, tail packing", mkfs: `rm "$DEV"; mkfs.erofs --quiet -zlz4 -C65536 -Eztailpacking "$DEV" "$SRC"`},
			},
		},
		{
			name: "iso9660", scanner: "iso9660", size: 48 * mib, overhead: 6 * mib, fills: written, tools: []string{"xorriso", "genisoimage", "isoinfo"},
			extract: `xorriso -osirrox on -indev "stdio:$DEV" -extract / "$DST"`,
			check:   `xorriso -return_with SORRY 32 -indev "stdio:$DEV" -check_media --`,
			used:    `echo $(($(isoinfo -d -i "$DEV" | sed -n 's/^Volume size is: //p') * 2048))`,
			variants: []variant{
				{name: "Rock Ridge", mkfs: some + `xorriso -as mkisofs -quiet -r -o "$TMP/iso" "$SRC"; mv "$TMP/iso" "$DEV"`},
				{name: "Rock Ridge, Joliet", mkfs: some + `xorriso -as mkisofs -quiet -r -J -o "$TMP/iso" "$SRC"; mv "$TMP/iso" "$DEV"`},
				// genisoimage 1.1.11 never ends with a symlink of 500 bytes.
				{name: "by genisoimage", mkfs: `rm -f "$SRC/long"; genisoimage -quiet -r -J -o "$TMP/iso" "$SRC"; mv "$TMP/iso" "$DEV"`},
			},
		},
		{
			name: "xfs", scanner: "xfs", size: 320 * mib, fills: every, tools: []string{"mkfs.xfs", "xfs_repair", "partclone.xfs"},
			mount: `mount -t xfs -o "$RO,nouuid" "$DEV" "$DIR"`,
			check: `xfs_repair -n "$DEV"`,
			used:  partclone("partclone.xfs"),
			variants: []variant{
				{name: "defaults", mkfs: `mkfs.xfs -q -s size="$SECTOR" "$DEV"`, sectors: bothSectors},
				// Version 4, without checksums, is mounted by few kernels of today.
				{name: "oldest version 5", mkfs: `mkfs.xfs -q -s size="$SECTOR" -m crc=1,finobt=0,reflink=0 -i sparse=0 "$DEV"`, sectors: bothSectors},
				{name: "newest: rmapbt, inobtcount, bigtime, nrext64", mkfs: `mkfs.xfs -q -s size="$SECTOR" -m rmapbt=1,inobtcount=1,bigtime=1 -i nrext64=1 "$DEV"`, sectors: bothSectors},
				{name: "1 KiB blocks", mkfs: `mkfs.xfs -q -b size=1024 "$DEV"`},
			},
		},
		{
			name: "btrfs", scanner: "btrfs", size: 160 * mib, fills: every, tools: []string{"mkfs.btrfs", "btrfs"},
			mount: `mount -t btrfs -o "$RO" "$DEV" "$DIR"`,
			check: `btrfs check --readonly "$DEV"`,
			// Each copy counts. partclone.btrfs rounds to something larger.
			used: `mkdir -p "$TMP/usage"; mount -t btrfs -o ro "$DEV" "$TMP/usage"; trap 'umount "$TMP/usage"' EXIT
				btrfs filesystem usage -b "$TMP/usage" | awk '$1 == "Used:" {print $2; exit}'`,
			variants: []variant{
				{name: "defaults", mkfs: `mkfs.btrfs -q "$DEV"`, sectors: bothSectors},
				{name: "oldest: mixed groups, no free-space tree", mkfs: `mkfs.btrfs -q -M -O ^no-holes,^extref,^skinny-metadata -R ^free-space-tree "$DEV"`, sectors: bothSectors},
				{name: "newest: quota, xxhash checksums", mkfs: `mkfs.btrfs -q -R quota --checksum xxhash "$DEV"`, sectors: bothSectors},
				{name: "single metadata", mkfs: `mkfs.btrfs -q -m single "$DEV"`},
			},
		},
		{
			name: "vfat", scanner: "vfat", size: 48 * mib, overhead: 4 * mib, fills: every, plain: true, tools: []string{"mkfs.vfat", "fsck.vfat", "mcopy", "mdel", "mdir"},
			load:    `cd "$SRC"; mcopy -s -Q -i "$DEV" * ::/`,
			remove:  `sed 's|^|::/|' "$LIST" | xargs mdel -i "$DEV"`,
			extract: `[ -z "$(mdir -b -i "$DEV" ::/)" ] || mcopy -s -Q -i "$DEV" "::/*" "$DST"`,
			check:   `fsck.vfat -n "$DEV"`,
			used: `fsck.vfat -n -v "$DEV" | awk '/bytes per cluster/ {c = $1} /^Data area starts/ {d = $6}
				/ clusters$/ {split($(NF - 1), n, "/")} END {printf "%d\n", d + n[1] * c}'`,
			variants: []variant{
				{name: "defaults", mkfs: `mkfs.vfat -S "$SECTOR" "$DEV"`, sectors: bothSectors},
				{name: "FAT12", mkfs: `mkfs.vfat -F 12 -S "$SECTOR" -s 8 "$DEV"`, size: 12 * mib},
				{name: "FAT16", mkfs: `mkfs.vfat -F 16 -S "$SECTOR" -s 4 "$DEV"`},
				{name: "FAT32", mkfs: `mkfs.vfat -F 32 -S "$SECTOR" -s 1 "$DEV"`},
			},
		},
		{
			name: "exfat", scanner: "exfat", size: 48 * mib, fills: every, plain: true, tools: []string{"mkfs.exfat", "fsck.exfat", "mount.exfat-fuse", "partclone.exfat"},
			mount: `mount.exfat-fuse -o "$RO" "$DEV" "$DIR"`,
			check: `fsck.exfat -n "$DEV"`,
			used:  partclone("partclone.exfat"),
			variants: []variant{
				{name: "defaults", mkfs: `mkfs.exfat "$DEV"`, sectors: bothSectors},
				{name: "64 KiB clusters, packed bitmap", mkfs: `mkfs.exfat -c 64K --pack-bitmap "$DEV"`},
			},
		},
		{
			name: "ntfs", scanner: "ntfs", size: 48 * mib, fills: every, tools: []string{"mkfs.ntfs", "ntfs-3g", "ntfsfix", "partclone.ntfs"},
			mount: `ntfs-3g -o "$RO,streams_interface=none" "$DEV" "$DIR"`,
			check: `ntfsfix -n "$DEV"`,
			used:  partclone("partclone.ntfs"),
			variants: []variant{
				{name: "defaults", mkfs: `mkfs.ntfs -q -F -s "$SECTOR" "$DEV"`, sectors: bothSectors},
				{name: "512-byte clusters", mkfs: `mkfs.ntfs -q -F -s 512 -c 512 "$DEV"`},
				{name: "64 KiB clusters", mkfs: `mkfs.ntfs -q -F -c 65536 "$DEV"`},
			},
		},
		{
			name: "f2fs", scanner: "f2fs", size: 128 * mib, overhead: 84 * mib, fills: slices.Clone(written), tools: []string{"mkfs.f2fs", "fsck.f2fs", "sload.f2fs", "dump.f2fs", "partclone.f2fs"},
			plain: true, // sload.f2fs keeps no hard links
			load:  `sload.f2fs -f "$SRC" "$DEV"`,
			// dump.f2fs takes one file at a time, by its number in hex, and writes it into
			// lost_found/ below the folder that it is started in; 3 is the root.
			extract: `cd "$DST"; n=$(fsck.f2fs --dry-run "$DEV" | sed -n 's/.*(nat lookup).*\[\(0x[0-9a-f]*\)\].*/\1/p')
				i=4; while [ $i -lt $((n + 4)) ]; do yes | dump.f2fs -i $(printf %x $i) "$DEV" >/dev/null 2>&1 || true; i=$((i + 1)); done`,
			check: `fsck.f2fs --dry-run "$DEV"`,
			used:  partclone("partclone.f2fs"),
			variants: []variant{
				{name: "defaults", mkfs: `mkfs.f2fs -q "$DEV"`},
				{name: "newest: extra attributes, checksums", mkfs: `mkfs.f2fs -q -O extra_attr,inode_checksum,sb_checksum,compression "$DEV"`},
			},
		},
	}
}

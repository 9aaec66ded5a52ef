//go:build integration

package squashfs_test

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/scantest"
	"migimg/blockmap/squashfs"
)

const mib = 1 << 20

var sizeLine = regexp.MustCompile(`Filesystem size (\d+) bytes`)

// freeOf is what unsquashfs says of a filesystem's length.
func freeOf(t testing.TB, img string) []blockmap.Range {
	t.Helper()
	out, err := exec.Command("unsquashfs", "-s", img).Output()
	m := sizeLine.FindSubmatch(out)
	if err != nil || m == nil {
		t.Fatalf("unsquashfs -s: %v\n%s", err, out)
	}
	used, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(img)
	if err != nil {
		t.Fatal(err)
	}
	used = (used + 4095) &^ 4095
	return []blockmap.Range{{Off: used, Len: st.Size() - used}}
}

const (
	unsquash = `unsquashfs -q -no-progress -f -d "$DST" "$IMG"`
	// The kernel's own reader.
	mount = `d=$(mktemp -d); mount -t squashfs -o loop,ro "$IMG" "$d"; trap 'umount "$d"; rmdir "$d"' EXIT; cp -a "$d/." "$DST/"`
)

func disk(name, opts, extract string) scantest.Disk {
	return scantest.Disk{
		Name: name, Size: 12 * mib, Extract: extract,
		Mkfs: `mksquashfs "$SRC" "$IMG" -noappend -no-progress -quiet ` + opts + `; truncate -s 12M "$IMG"`,
	}
}

func TestDisks(t *testing.T) {
	xattr := disk("xattrs", "", unsquash)
	xattr.Mkfs = `setfattr -n user.a -v b "$SRC/sizes"; ` + xattr.Mkfs
	appended := disk("appended", "", mount)
	appended.Mkfs += `; mksquashfs "$SRC/sizes" "$IMG" -no-progress -quiet -root-becomes old; truncate -s 12M "$IMG"`
	disks := []scantest.Disk{
		disk("gzip", "-comp gzip", mount),
		disk("lzma", "-comp lzma", unsquash),
		disk("lzo", "-comp lzo", unsquash),
		disk("lz4", "-comp lz4", unsquash),
		disk("xz", "-comp xz -Xbcj x86", unsquash),
		disk("zstd", "-comp zstd", unsquash),
		disk("compressor-options", "-comp gzip -Xcompression-level 1", unsquash),
		disk("uncompressed", "-noI -noD -noF -noX", mount),
		disk("no-fragments", "-no-fragments", unsquash),
		disk("always-fragments", "-always-use-fragments", mount),
		disk("no-exports-no-xattrs", "-no-exports -no-xattrs", unsquash),
		disk("4k-blocks", "-b 4096", unsquash),
		disk("1m-blocks", "-b 1M", unsquash),
		disk("not-padded", "-nopad", unsquash),
		xattr,
		appended,
	}
	whole := []scantest.Disk{
		disk("old-data-behind", `; truncate -s 12M "$IMG"; dd if=/dev/urandom of="$IMG" bs=4k seek=3071 count=1 conv=notrunc`, unsquash),
		// As OpenWrt does it: a writable filesystem from the next 64 KiB on.
		disk("overlay-behind", `; n=$(( ($(stat -c %s "$IMG") + 65535) / 65536 * 64 )); truncate -s 12M "$IMG"; mke2fs -q -F -t ext4 -E offset=$((n * 1024)) "$IMG" 8M`, unsquash),
		disk("cut-short", `; truncate -s -8K "$IMG"; exit 0`, unsquash),
	}
	for i := range whole {
		whole[i].Whole = true
	}
	scantest.Run(t, scantest.Suite{
		Scanner: squashfs.Scanner{},
		Check:   `unsquashfs -s "$IMG" && unsquashfs -lln "$IMG" >/dev/null`,
		Free:    freeOf,
		Tools:   []string{"mksquashfs", "unsquashfs", "mke2fs", "setfattr"},
		Disks:   append(disks, whole...),
	})
}

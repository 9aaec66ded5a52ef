//go:build integration

package erofs_test

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/erofs"
	"migimg/blockmap/scantest"
)

const mib = 1 << 20

var blocksLine = regexp.MustCompile(`Filesystem blocks: +(\d+)`)

// freeOf is what dump.erofs says of a filesystem's length, in blocks of 4 KiB:
// mkfs.erofs of erofs-utils before 1.6 makes no others.
func freeOf(t testing.TB, img string) []blockmap.Range {
	t.Helper()
	out, err := exec.Command("dump.erofs", "-s", img).Output()
	m := blocksLine.FindSubmatch(out)
	if err != nil || m == nil {
		t.Fatalf("dump.erofs -s: %v\n%s", err, out)
	}
	blocks, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(img)
	if err != nil {
		t.Fatal(err)
	}
	return []blockmap.Range{{Off: blocks * 4096, Len: st.Size() - blocks*4096}}
}

const (
	fsck = `fsck.erofs --extract="$DST" --overwrite "$IMG"`
	// The kernel's own reader.
	mount = `d=$(mktemp -d); mount -t erofs -o loop,ro "$IMG" "$d"; trap 'umount "$d"; rmdir "$d"' EXIT; cp -a "$d/." "$DST/"`
)

func disk(name, opts, extract string) scantest.Disk {
	return scantest.Disk{
		Name: name, Size: 12 * mib, Extract: extract,
		Mkfs: `rm "$IMG"; mkfs.erofs --quiet ` + opts + ` "$IMG" "$SRC"; truncate -s 12M "$IMG"`,
	}
}

func TestDisks(t *testing.T) {
	disks := []scantest.Disk{
		disk("plain", "-U 11111111-2222-3333-4444-555555555555", fsck),
		disk("plain-mounted", "", mount),
		disk("lz4", "-zlz4", fsck),
		disk("lz4-mounted", "-zlz4", mount),
		disk("lz4hc-big-clusters", "-zlz4hc,9 -C65536", fsck),
		disk("tail-packing", "-zlz4 -Eztailpacking", fsck),
		disk("legacy-compression", "-zlz4 -Elegacy-compress", fsck),
		disk("no-inline-data", "-Enoinline_data", fsck),
		disk("compact-inodes", "-Eforce-inode-compact", fsck),
		disk("chunks", "--chunksize=4096", fsck),
	}
	whole := []scantest.Disk{
		disk("another-device", `--chunksize=4096 --blobdev="$IMG.blob"`, fsck),
		disk("old-data-behind", `"$IMG" "$SRC"; truncate -s 12M "$IMG"; dd if=/dev/urandom of="$IMG" bs=4k seek=3071 count=1 conv=notrunc; :`, fsck),
		disk("cut-short", `"$IMG" "$SRC"; truncate -s -4K "$IMG"; exit 0; :`, fsck),
		disk("wrong-checksum", `"$IMG" "$SRC"; truncate -s 12M "$IMG"; printf x | dd of="$IMG" bs=1 seek=1100 conv=notrunc; :`, fsck),
	}
	for i := range whole {
		whole[i].Whole = true
	}
	scantest.Run(t, scantest.Suite{
		Scanner: erofs.Scanner{},
		Check:   `fsck.erofs "$IMG"`,
		Free:    freeOf,
		Tools:   []string{"mkfs.erofs", "dump.erofs", "fsck.erofs"},
		Disks:   append(disks, whole...),
	})
}

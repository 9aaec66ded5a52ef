//go:build integration

package f2fs_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/f2fs"
	"migimg/blockmap/ptable"
	"migimg/blockmap/scantest"
	"migimg/internal/need"
)

const mib = 1 << 20

// extract copies the files by the numbers of their inodes, and the tree of
// names and numbers: dump.f2fs knows no names.
const extract = `cd "$DST"
fsck.f2fs --dry-run -t "$IMG" | grep -o '.* <ino = 0x[0-9a-f]*>' >tree || true
for i in $(sed -n 's/.*<ino = 0x\(.*\)>/\1/p' tree); do
	yes | dump.f2fs -i 0x$i "$IMG" >/dev/null
	for f in lost_found/*; do if test -f "$f"; then mv "$f" $i; fi; done
done
rm -rf lost_found`

// check has to read what fsck.f2fs says: in a dry run it always succeeds.
const check = `fsck.f2fs --dry-run "$IMG" >"$IMG.fsck" || { cat "$IMG.fsck"; exit 1; }
if grep -e Fail -e ASSERT "$IMG.fsck"; then cat "$IMG.fsck"; exit 1; fi
grep -q 'SIT valid block bitmap checking *\[Ok' "$IMG.fsck"`

// disk is filled from the folder $SRC, to which more may add.
func disk(name string, size int64, mkfs, more string) scantest.Disk {
	return scantest.Disk{
		Name: name, Size: size, Extract: extract,
		Mkfs: "mkfs.f2fs -q " + mkfs + ` "$IMG"` + "\n" + more + "\n" + `sload.f2fs -f "$SRC" "$IMG"`,
	}
}

func TestDisks(t *testing.T) {
	const (
		half = `rm -r "$SRC/tree"; for i in $(seq 10); do head -c $((i * 500000)) /dev/urandom >"$SRC/half$i"; done`
		// sload.f2fs ends where about 20 segments are left.
		full = `rm -r "$SRC/tree"; for i in $(seq 17); do head -c 2500000 /dev/urandom >"$SRC/full$i"; done`
		tiny = `rm -r "$SRC"/*; for i in $(seq 25); do seq $((100 * i)) >"$SRC/tiny$i"; done`
		// twice sends checkpoint and SIT to their other places.
		twice = `mkdir "$SRC/more"; seq 9 >"$SRC/more/1"; sload.f2fs -f "$SRC/more" -t /more "$IMG"`
	)
	empty := func(name string, size int64, mkfs string) scantest.Disk {
		return scantest.Disk{Name: name, Size: size, Fill: scantest.Empty, Extract: extract, Mkfs: "mkfs.f2fs -q " + mkfs + ` "$IMG"`}
	}
	disks := []scantest.Disk{
		empty("empty", 100*mib, "-l 'my label'"),
		empty("empty-60-mib", 60*mib, "-w 4096"),
		empty("empty-odd-size", 77*mib+5*512, ""),
		empty("empty-lost_found", 100*mib, "-O extra_attr,lost_found,flexible_inline_xattr"),
		empty("empty-250-mib", 250*mib, "-i"),
		disk("light", 100*mib, "", ""),
		disk("small", 64*mib, "", tiny),
		disk("half", 110*mib, "", half),
		disk("full", 120*mib, "", full),
		disk("features", 100*mib, "-O extra_attr,sb_checksum,inode_crtime,verity,project_quota,quota,encrypt,compression", half),
		disk("inode_checksum", 100*mib, "-O extra_attr,inode_checksum,sb_checksum", tiny),
		disk("casefold", 100*mib, "-O casefold -C utf8", tiny),
		disk("sections-and-zones", 200*mib, "-s 2 -z 2", tiny),
		disk("heap", 100*mib, "-a 1", tiny),
		disk("extended-node-bitmap", 200*mib, "-i", tiny),
	}
	two := disk("twice", 160*mib, "", half)
	two.Mkfs += "\n" + twice
	disks = append(disks, two)
	for _, d := range []scantest.Disk{
		{Name: "read-only", Mkfs: `mkfs.f2fs -q -O ro "$IMG"`},
		// Of this, fsck.f2fs says that mkfs.f2fs has not counted right.
		{Name: "counts-differ", Size: 1000 * mib, Mkfs: `mkfs.f2fs -q -s 8 "$IMG"`},
		{Name: "two-devices", Mkfs: `truncate -s 100M "$IMG.2"; mkfs.f2fs -q -c "$IMG.2" "$IMG"`},
		{Name: "copy-differs", Mkfs: `mkfs.f2fs -q "$IMG"; printf '\001' | dd of="$IMG" bs=1 seek=$((4096+1024+44)) conv=notrunc`},
		{Name: "first-checkpoint-damaged", Mkfs: `mkfs.f2fs -q "$IMG"; printf '\001' | dd of="$IMG" bs=1 seek=$((512*4096+500)) conv=notrunc`},
	} {
		d.Size, d.Whole, d.Extract = max(d.Size, 100*mib), true, extract
		disks = append(disks, d)
	}
	scantest.Run(t, scantest.Suite{
		Scanner: f2fs.Scanner{Still: true},
		Check:   check,
		Free:    dump,
		Tools:   []string{"mkfs.f2fs", "sload.f2fs", "fsck.f2fs", "dump.f2fs"},
		Disks:   disks,
	})
}

// TestIdentity compares with blkid, beside a scanner of partition tables: a boot
// sector may look like one.
func TestIdentity(t *testing.T) {
	need.Tool(t, "blkid", "mkfs.f2fs")
	img := filepath.Join(t.TempDir(), "disk.img")
	out, err := exec.Command("sh", "-ec", `truncate -s 100M "$0"; mkfs.f2fs -q -l 'my label' "$0" >&2; blkid -p -o export "$0"`, img).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		want[key] = strings.ReplaceAll(value, `\`, "")
	}
	f, err := os.Open(img)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, r, err := blockmap.Scan(context.Background(), blockmap.Bytes(f, 100*mib, 512), []blockmap.Scanner{ptable.Scanner{}, f2fs.Scanner{Still: true}}, blockmap.ScanOptions{})
	if err != nil || r.Whole != "" || r.BlockSize != 4096 {
		t.Fatalf("%+v %v", r, err)
	}
	if r.Type != want["TYPE"] || r.UUID != want["UUID"] || r.Label != want["LABEL"] || r.Label != "my label" {
		t.Errorf("%+v, blkid says %v", r.Report, want)
	}
}

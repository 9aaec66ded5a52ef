//go:build integration

package ntfs_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/ntfs"
	"migimg/blockmap/ptable"
	"migimg/blockmap/scantest"
	"migimg/internal/need"
)

const mib = 1 << 20

func disk(name string, size int64, mkfs string, fill scantest.Fill) scantest.Disk {
	return scantest.Disk{Name: name, Size: size, Mkfs: mkfs + ` "$IMG"`, Fill: fill}
}

// after is a script for Disk.After that runs another with the volume mounted at
// $d.
func after(options, script string) string {
	return `(
d=$(mktemp -d); mount -t ntfs-3g -o loop` + options + ` "$IMG" $d
trap 'cd /; umount $d; rmdir $d' EXIT
` + script + `
)`
}

const (
	// manyFiles makes $MFT grow.
	manyFiles = `for i in $(seq 12); do mkdir $d/m$i; (cd $d/m$i; seq 200 | xargs touch); done; rm -r $d/m3 $d/m9`
	full      = `dd if=/dev/urandom of=$d/rest bs=64K count=$(($(stat -fc '%a*%S*97/100/65536' $d)))`
	// scattered leaves free space in single clusters only, from where $MFT, and an
	// index, must then grow: so much that they get attribute lists.
	scattered = `mkdir $d/s; cd $d/s
python3 - <<'PY'
import os
n = 0
try:
    while True:
        with open(str(n), "wb") as f: f.write(b"x" * 1100)
        n += 1
except OSError:
    pass
for i in range(0, n, 2):
    try: os.remove(str(i))
    except OSError: pass
try:
    for i in range(n):
        open("new%d" % i, "wb").close()
except OSError:
    pass
PY`
	// compressed makes files in a compressed folder (ntfs-3g, system.ntfs_attrib),
	// some with clusters that do not compress.
	compressed = `mkdir $d/c; setfattr -h -n system.ntfs_attrib_be -v 0x00000810 $d/c
seq 200000 >$d/c/numbers; cp /bin/sh $d/c/program; head -c 300000 /dev/urandom >$d/c/random
cat $d/c/random $d/c/numbers >$d/c/both; truncate -s 3M $d/c/hole; cp $d/c/numbers $d/c/gone; rm $d/c/gone`
)

func TestDisks(t *testing.T) {
	disks := []scantest.Disk{
		disk("empty", 100*mib, "mkntfs -qQF -L 'my label'", scantest.Empty),
		disk("light", 120*mib, "mkntfs -qQF", scantest.Light),
		disk("half", 40*mib, "mkntfs -qQF", scantest.Half),
		disk("fragmented", 30*mib, "mkntfs -qQF", scantest.Fragmented),
		disk("cluster-512-fragmented", 16*mib, "mkntfs -qQF -c 512", scantest.Fragmented),
		disk("cluster-1k-half", 30*mib, "mkntfs -qQF -c 1024", scantest.Half),
		disk("cluster-64k", 40*mib, "mkntfs -qQF -c 65536", scantest.Half),
		disk("sector-4096", 40*mib, "mkntfs -qQF -s 4096", scantest.Half),
		disk("sector-1024-cluster-8k", 60*mib, "mkntfs -qQF -s 1024 -c 8192", scantest.Light),
		disk("odd-size", 37*mib+7*512, "mkntfs -qQF", scantest.Half),
		disk("odd-size-64k", 37*mib+131*512, "mkntfs -qQF -c 65536", scantest.Light),
	}
	// Of these, the deleted pattern is overwritten, or lies behind the new end.
	for _, d := range []scantest.Disk{
		disk("cluster-512k", 200*mib, "mkntfs -qQF -c 524288", scantest.Light),
		{Name: "full", Size: 32 * mib, Mkfs: `mkntfs -qQF "$IMG"`, Fill: scantest.Light, After: after("", full)},
		{Name: "many-files", Size: 30 * mib, Mkfs: `mkntfs -qQF "$IMG"`, Fill: scantest.Light, After: after("", manyFiles)},
		{Name: "attribute-lists", Size: 12 * mib, Mkfs: `mkntfs -qQF -c 512 "$IMG"`, Fill: scantest.Empty, After: after("", scattered) + `
ntfsinfo -i 0 "$IMG" | grep 'ATTRIBUTE_LIST'`},
		{Name: "compressed", Size: 30 * mib, Mkfs: `mkntfs -qQF -C "$IMG"`, Fill: scantest.Light, After: after(",compression", compressed)},
		{Name: "grown", Size: 24 * mib, Mkfs: `mkntfs -qQF "$IMG"`, Fill: scantest.Half, After: `truncate -s 90M "$IMG"; yes | ntfsresize -f "$IMG"; ntfsfix -d "$IMG"`},
		{Name: "shrunk", Size: 60 * mib, Mkfs: `mkntfs -qQF "$IMG"`, Fill: scantest.Light, After: `yes | ntfsresize -f -s 40M "$IMG"; ntfsfix -d "$IMG"`},
		{Name: "was-hibernated", Size: 20 * mib, Mkfs: `mkntfs -qQF "$IMG"`, Fill: scantest.Light, After: after("", `printf wake >$d/hiberfil.sys; truncate -s 1M $d/hiberfil.sys`)},
	} {
		d.Granular = true
		disks = append(disks, d)
	}
	for _, d := range []scantest.Disk{
		{Name: "dirty", After: `ntfsfix "$IMG"`},
		{Name: "hibernated", After: after("", `printf hibr >$d/hiberfil.sys; truncate -s 1M $d/hiberfil.sys`)},
		{Name: "hibernated-in-a-large-folder", After: after("", `(cd $d; seq -f 'a-file-before-%g' 3000 | xargs touch; seq -f 'the-files-behind-%g' 3000 | xargs touch); printf HIBR >$d/HiberFil.sys; truncate -s 1M $d/HiberFil.sys`)},
		{Name: "hibernated-elsewhere", After: after("", `printf xxxx >$d/hiberfil.sys`)},
		{Name: "mirror-differs", After: `printf '\001' | dd of="$IMG" bs=1 seek=$((4096*4+0x38)) conv=notrunc`},
	} {
		d.Size, d.Mkfs, d.Fill, d.Whole = 20*mib, `mkntfs -qQF "$IMG"`, scantest.Empty, true
		disks = append(disks, d)
	}
	scantest.Run(t, scantest.Suite{
		Scanner: ntfs.Scanner{Still: true},
		Mount:   "ntfs-3g",
		Check:   `ntfsfix -n "$IMG"; ntfsinfo -m "$IMG"`,
		Free:    ntfsclone,
		Tools:   []string{"mkntfs", "ntfs-3g", "ntfsfix", "ntfsinfo", "ntfsclone", "ntfsresize", "setfattr", "python3"},
		Disks:   disks,
	})
}

// TestIdentity compares with blkid, beside a scanner of partition tables: a boot
// sector may look like one.
func TestIdentity(t *testing.T) {
	need.Tool(t, "blkid", "mkntfs")
	img := filepath.Join(t.TempDir(), "disk.img")
	out, err := exec.Command("sh", "-ec", `truncate -s 100M "$0"; mkntfs -qQF -L 'my label' -c 8192 "$0" >&2; blkid -p -o export "$0"`, img).Output()
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
	_, r, err := blockmap.Scan(context.Background(), blockmap.Bytes(f, 100*mib, 512), []blockmap.Scanner{ptable.Scanner{}, ntfs.Scanner{Still: true}}, blockmap.ScanOptions{})
	if err != nil || r.Whole != "" || r.BlockSize != 8192 {
		t.Fatalf("%+v %v", r, err)
	}
	if r.Type != want["TYPE"] || r.UUID != want["UUID"] || r.Label != want["LABEL"] || r.Label != "my label" {
		t.Errorf("%+v, blkid says %v", r.Report, want)
	}
}

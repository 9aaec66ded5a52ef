//go:build integration

package xfs_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/xfs"
	"migimg/internal/need"
)

// crash takes the image while the filesystem is mounted, as it would be after
// the machine lost power.
const crash = `
crash() {
	d=$(mktemp -d)
	mount -o loop "$IMG" $d
	for i in $(seq 1 50); do head -c $((i * 977 % 20000 + 1)) /dev/urandom >$d/crash$i; done
	sync
	rm $d/crash*7
	sync $d/crash1
	cp --sparse=always "$IMG" "$IMG.copy"
	umount $d
	rmdir $d
	mv "$IMG.copy" "$IMG"
}
crash
`

const replay = `d=$(mktemp -d); mount -o loop "$IMG" $d; umount $d; rmdir $d`

// However far the log has come in its ring, a copy of the mounted filesystem is
// carried whole, and one of the unmounted is not.
func TestRing(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mkfs.xfs", "xfs_db", "mount", "umount", "losetup", "cp")
	dir := t.TempDir()
	img, mnt := filepath.Join(dir, "fs.img"), filepath.Join(dir, "mnt")
	run(t, `truncate -s 64M "$IMG"; mkdir "$MNT"; `+small+`mkfs.xfs -q "$IMG"`, img, mnt)
	t.Cleanup(func() { _ = exec.Command("umount", mnt).Run() }) // after a Fatal
	for round := range 6 {                                      // more than one lap
		run(t, `mount -o loop "$IMG" "$MNT"`, img, mnt)
		for step := range 3 {
			for i := range 700 {
				name := filepath.Join(mnt, fmt.Sprintf("a-name-to-fill-the-log-with-%d-%d", step, i))
				if err := os.WriteFile(name, nil, 0o600); err != nil {
					t.Fatal(err)
				}
				if i%30 == 0 {
					run(t, `sync -f "$MNT"`, img, mnt)
				}
				if i%3 > 0 {
					if err := os.Remove(name); err != nil {
						t.Fatal(err)
					}
				}
			}
			run(t, `sync -f "$MNT"; cp --sparse=always "$IMG" "$IMG.copy"`, img, mnt)
			if r := report(t, img+".copy"); r.Whole == "" {
				t.Fatalf("round %d, step %d: a mounted filesystem counts as clean", round, step)
			}
		}
		run(t, `umount "$MNT"; i=0; while [ -n "$(losetup -j "$IMG")" ] && [ $i -lt 50 ]; do sleep 0.02; i=$((i + 1)); done`, img, mnt)
		if r := report(t, img); r.Whole != "" {
			t.Fatalf("round %d: %s", round, r.Whole)
		}
	}
	if lsn := number(t, fields(xfsDB(t, img, "sb 0", "print lsn"))["lsn"]); lsn>>32 < 2 {
		t.Errorf("the log was not filled: %#x", lsn)
	}
}

func run(t *testing.T, script, img, mnt string) {
	t.Helper()
	cmd := exec.Command("sh", "-ec", script)
	cmd.Env = append(os.Environ(), "IMG="+img, "MNT="+mnt)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s\n%v\n%s", script, err, out)
	}
}

func report(t *testing.T, img string) blockmap.Report {
	t.Helper()
	f, err := os.Open(img)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	r, err := xfs.Scanner{Still: true}.Scan(context.Background(), blockmap.Bytes(f, st.Size(), 512), &lister{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

//go:build integration

package ext4_test

import (
	"context"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/ext4"
	"migimg/internal/need"
)

// TestEmptyJournal: what a journal held may be anything once it is empty. The copy
// is mounted, written, and taken as a crash leaves it: its new journal is replayed
// and nothing else, though the numbers of its transactions go on from the old ones.
func TestEmptyJournal(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mke2fs", "e2fsck", "dumpe2fs", "mount", "umount")
	const script = `
d=$(mktemp -d); mount -o loop "$IMG" $d; trap 'umount $d; rmdir $d' EXIT
for r in 1 2 3; do
	mkdir $d/$NAME-$r
	for i in $(seq 1 60); do head -c $((i * 977 % 20000 + 4096)) /dev/urandom >$d/$NAME-$r/$i; done
	sync $d/$NAME-$r/* $d/$NAME-$r $d
done
`
	for _, mkfs := range []string{"-t ext4", "-t ext4 -b 4096 -J size=4", "-t ext3 -b 1024 -J size=1"} {
		for _, what := range []string{"zeros", "garbage"} {
			t.Run(mkfs+" "+what, func(t *testing.T) {
				dir := t.TempDir()
				img := filepath.Join(dir, "fs.img")
				sh := func(script string, env ...string) {
					t.Helper()
					cmd := exec.Command("sh", "-ec", script)
					cmd.Env = append(append(os.Environ(), "IMG="+img, "DIR="+dir), env...)
					if out, err := cmd.CombinedOutput(); err != nil {
						t.Fatalf("%s: %v\n%s", script, err, out)
					}
				}
				sh(`truncate -s 80M "$IMG"; mke2fs -q -F ` + mkfs + ` "$IMG"`)
				sh(script, "NAME=before")
				f, err := os.OpenFile(img, os.O_RDWR, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = f.Close() }()
				st, err := f.Stat()
				if err != nil {
					t.Fatal(err)
				}
				m, info, err := blockmap.Scan(context.Background(), blockmap.Bytes(f, st.Size(), 512), []blockmap.Scanner{ext4.Scanner{}}, blockmap.ScanOptions{})
				if err != nil || info.Whole != "" {
					t.Fatalf("%+v, %v", info, err)
				}
				old, at := 0, int64(0)
				put := func(from, to int64) {
					b := make([]byte, to-from)
					if _, err := f.ReadAt(b, from); err != nil && err != io.EOF {
						t.Fatal(err)
					}
					for i := 0; i+4 <= len(b); i += 512 {
						if b[i] == 0xc0 && b[i+1] == 0x3b && b[i+2] == 0x39 && b[i+3] == 0x98 {
							old++ // a block of the journal's
						}
					}
					clear(b)
					if what == "garbage" {
						var seed [32]byte
						_, _ = rand.NewChaCha8(seed).Read(b)
					}
					if _, err := f.WriteAt(b, from); err != nil {
						t.Fatal(err)
					}
				}
				for r := range m.Ranges(0, st.Size()) {
					put(at, r.Off)
					at = r.End()
				}
				put(at, st.Size())
				if old < 5 {
					t.Fatalf("only %d blocks of old transactions are free: the test says nothing", old)
				}
				sh(`e2fsck -fn "$IMG"`)
				sh(script+`(cd $d; find . -type f | sort | xargs sha256sum) >"$DIR/want"; cp --sparse=always "$IMG" "$DIR/crashed"`, "NAME=after")
				sh(`dumpe2fs -h "$DIR/crashed" | grep -q needs_recovery
d=$(mktemp -d); mount -o loop "$DIR/crashed" $d; trap 'umount $d || true; rmdir $d' EXIT
(cd $d; find . -type f | sort | xargs sha256sum) | cmp - "$DIR/want"
umount $d; e2fsck -fn "$DIR/crashed"; trap 'rmdir $d' EXIT`)
			})
		}
	}
}

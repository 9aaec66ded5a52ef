package ext4

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/internal/need"
)

// Journals that debugfs writes, replayed by debugfs and by us.
func TestReplayAsDebugfs(t *testing.T) {
	need.Tool(t, "mke2fs", "debugfs")
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const size = 1024
	one := write("one", bytes.Repeat([]byte("1"), 4*size))
	two := write("two", append([]byte{0xc0, 0x3b, 0x39, 0x98}, bytes.Repeat([]byte("2"), 2*size-4)...)) // to be escaped
	for _, mkfs := range []string{"", "-O ^64bit", "-O ^metadata_csum,^64bit", "-O ^extent,^metadata_csum,^64bit"} {
		for _, open := range []string{"jo", "jo -c -v 2", "jo -c -v 3"} {
			if strings.Contains(mkfs, "^metadata_csum") && open != "jo" {
				continue // the checksums of ext3's time, which are refused
			}
			t.Run(mkfs+" "+open, func(t *testing.T) {
				img := filepath.Join(t.TempDir(), "fs.img")
				tool(t, "", "mke2fs", append(strings.Fields("-q -F -t ext4 -b 1024 "+mkfs), img, "8M")...)
				tool(t, fmt.Sprintf("%s\njw -b 7000,7001,7002,7003 %s\njw -b 7001,7005 %s\njw -r 7002\njc\n", open, one, two), "debugfs", "-w", "-f", "-", img)
				before, err := os.ReadFile(img)
				if err != nil {
					t.Fatal(err)
				}
				tool(t, "jr\n", "debugfs", "-w", "-f", "-", img)
				after, err := os.ReadFile(img)
				if err != nil {
					t.Fatal(err)
				}
				v := blockmap.Bytes(bytes.NewReader(before), int64(len(before)), 512)
				sb, err := readSuper(v)
				if err != nil {
					t.Fatal(err)
				}
				if why := sb.check(v.Size()); why != "" {
					t.Fatal(why)
				}
				f := &fsys{v: v, sb: sb}
				j, err := f.openJournal()
				if err != nil {
					t.Fatal(err)
				}
				if j.start == 0 || sb.incompat&incompatRecover == 0 {
					t.Fatal("the journal is clean")
				}
				if f.log, err = j.readLog(); err != nil {
					t.Fatal(err)
				}
				written := 0
				for n := int64(6990); n < 7010; n++ {
					got := make([]byte, size)
					if err := f.read(got, n, "block"); err != nil {
						t.Fatal(err)
					}
					if want := after[n*size:][:size]; !bytes.Equal(got, want) {
						t.Errorf("block %d is %x..., debugfs makes it %x...", n, got[:8], want[:8])
					}
					if !bytes.Equal(got, before[n*size:][:size]) {
						written++
					}
				}
				if written != 4 {
					t.Errorf("%d blocks are written, must be 4: 7000, 7001, 7003, 7005", written)
				}
			})
		}
	}
}

func tool(t testing.TB, stdin, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

//go:build integration

package xfs_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/xfs"
	"migimg/internal/need"
)

var (
	inodeLine = regexp.MustCompile(`^ *(\d+) (.+)$`)
	bmapLine  = regexp.MustCompile(`data offset (\d+) startblock \d+ \((\d+)/(\d+)\) count (\d+) flag`)
)

// TestData compares with what xfs_db prints of each inode, for filesystems that
// not every kernel mounts. It has the names, too.
func TestData(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mkfs.xfs", "xfs_db", "truncate")
	src := t.TempDir()
	want := map[string]bool{}
	for i := range 400 { // directories of all forms
		name := fmt.Sprintf("%s/a name of some length, number %d", map[bool]string{true: "few", false: "many"}[i < 5], i)
		name = strings.ReplaceAll(name, " ", "-") // mkfs takes them apart there
		write(t, filepath.Join(src, name), i*997%30000)
		want["/"+name] = true
	}
	for _, options := range []string{
		"-m crc=0", "-m crc=0 -b size=512 -n ftype=0 -d agcount=3", "-m crc=0 -i size=2048 -n size=16k,ftype=0",
		"-m crc=0 -b size=32768 -s size=4096", "", "-b size=1024 -n size=32k", "-b size=65536 -i size=1024",
	} {
		t.Run(options, func(t *testing.T) {
			img := filepath.Join(t.TempDir(), "fs.img")
			run(t, fmt.Sprintf(`SRC=%q; truncate -s 300M "$IMG"; %s %s mkfs.xfs -q -f %s -p "$IMG.proto" "$IMG"`, src, fromSource, small, options), img, "")
			inodes := inodesOf(t, img)
			for name := range want {
				if inodes[name] == 0 {
					t.Fatalf("xfs_db does not know %s", name)
				}
			}
			mustBeAsPrinted(t, img, inodes, 0)
			// Inodes of quotas are made with the first mount, by kernels that have them.
			quota := inodes[slices.Sorted(maps.Keys(want))[100]]
			for _, field := range []string{"uquotino", "gquotino", "pquotino"} {
				if field == "pquotino" && strings.Contains(options, "crc=0") {
					continue
				}
				xfsDBWrite(t, img, "sb 0", fmt.Sprintf("write -d %s %d", field, quota))
				mustBeAsPrinted(t, img, inodes, quota)
				xfsDBWrite(t, img, "sb 0", "write -d "+field+" 0")
			}
		})
	}
}

// inodesOf are the names of what is no directory.
func inodesOf(t *testing.T, img string) map[string]uint64 {
	t.Helper()
	inodes := map[string]uint64{}
	for line := range strings.Lines(xfsDB(t, img, "blockget -n", "ncheck")) {
		if m := inodeLine.FindStringSubmatch(strings.TrimSpace(line)); m != nil && !strings.HasSuffix(m[2], "/.") {
			inodes["/"+m[2]] = uint64(number(t, m[1]))
		}
	}
	return inodes
}

// mustBeAsPrinted scans an image and compares. Nothing may be named of the inode
// quota.
func mustBeAsPrinted(t *testing.T, img string, inodes map[string]uint64, quota uint64) {
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
	v := blockmap.Bytes(f, st.Size(), 512)
	l := &dataLister{data: map[string]bool{}}
	if r, err := (xfs.Scanner{Frozen: true}).Scan(context.Background(), v, l); err != nil || r.Whole != "" || len(r.Warnings) > 0 {
		t.Fatal(err, r.Whole, r.Warnings)
	}
	sb := fields(xfsDB(t, img, "sb 0", "print blocksize agblocks"))
	size, perGroup := number(t, sb["blocksize"]), number(t, sb["agblocks"])
	var ids []blockmap.FileID
	var commands []string
	for _, ino := range inodes {
		ids = append(ids, blockmap.FileID{Inode: ino})
		commands = append(commands, fmt.Sprintf("inode %d", ino), "print core.size", "bmap -d")
	}
	k := -1
	printed := map[string]bool{}
	for line := range strings.Lines(xfsDB(t, img, commands...)) {
		if strings.HasPrefix(line, "core.size") {
			k++
			continue
		}
		if m := bmapLine.FindStringSubmatch(line); m != nil && ids[k].Inode != quota {
			at, group, block, n := number(t, m[1]), number(t, m[2]), number(t, m[3]), number(t, m[4])
			printed[fmt.Sprint(ids[k].Inode, at*size, (group*perGroup+block)*size, n*size)] = true
		}
	}
	if len(printed) < 300 {
		t.Fatalf("xfs_db prints only %d extents", len(printed))
	}
	if !maps.Equal(printed, l.data) {
		t.Errorf("named\n%v\nmust be\n%v", slices.Sorted(maps.Keys(l.data)), slices.Sorted(maps.Keys(printed)))
	}
	names, err := xfs.Scanner{}.Paths(context.Background(), v, ids)
	if err != nil {
		t.Fatal(err)
	}
	for name, ino := range inodes {
		if got := names[blockmap.FileID{Inode: ino}]; got != name {
			t.Errorf("inode %d is called %q, must be %q", ino, got, name)
		}
	}
}

// dataLister lists what is data as xfs_db's numbers are put together.
type dataLister struct {
	lister
	data map[string]bool
}

func (l *dataLister) Data(off, n int64, file blockmap.FileID, at int64) error {
	l.data[fmt.Sprint(file.Inode, at, off, n)] = true
	return nil
}

func write(t *testing.T, path string, n int) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, make([]byte, n), 0o600); err != nil {
		t.Fatal(err)
	}
}

func xfsDBWrite(t *testing.T, img string, commands ...string) {
	t.Helper()
	run(t, `xfs_db -x -c '`+strings.Join(commands, `' -c '`)+`' "$IMG"`, img, "")
}

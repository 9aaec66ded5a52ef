//go:build integration

package btrfs_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"migimg/blockmap"
	"migimg/blockmap/btrfs"
	"migimg/internal/need"
	"migimg/internal/shell"
)

var (
	refLine    = regexp.MustCompile(`extent data backref root (\S+) objectid (\d+) offset (\d+) count`)
	sharedLine = regexp.MustCompile(`shared data backref parent \d+ count`)
	flagsLine  = regexp.MustCompile(`refs \d+ gen \d+ flags (\S+)`)
)

// checkOwners compares what is named of an image's data with what btrfs
// inspect-internal prints of the extents' references, a block of 4 KiB at a time,
// and the names of files with the kernel's.
func checkOwners(t testing.TB, img string, files *blockmap.Files) {
	got := map[string]bool{}
	ids := map[blockmap.FileID]bool{}
	for e := range files.In(0, 1<<62) {
		for i := int64(0); i < e.Len; i += unit {
			got[line(e.Off+i, e.File, e.At+i)] = true
		}
		ids[e.File] = true
	}
	want := ownersOf(t, img)
	for _, c := range []struct {
		what string
		a, b map[string]bool
	}{{"not named", want, got}, {"named", got, want}} {
		var odd []string
		for l := range c.a {
			if !c.b[l] {
				odd = append(odd, l)
			}
		}
		slices.Sort(odd)
		if len(odd) > 0 {
			t.Errorf("%d of %d blocks are wrongly %s: %q", len(odd), len(c.a), c.what, odd[:min(5, len(odd))])
		}
	}
	checkPaths(t, img, slices.Collect(maps.Keys(ids)))
}

// line is a block, whose it is and from where in the file. An unknown file has no
// places.
func line(off int64, file blockmap.FileID, at int64) string {
	if file == (blockmap.FileID{}) {
		at = 0
	}
	return fmt.Sprintf("%12d %d %d %d", off, file.Tree, file.Inode, at)
}

// ownersOf is who owns each block of data by the word of btrfs-progs.
func ownersOf(t testing.TB, img string) map[string]bool {
	type ref struct {
		inode uint64
		at    int64
	}
	out := map[string]bool{}
	chunks, _ := chunksOn(t, img, 1)
	from, n := int64(0), int64(0)
	refs := map[ref]uint64{} // the lowest tree
	shared, other := false, false
	flush := func() {
		if shared && len(refs) == 0 {
			refs[ref{}] = 0
		}
		for at := from; at < from+n && !other; at += unit {
			for _, c := range chunks {
				if at < c.start || at >= c.start+c.length {
					continue
				}
				c.each(at, 1, func(off int64) {
					for r, tree := range refs {
						out[line(off, blockmap.FileID{Inode: r.inode, Tree: tree}, r.at+at-from)] = true
					}
				})
			}
		}
		from, n, shared, other = 0, 0, false, false
		clear(refs)
	}
	for l := range strings.Lines(dump(t, img, "extent")) {
		if m := keyLine.FindStringSubmatch(l); m != nil && (m[2] == "EXTENT_ITEM" || m[2] == "METADATA_ITEM") {
			flush()
			if m[2] == "EXTENT_ITEM" {
				from, n = num(t, m[1]), num(t, m[3])
			}
		}
		if m := flagsLine.FindStringSubmatch(l); m != nil && m[1] != "DATA" {
			n = 0
		}
		if m := refLine.FindStringSubmatch(l); m != nil {
			tree, err := strconv.ParseUint(strings.ReplaceAll(m[1], "FS_TREE", "5"), 10, 64)
			offset, err2 := strconv.ParseUint(m[3], 10, 64)
			if err != nil {
				other = true // ROOT_TREE: the space cache
				continue
			}
			if err2 != nil {
				t.Fatal(err2)
			}
			r := ref{uint64(num(t, m[2])), int64(offset)}
			if old, ok := refs[r]; !ok || tree < old {
				refs[r] = tree
			}
		}
		shared = shared || sharedLine.MatchString(l)
	}
	flush()
	return out
}

// checkPaths compares the names of files with who the kernel says is called so.
func checkPaths(t testing.TB, img string, ids []blockmap.FileID) {
	f, err := os.Open(img)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	paths, err := btrfs.Scanner{}.Paths(t.Context(), blockmap.Bytes(f, st.Size(), 512), ids)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	shell.Run(t, `mount -o loop,ro,subvolid=5 "$IMG" "$DIR"`, "IMG="+img, "DIR="+dir)
	defer shell.Run(t, `umount "$DIR"; for i in $(seq 50); do test -z "$(losetup -j "$IMG")" && exit; sleep 0.1; done`, "IMG="+img, "DIR="+dir)
	bad := 0
	for _, id := range ids {
		if id == (blockmap.FileID{}) {
			continue
		}
		if got, err := fileAt(filepath.Join(dir, paths[id])); paths[id] == "" || err != nil || got != id {
			if bad++; bad < 10 {
				t.Errorf("%+v is called %q, which is %+v, %v", id, paths[id], got, err)
			}
		}
	}
	t.Logf("%d files have their names", len(ids)-bad)
}

// fileAt is who a file is, by the kernel's word (BTRFS_IOC_INO_LOOKUP).
func fileAt(path string) (id blockmap.FileID, err error) {
	f, err := os.Open(path)
	if err != nil {
		return id, err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return id, err
	}
	b := make([]byte, 4096)
	binary.NativeEndian.PutUint64(b[8:], 256)
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, f.Fd(), 0xd0009412, uintptr(unsafe.Pointer(&b[0]))); e != 0 {
		return id, e
	}
	return blockmap.FileID{Inode: st.Ino, Tree: binary.NativeEndian.Uint64(b)}, nil
}

// TestSpaceCache has files of the space cache, version 1, which the kernel makes
// for block groups of 100 MiB and more: they are metadata.
func TestSpaceCache(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mkfs.btrfs", "btrfs", "losetup")
	img, dir := t.TempDir()+"/disk.img", t.TempDir()
	shell.Run(t, `truncate -s 2G $IMG; mkfs.btrfs -q -m single -R ^free-space-tree $IMG; mount -o loop,space_cache=v1 $IMG $DIR; cd $DIR
		for k in 1 2 3 4; do for i in $(seq 40); do head -c $((i*5000)) /dev/urandom > $k-$i; done; head -c 12M /dev/urandom > large$k; sync -f .; rm $k-1*; sync -f .; done
		cd /; umount $DIR; for i in $(seq 50); do test -z "$(losetup -j $IMG)" && exit; sleep 0.1; done; exit 1`, "IMG="+img, "DIR="+dir)
	if n := strings.Count(dump(t, img, "extent"), "root ROOT_TREE"); n == 0 {
		t.Fatal("there is no space cache")
	}
	f, size := openImage(t, img)
	files := &blockmap.Files{}
	_, info, err := blockmap.Scan(t.Context(), blockmap.Bytes(f, size, 512), []blockmap.Scanner{btrfs.Scanner{}}, blockmap.ScanOptions{
		Frozen: func(string) bool { return true }, Files: files,
	})
	if err != nil || info.Whole != "" || files.Len() == 0 {
		t.Fatalf("%+v, %v, %d extents", info.Report, err, files.Len())
	}
	checkOwners(t, img, files)
}

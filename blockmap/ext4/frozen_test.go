package ext4

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/scantest"
	"migimg/internal/need"
)

// treeOf is an image of few blocks, without checksums, with files of all kinds.
func treeOf(tb testing.TB, features string) []byte {
	tb.Helper()
	need.Tool(tb, "mke2fs")
	dir := tb.TempDir()
	src := filepath.Join(dir, "src")
	for _, name := range []string{"a/b/c/deep", "a/small", "many/x", "\xff\n"} {
		path := filepath.Join(src, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(path, bytes.Repeat([]byte(name), 400), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	for i := range 40 { // more than a block of entries
		if err := os.WriteFile(filepath.Join(src, "many", strings.Repeat("n", 40)+fmt.Sprint(i)), []byte("x"), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	if err := os.Symlink(strings.Repeat("long/", 30), filepath.Join(src, "link")); err != nil {
		tb.Fatal(err)
	}
	big, err := os.Create(filepath.Join(src, "a/islands"))
	if err != nil {
		tb.Fatal(err)
	}
	for i := range int64(12) {
		if _, err := big.WriteAt([]byte("island"), i*300<<10); err != nil {
			tb.Fatal(err)
		}
	}
	if err := big.Close(); err != nil {
		tb.Fatal(err)
	}
	img := filepath.Join(dir, "fs.img")
	tool(tb, "", "mke2fs", "-q", "-F", "-t", "ext4", "-b", "1024", "-N", "96", "-O", "^has_journal,^64bit,^metadata_csum,^resize_inode,^64bit,"+features, "-d", src, img, "500k")
	b, err := os.ReadFile(img)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// gatherer is a Sink that gathers the extents of files.
type gatherer struct {
	counter
	data map[uint64][]blockmap.Range
}

func (g *gatherer) Data(off, n int64, file blockmap.FileID, _ int64) error {
	if g.data == nil {
		g.data = map[uint64][]blockmap.Range{}
	}
	g.data[file.Inode] = append(g.data[file.Inode], blockmap.Range{Off: off, Len: n})
	return nil
}

// TestNames finds every file by its contents, and its name.
func TestNames(t *testing.T) {
	for _, features := range []string{"extent", "^extent", "inline_data", "^filetype,^extent", "^dir_index"} {
		t.Run(features, func(t *testing.T) {
			img := treeOf(t, features)
			v := blockmap.Bytes(bytes.NewReader(img), int64(len(img)), 512)
			var g gatherer
			if r, err := (Scanner{}).WhenFrozen().Scan(context.Background(), v, &g); err != nil || r.Whole != "" || len(r.Warnings) > 0 {
				t.Fatalf("%+v, %v", r, err)
			}
			var ids []blockmap.FileID
			for ino := range g.data {
				ids = append(ids, blockmap.FileID{Inode: ino})
			}
			names, err := Scanner{}.Paths(context.Background(), v, ids)
			if err != nil {
				t.Fatal(err)
			}
			if len(names) != len(ids) || len(ids) < 5 {
				t.Errorf("%d names for %d files", len(names), len(ids))
			}
			seen := map[string]bool{}
			for id, name := range names {
				seen[name] = true
				head := img[g.data[id.Inode][0].Off:]
				want := map[string]string{"/a/b/c/deep": "a/b/c/deep", "/a/small": "a/small", "/many/x": "many/x", `/\xff\n`: "\xff\n", "/a/islands": "island"}[name]
				if strings.HasPrefix(name, "/many/nnn") {
					want = "x\x00\x00"
				}
				if want == "" || !strings.HasPrefix(string(head[:20]), want) {
					t.Errorf("%s has the contents of another file: %q", name, head[:20])
				}
			}
			if !seen["/a/b/c/deep"] || !seen[`/\xff\n`] || !seen["/a/islands"] {
				t.Errorf("names: %v", names)
			}
		})
	}
}

func TestFrozenMarks(t *testing.T) {
	img := treeOf(t, "extent")
	v := blockmap.Bytes(bytes.NewReader(img), int64(len(img)), 512)
	le := binary.LittleEndian
	le.PutUint16(img[superOffset+0x3a:], 0) // mounted, as the kernel marks it without a journal
	var g gatherer
	r, err := (Scanner{}).WhenFrozen().Scan(context.Background(), v, &g)
	if err != nil || r.Whole != "" || len(r.Warnings) != 1 || len(g.data) == 0 {
		t.Errorf("mounted without a journal: %+v, %v, %d files", r, err, len(g.data))
	}
	if r, err := (Scanner{}).Scan(context.Background(), v, &counter{}); err != nil || r.Whole == "" {
		t.Errorf("not frozen: %+v, %v", r, err)
	}
	le.PutUint16(img[superOffset+0x3a:], stateError)
	if r, err := (Scanner{}).WhenFrozen().Scan(context.Background(), v, &g); err != nil || r.Whole == "" {
		t.Errorf("with errors: %+v, %v", r, err)
	}
	// Frozen, the filesystem would not need recovery.
	running := small(emptyJournal(64))
	if r, err := (Scanner{}).WhenFrozen().Scan(context.Background(), running.volume(), &g); err != nil || r.Whole == "" {
		t.Errorf("not frozen: %+v, %v", r, err)
	}
}

func TestHostileFrozen(t *testing.T) {
	scantest.Hostile(t, Scanner{}.WhenFrozen(), treeOf(t, "extent"), treeOf(t, "^extent"), treeOf(t, "inline_data"))
}

// FuzzFiles edits what says where files lie and what they are called: of each 4
// bytes, 3 are the place and 1 the value.
func FuzzFiles(f *testing.F) {
	images := [][]byte{treeOf(f, "extent"), treeOf(f, "^extent"), treeOf(f, "inline_data,^filetype")}
	inode := func(n int) int { // where the inode lies in the first image
		v := blockmap.Bytes(bytes.NewReader(images[0]), int64(len(images[0])), 512)
		sb, err := readSuper(v)
		if err != nil || sb.check(v.Size()) != "" {
			f.Fatal(err)
		}
		tab, err := readTable(context.Background(), &fsys{v: v, sb: sb})
		if err != nil {
			f.Fatal(err)
		}
		return int(tab.desc(0).inodeTable()*sb.blockSize) + (n-1)*int(sb.inodeSize)
	}
	edit := func(at int, v byte) []byte { return []byte{byte(at), byte(at >> 8), byte(at >> 16), v} }
	f.Add(uint8(0), []byte{})
	f.Add(uint8(1), []byte{})
	f.Add(uint8(2), []byte{})
	f.Add(uint8(0), edit(inode(2)+0x2a, 200))                                     // entries
	f.Add(uint8(0), edit(inode(2)+0x2e, 3))                                       // depth
	f.Add(uint8(0), edit(inode(2)+0x39, 0x80))                                    // a length
	f.Add(uint8(0), append(edit(inode(12)+0x20, 0), edit(inode(12)+0x22, 0)...))  // no extents
	f.Add(uint8(1), append(edit(inode(12)+0x5c, 20), edit(inode(12)+0x60, 9)...)) // indirect blocks
	f.Add(uint8(0), edit(inode(2)+0x23, 0x10))                                    // inline
	f.Fuzz(func(t *testing.T, which uint8, edits []byte) {
		img := bytes.Clone(images[int(which)%len(images)])
		for ; len(edits) >= 4; edits = edits[4:] {
			img[(int(edits[0])|int(edits[1])<<8|int(edits[2])<<16)%len(img)] = edits[3]
		}
		scantest.Scan(t, Scanner{}.WhenFrozen(), img)
		var all []blockmap.FileID
		for ino := range uint64(100) {
			all = append(all, blockmap.FileID{Inode: ino})
		}
		v := blockmap.Bytes(bytes.NewReader(img), int64(len(img)), 512)
		names, _ := Scanner{}.Paths(context.Background(), v, all)
		for id, name := range names {
			if !strings.HasPrefix(name, "/") {
				t.Errorf("%v is called %q", id, name)
			}
		}
	})
}

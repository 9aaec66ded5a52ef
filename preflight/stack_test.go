package preflight

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"migimg/preflight/guestfs"
	"migimg/preflight/targets"
)

// judgeRoot is judge with the root wherever the disk has a filesystem of its
// UUID.
func judgeRoot(t *testing.T, s Source, tree fstest.MapFS, ids ...string) *Report {
	t.Helper()
	ts, err := targets.Load(ids...)
	if err != nil {
		t.Fatal(err)
	}
	return report(gather(t, s, tree, ts), ts)
}

// diskWith is the bytes of disk, with other counters in its filesystem.
func diskWith(blocks, free, inodes, freeInodes uint32) io.ReaderAt {
	b := make([]byte, 1<<20+8192)
	copy(b[0x180:], "GRUB ")
	superblock(b[1<<20+1024:], blocks, free, inodes, freeInodes)
	return bytes.NewReader(b)
}

// noSecrets: whatever is wrong with a guest, no key of it is in the document.
func noSecrets(t *testing.T, r *Report) {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	for _, w := range []string{"SECRET", "$6$"} {
		if strings.Contains(b.String(), w) {
			t.Errorf("the report holds %s", w)
		}
	}
}

// fifo is what a hostile guest has in a file's place: opening it would hang.
func fifo() *fstest.MapFile { return &fstest.MapFile{Mode: fs.ModeNamedPipe | 0o644} }

// cpioWith is an uncompressed initramfs with an init and one file of contents.
func cpioWith(name, contents string) *fstest.MapFile {
	var b bytes.Buffer
	one := func(name, data string, mode int) {
		fmt.Fprintf(&b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", 1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
		b.WriteString(name + "\x00")
		for b.Len()%4 != 0 {
			b.WriteByte(0)
		}
		b.WriteString(data)
		for b.Len()%4 != 0 {
			b.WriteByte(0)
		}
	}
	one("init", "", 0o100755)
	one(name, contents, 0o100644)
	one("TRAILER!!!", "", 0)
	return &fstest.MapFile{Data: b.Bytes(), Mode: 0o644, Sys: &guestfs.Attr{}}
}

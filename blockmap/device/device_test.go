package device

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"migimg/blockmap"
)

// file is an image file with random bytes, in a directory of the tree's own
// filesystem: /tmp is a tmpfs on some machines, which knows no O_DIRECT.
func file(t *testing.T, size int) (path string, content []byte) {
	t.Helper()
	content = make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{2}).Read(content)
	path = filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, content
}

func TestReadAt(t *testing.T) {
	path, want := file(t, 3<<20+1234) // no multiple of anything
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	t.Logf("direct: %v, offsets %d, memory %d", d.Direct(), d.offAlign, d.memAlign)
	for _, r := range []struct{ off, n int }{
		{0, len(want)}, {0, 1}, {511, 2}, {4096, 4096}, {1 << 20, 2 << 20}, {7, 3<<20 - 7}, {len(want) - 1, 1}, {3 << 20, 1234},
	} {
		p := make([]byte, r.n)
		n, err := d.ReadAt(p, int64(r.off))
		if n != r.n || err != nil && err != io.EOF || !bytes.Equal(p, want[r.off:r.off+r.n]) {
			t.Errorf("[%d, +%d): read %d, %v, or wrong bytes", r.off, r.n, n, err)
		}
	}
	rng := rand.New(rand.NewPCG(3, 4))
	memory := make([]byte, 3<<20)
	for range 500 {
		off := rng.IntN(len(want))
		p := memory[rng.IntN(600):][:rng.IntN(2<<20)] // any alignment
		n, err := d.ReadAt(p, int64(off))
		m := min(len(p), len(want)-off)
		if n != m || (n < len(p)) != (err == io.EOF) && n < len(p) || !bytes.Equal(p[:n], want[off:off+n]) {
			t.Fatalf("[%d, +%d): read %d, %v, or wrong bytes", off, len(p), n, err)
		}
	}
	if s := d.Stats(); s.Bytes == 0 || s.Requests == 0 {
		t.Errorf("nothing counted: %+v", s)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		empty:                        "is empty",
		dir:                          "is a directory",
		"/dev/null":                  "neither a block device",
		filepath.Join(dir, "nobody"): "no such file",
	} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want ...%s...", path, err, want)
		}
	}
}

func TestFaultsMergesRanges(t *testing.T) {
	var f Faults
	for _, off := range []int64{4096, 0, 8192, 20480, 4096, 16384} {
		f.add(blockmap.Range{Off: off, Len: 4096})
	}
	got, more := f.Ranges()
	want := []blockmap.Range{{Off: 0, Len: 12288}, {Off: 16384, Len: 8192}}
	if d := cmp.Diff(want, got); d != "" || more != 0 {
		t.Errorf("%d more, %s", more, d)
	}
}

func TestFaultsIsBounded(t *testing.T) {
	var f Faults
	for i := range int64(maxFaults + 5) {
		f.add(blockmap.Range{Off: i * 8192, Len: 4096})
	}
	got, more := f.Ranges()
	if len(got) != maxFaults || more != 5*4096 {
		t.Errorf("%d ranges, %d bytes more", len(got), more)
	}
}

// The machine as files: a disk with two partitions, one mounted, one swapped
// to, and an LVM volume over a third.
func TestUsesOnFixtures(t *testing.T) {
	root := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("sys/class/block/sda/dev", "8:0")
	for _, p := range []string{"1", "2", "3"} {
		write("sys/class/block/sda/sda"+p+"/partition", p)
		write("sys/class/block/sda"+p+"/partition", p)
		write("sys/class/block/sda"+p+"/dev", "8:"+p)
	}
	write("sys/class/block/sda3/holders/dm-0/x", "")
	write("sys/class/block/dm-0/dev", "253:0")
	write("sys/class/block/dm-0/dm/name", "vg-root")
	write("sys/block/loop0/loop/backing_file", filepath.Join(root, "nothing"))
	write("proc/1/mountinfo", `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
23 22 8:1 /srv /with\040blank ro - ext4 /dev/sda1 rw
24 22 0:5 / /proc rw - proc proc rw
garbage`)
	write("proc/swaps", "Filename Type Size Used Priority")
	path, _ := file(t, 4096)
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	// An image file's block devices are the loops over it.
	write("sys/block/loop1/loop/backing_file", path)
	write("sys/class/block/loop1/dev", "8:0")
	write("sys/class/block/loop1/loop1p1/partition", "1")
	write("sys/class/block/loop1p1/partition", "1")
	write("sys/class/block/loop1p1/dev", "8:1")
	write("sys/class/block/loop1p1/holders/dm-0/x", "")
	got, err := d.Uses(Roots{Proc: filepath.Join(root, "proc"), Sys: filepath.Join(root, "sys")})
	if err != nil {
		t.Fatal(err)
	}
	want := []Use{
		{Device: "loop1p1", Partition: 1, Kind: "mount", Point: "/", FSType: "ext4", Write: true, Dev: unix.Mkdev(8, 1)},
		{Device: "loop1p1", Partition: 1, Kind: "mount", Point: "/with blank", FSType: "ext4", Write: true, Dev: unix.Mkdev(8, 1)},
		{Device: "dm-0", Kind: "holder", Write: true, Dev: unix.Mkdev(253, 0), Mapper: "vg-root"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

//go:build integration

package track

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"migimg/internal/need"
)

// content is the whole device, read past the page cache.
func content(t *testing.T, l loop) []byte {
	t.Helper()
	f, err := os.OpenFile(l.path, os.O_RDONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := aligned(int(l.size))
	for off := 0; off < len(b); off += 4 << 20 {
		if _, err := f.ReadAt(b[off:min(off+4<<20, len(b))], int64(off)); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// covers checks that every grain in which the device changed is set.
func covers(t *testing.T, what string, tr *Tracker, before, after []byte) {
	t.Helper()
	changed, missed := 0, 0
	for off := int64(0); off < int64(len(before)); off += tr.Grain() {
		if bytes.Equal(before[off:off+tr.Grain()], after[off:off+tr.Grain()]) {
			continue
		}
		if changed++; !tr.Written(off, tr.Grain()) {
			missed++
		}
	}
	if changed == 0 || missed > 0 {
		t.Errorf("%s: %d grains changed, %d of them are not set", what, changed, missed)
	}
	if err := tr.Lost(); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

func TestDiscardsAndZeroes(t *testing.T) {
	l := newLoop(t, 512<<20)
	f := openDirect(t, l.path)
	tr := start(t, l, Options{})
	ranged := func(request uintptr) func(off, n int64) error {
		return func(off, n int64) error {
			r := [2]uint64{uint64(off), uint64(n)}
			if _, _, e := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request, uintptr(unsafe.Pointer(&r))); e != 0 {
				return e
			}
			return nil
		}
	}
	for name, do := range map[string]func(off, n int64) error{
		"BLKDISCARD": ranged(unix.BLKDISCARD),
		"BLKZEROOUT": ranged(unix.BLKZEROOUT),
		"punch": func(off, n int64) error {
			return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
		},
		"zero range": func(off, n int64) error {
			return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_ZERO_RANGE|unix.FALLOC_FL_KEEP_SIZE, off, n)
		},
	} {
		if _, err := tr.Epoch(); err != nil {
			t.Fatal(err)
		}
		want := truth{}
		for _, r := range [][2]int64{{4096, 4096}, {1 << 20, 300 << 20}, {400<<20 + 512*8, 17<<20 + 8192}, {511 << 20, 1 << 20}} {
			if err := do(r[0], r[1]); errors.Is(err, unix.EOPNOTSUPP) && name == "punch" {
				continue // a loop device over tmpfs cannot
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if !tr.Written(r[0], 4096) || !tr.Written(r[0]+r[1]-4096, 4096) {
				t.Errorf("%s: [%d, +%d) was just written", name, r[0], r[1])
			}
			want.add(tr.Grain(), r[0], r[1])
		}
		want.check(t, name, tr.Grain(), l.size, tr.Written)
		set, err := tr.Epoch()
		if err != nil {
			t.Fatal(err)
		}
		want.check(t, name+", ended", tr.Grain(), l.size, set.Contains)
	}
	if err := tr.Lost(); err != nil {
		t.Error(err)
	}
}

// Flushes have no data: they must not set anything, least of all everything.
func TestFlushes(t *testing.T) {
	l := newLoop(t, 64<<20)
	f := openDirect(t, l.path)
	tr := start(t, l, Options{})
	for range 100 {
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.WriteAt(aligned(4096), 8192); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	want := truth{}
	want.add(tr.Grain(), 8192, 4096)
	want.check(t, "flushes", tr.Grain(), l.size, tr.Written)
	if err := tr.Lost(); err != nil {
		t.Error(err)
	}
}

func TestPartitions(t *testing.T) {
	need.Tool(t, "sfdisk", "partx")
	l := newLoop(t, 128<<20)
	c := exec.Command("sfdisk", "-q", l.path)
	c.Stdin = strings.NewReader("label: gpt\nstart=2048, size=65536\nstart=100000\n")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("partx", "-d", l.path).Run() })
	for i := 0; ; i++ { // sfdisk may have told the kernel, or be about to; udev makes the node
		if i%100 == 0 {
			_ = exec.Command("partx", "-u", l.path).Run()
		}
		if _, err := os.Stat(l.path + "p2"); err == nil {
			break
		} else if i > 500 {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	var st unix.Stat_t
	if err := unix.Stat(l.path+"p2", &st); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(st.Rdev, 1<<20, Options{}); err == nil || !strings.Contains(err.Error(), "is a partition") {
		t.Errorf("a partition: %v", err)
	}
	tr := start(t, l, Options{Grain: 512})
	f := openDirect(t, l.path+"p2")
	if _, err := f.WriteAt(aligned(8192), 1<<20); err != nil {
		t.Fatal(err)
	}
	want := truth{}
	want.add(512, 100000*512+1<<20, 8192)
	want.check(t, "partition", tr.Grain(), l.size, tr.Written)
}

func mounted(t *testing.T, dev string) string {
	t.Helper()
	dir := t.TempDir()
	run(t, "mount", dev, dir)
	t.Cleanup(func() { _ = exec.Command("umount", dir).Run() })
	return dir
}

// A filesystem's writes: its journal, its metadata, files written in every way.
func TestFilesystem(t *testing.T) {
	need.Tool(t, "mkfs.ext4", "mount", "umount", "fstrim")
	l := newLoop(t, 256<<20)
	run(t, "mkfs.ext4", "-q", l.path)
	dir := mounted(t, l.path)
	if err := os.WriteFile(filepath.Join(dir, "mapped"), make([]byte, 8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	unix.Sync()
	tr := start(t, l, Options{})
	before := content(t, l)

	f, err := os.OpenFile(filepath.Join(dir, "mapped"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	m, err := unix.Mmap(int(f.Fd()), 0, 8<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(m); i += 3 * 4096 {
		m[i] = 1
	}
	if err := unix.Munmap(m); err != nil {
		t.Fatal(err)
	}
	f.Close()
	for i := range 500 {
		p := filepath.Join(dir, fmt.Sprintf("file%d", i))
		if err := os.WriteFile(p, bytes.Repeat([]byte{byte(i + 1)}, 100+i*100), 0o600); err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			os.Remove(p)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "direct"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o := openDirect(t, filepath.Join(dir, "direct"))
	b := aligned(1 << 20)
	for i := range b {
		b[i] = 7
	}
	if _, err := o.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
	o.Close()
	run(t, "fstrim", dir)
	run(t, "umount", dir)
	covers(t, "ext4", tr, before, content(t, l))
}

// A device without requests: zram, where the kernel lets one be added.
func TestBios(t *testing.T) {
	need.Root(t)
	id, err := os.ReadFile("/sys/class/zram-control/hot_add")
	if err != nil {
		t.Logf("no zram, no bios: %v", err)
		return
	}
	name := "zram" + strings.TrimSpace(string(id))
	t.Cleanup(func() {
		_ = os.WriteFile("/sys/block/"+name+"/reset", []byte("1"), 0)
		_ = os.WriteFile("/sys/class/zram-control/hot_remove", id, 0)
	})
	l := loop{path: "/dev/" + name, size: 64 << 20}
	if err := os.WriteFile("/sys/block/"+name+"/disksize", fmt.Appendf(nil, "%d", l.size), 0); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	for i := 0; ; i++ {
		if err := unix.Stat(l.path, &st); err == nil {
			break
		} else if i > 500 {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	l.dev = st.Rdev
	tr := start(t, l, Options{})
	f := openDirect(t, l.path)
	want := truth{}
	buf := aligned(1 << 20)
	for i := range 200 {
		buf[i] = byte(i)
		n := int64(4096) << (i % 9)
		off := int64(i) * 7919 * 4096 % (l.size - n) &^ 4095
		if _, err := f.WriteAt(buf[:n], off); err != nil {
			t.Fatal(err)
		}
		want.add(tr.Grain(), off, n)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	r := [2]uint64{1 << 20, 20 << 20}
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.BLKDISCARD, uintptr(unsafe.Pointer(&r))); e != 0 {
		t.Fatal(e)
	}
	want.add(tr.Grain(), 1<<20, 20<<20)
	want.check(t, "zram", tr.Grain(), l.size, tr.Written)
	if err := tr.Lost(); err != nil {
		t.Error(err)
	}
	// None is left in the table of bios under way.
	for _, m := range tr.kernel.maps {
		var bio, where uint64
		if m.Type().String() == "Hash" && m.Iterate().Next(&bio, &where) {
			t.Error("a bio that completed is still remembered")
		}
	}
}

package scantest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// pattern fills the sectors of files that are going to be deleted.
const pattern = "MIGIMG DELETED!\n"

const sector = 512

// populate fills the tree at dir. With deleted, files of the pattern are
// written, synced and deleted at the end.
func populate(t testing.TB, dir string, fill Fill, deleted bool) {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	p := newFiller(t, dir, fill)
	p.fill(fill, int64(st.Bavail)*st.Bsize)
	if deleted {
		p.leave()
	}
}

// fill writes the files for a filesystem that has space for so many bytes.
func (p *filler) fill(fill Fill, space int64) {
	p.t.Helper()
	p.kinds()
	switch fill {
	case Half:
		p.until(space/2, 256<<10)
	case Full:
		p.until(space*97/100-300<<10, 512<<10)
	case Fragmented:
		p.until(space*6/10, 24<<10)
		p.sync()
		for i := 0; i < p.n; i += 2 {
			p.remove(p.name(i))
		}
		p.sync()
		p.write("into-the-holes", int(space/10))
	}
	p.sync()
}

type filler struct {
	t   testing.TB
	dir string
	rnd *rand.Rand
	n   int
	// plain is for filesystems that have files and folders only.
	plain bool
}

func newFiller(t testing.TB, dir string, fill Fill) *filler {
	return &filler{t: t, dir: dir, rnd: rand.New(rand.NewPCG(1, uint64(fill)))}
}

func (p *filler) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// may is must for what not every filesystem has.
func (p *filler) may(err error) {
	p.t.Helper()
	if !errors.Is(err, syscall.ENOSYS) && !errors.Is(err, syscall.EPERM) {
		p.must(err)
	}
}

func (p *filler) path(name string) string { return filepath.Join(p.dir, name) }
func (p *filler) name(i int) string       { return fmt.Sprintf("d%d/f%d", i/100, i) }
func (p *filler) remove(name string)      { p.t.Helper(); p.must(os.Remove(p.path(name))) }

// sync waits until the tree is on the disk.
func (p *filler) sync() {
	p.t.Helper()
	d, err := os.Open(p.dir)
	p.must(err)
	p.must(unix.Syncfs(int(d.Fd())))
	p.must(d.Close())
}

// write makes a file of n random bytes, or says that there is no room.
func (p *filler) write(name string, n int) bool {
	p.t.Helper()
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(p.rnd.Uint32())
	}
	p.must(os.MkdirAll(filepath.Dir(p.path(name)), 0o755))
	err := os.WriteFile(p.path(name), b, 0o640)
	if errors.Is(err, syscall.ENOSPC) {
		return false
	}
	p.must(err)
	return true
}

// kinds makes one of each kind of file.
func (p *filler) kinds() {
	p.t.Helper()
	for _, n := range []int{0, 1, 60, 100, 200, 511, 512, 4095, 4096, 4097, 65535, 65537, 300000} {
		p.write(fmt.Sprintf("sizes/%d", n), n)
	}
	for i := range 60 {
		p.write(fmt.Sprintf("tree/%d/%d/leaf-%d", i%5, i%3, i), 700*i%5000)
	}
	if p.plain {
		return
	}
	p.may(os.Symlink("sizes/1", p.path("short")))
	p.may(os.Symlink(strings.Repeat("long/", 100), p.path("long")))
	p.may(os.Link(p.path("sizes/4096"), p.path("link")))
	f, err := os.Create(p.path("sparse"))
	p.must(err)
	for i := range int64(20) { // enough extents for a block of them
		_, err = f.WriteAt([]byte("island"), i*3<<16)
		p.must(err)
	}
	p.must(f.Close())
	// In the inode, in a block of its own; not everywhere supported.
	_ = unix.Setxattr(p.path("link"), "user.migimg.small", []byte("v"), 0)
	_ = unix.Setxattr(p.path("link"), "user.migimg.large", bytes.Repeat([]byte("x"), 900), 0)
}

// until writes files of up to size bytes until n bytes are written.
func (p *filler) until(n int64, size int) {
	p.t.Helper()
	for n > 0 {
		k := 1 + p.rnd.IntN(size)
		if !p.write(p.name(p.n), k) {
			return
		}
		p.n++
		n -= int64(k)
	}
}

// leave writes the pattern in one large file and in many small ones between
// files that stay, and deletes it.
func (p *filler) leave() {
	p.t.Helper()
	gone := 0
	put := func(name string, n int) {
		err := os.WriteFile(p.path(name), bytes.Repeat([]byte(pattern), n/len(pattern)), 0o600)
		if err != nil && !errors.Is(err, syscall.ENOSPC) {
			p.t.Fatal(err)
		}
		if err == nil {
			gone++
		}
	}
	p.must(os.MkdirAll(p.path("between"), 0o755))
	for i := range 30 {
		put(fmt.Sprintf("between/gone-%d", i), 8192)
		p.write(fmt.Sprintf("between/stays-%d", i), 5000)
	}
	put("pattern", 64<<10)
	put("pattern-large", 2<<20)
	p.sync()
	for i := range 30 {
		_ = os.Remove(p.path(fmt.Sprintf("between/gone-%d", i)))
	}
	_ = os.Remove(p.path("pattern"))
	_ = os.Remove(p.path("pattern-large"))
	if gone == 0 {
		p.t.Fatal("no room for a file that is to be deleted")
	}
	p.sync()
}

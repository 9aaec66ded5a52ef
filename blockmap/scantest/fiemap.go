package scantest

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"migimg/blockmap"
)

// The ioctl FS_IOC_FIEMAP and the flags of extents (kernel, include/uapi/linux/
// fiemap.h).
const (
	iocFiemap = 0xc020660b

	fiemapLast      = 0x1
	fiemapUnknown   = 0x2
	fiemapDelalloc  = 0x4
	fiemapEncoded   = 0x8
	fiemapUnaligned = 0x100
	fiemapInline    = 0x200
	fiemapTail      = 0x400
)

// kernelExtent is struct fiemap_extent.
type kernelExtent struct {
	logical, physical, length uint64
	_                         [2]uint64
	flags                     uint32
	_                         [3]uint32
}

// kernelExtents asks the kernel where a file's contents lie.
func kernelExtents(t testing.TB, path string) (out []kernelExtent) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var q struct {
		start, length         uint64
		flags, mapped, count_ uint32
		_                     uint32
		extents               [128]kernelExtent
	}
	for at := uint64(0); ; {
		q.start, q.length, q.flags, q.count_ = at, 1<<62-at, 0, uint32(len(q.extents))
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, f.Fd(), iocFiemap, uintptr(unsafe.Pointer(&q))); e != 0 {
			t.Fatalf("FIEMAP of %s: %v", path, e)
		}
		got := q.extents[:q.mapped]
		out = append(out, got...)
		if len(got) == 0 || got[len(got)-1].flags&fiemapLast != 0 {
			return out
		}
		at = got[len(got)-1].logical + got[len(got)-1].length
	}
}

// piece is bytes of a file on the volume: where they lie, and how far that is from
// their place in the file.
type piece struct {
	blockmap.Range
	delta int64
}

// piecesLess is what of a is not in b.
func piecesLess(a, b []piece) (out []piece) {
	apart := func(all []piece) map[int64][]blockmap.Range {
		m := map[int64][]blockmap.Range{}
		slices.SortFunc(all, func(p, q piece) int { return cmp.Compare(p.Off, q.Off) })
		for _, p := range all {
			r := m[p.delta]
			if k := len(r); k > 0 && r[k-1].End() >= p.Off {
				r[k-1].Len = max(r[k-1].Len, p.End()-r[k-1].Off)
				continue
			}
			m[p.delta] = append(r, p.Range)
		}
		return m
	}
	of := apart(b)
	for delta, r := range apart(a) {
		for _, left := range minus(r, of[delta]) {
			out = append(out, piece{left, delta})
		}
	}
	return out
}

// fiemap compares, for every regular file, where the scanner says its data lies
// with what the kernel says, and the names that the scanner finds with the
// kernel's.
func (x *trial) fiemap(t *testing.T, files *blockmap.Files) {
	named := map[blockmap.FileID][]piece{}
	for e := range files.In(0, x.size) {
		named[e.File] = append(named[e.File], piece{e.Range, e.Off - e.At})
	}
	places := func(at int64) ([]int64, int64) { return []int64{at}, x.size - at }
	if x.Frozen.Places != nil {
		places = x.Frozen.Places(t, x.img)
	}
	fileOf := x.Frozen.File
	if fileOf == nil {
		fileOf = inodeOf
	}
	seen := map[blockmap.FileID]bool{}
	bad := 0
	mounted(t, x.img, x.Mount, "ro", func(dir string) {
		eachFile(t, dir, func(path string) {
			id := fileOf(t, dir, path)
			if seen[id] {
				return // another name of it
			}
			seen[id] = true
			if why := compare(named[id], kernelExtents(t, path), places); why != "" {
				if bad++; bad <= 10 {
					t.Errorf("%s, %+v: %s", path, id, why)
				}
			}
		})
		for id, path := range x.paths(t, slices.Collect(maps.Keys(seen))) {
			if got := fileOf(t, dir, filepath.Join(dir, path)); got != id {
				t.Errorf("%s is the name of %+v, not of %+v", path, got, id)
			}
		}
	})
	for id := range named {
		if !seen[id] {
			t.Errorf("%+v has data and is no regular file that the kernel shows", id)
		}
	}
}

// compare says what is wrong with what is named of a file, or nothing.
func compare(named []piece, kernel []kernelExtent, places func(int64) ([]int64, int64)) string {
	var want []piece
	encoded := false
	for _, k := range kernel {
		if k.flags&(fiemapUnknown|fiemapDelalloc|fiemapInline|fiemapTail|fiemapUnaligned) != 0 {
			continue
		}
		at, left := int64(k.physical), int64(k.length)
		if k.flags&fiemapEncoded != 0 { // the length is that of the contents, not that on the disk
			encoded = true
			first, _ := places(at)
			for _, p := range first {
				if !slices.ContainsFunc(named, func(d piece) bool { return d.Off <= p && p < d.End() }) {
					return fmt.Sprintf("what is encoded at %d is not named", p)
				}
			}
			continue
		}
		for logical := int64(k.logical); left > 0; {
			all, n := places(at)
			if n <= 0 {
				return fmt.Sprintf("nothing is known of the place %d", at)
			}
			n = min(n, left)
			for _, p := range all {
				want = append(want, piece{blockmap.Range{Off: p, Len: n}, p - logical})
			}
			at, left, logical = at+n, left-n, logical+n
		}
	}
	if left := piecesLess(want, named); len(left) > 0 {
		return fmt.Sprintf("its data is not named: %v", left[:min(3, len(left))])
	}
	if wrong := piecesLess(named, want); len(wrong) > 0 && !encoded {
		return fmt.Sprintf("named, and not its data: %v", wrong[:min(3, len(wrong))])
	}
	return ""
}

// eachFile calls f for the regular files below dir.
func eachFile(t testing.TB, dir string, f func(path string)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			f(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func inodeOf(t testing.TB, _, path string) blockmap.FileID {
	t.Helper()
	st, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return blockmap.FileID{Inode: st.Sys().(*syscall.Stat_t).Ino}
}

package scantest

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"migimg/blockmap"
	"migimg/internal/shell"
)

// Frozen is what the frozen part of the suite has to know of a filesystem whose
// scanner is a [blockmap.FreezableScanner]. Its zero value does where a file is
// known by its inode number and FIEMAP speaks of places on the volume.
type Frozen struct {
	// Check takes the place of Suite.Check where the contents of files may be
	// anything: it looks at metadata alone.
	Check string
	// Settle is a shell script that does to $IMG, an image of a frozen filesystem,
	// what its first mount does (replay the log), if Check wants that done.
	Settle string
	// File is who the regular file at path is, the filesystem being mounted at dir;
	// nil: its inode number.
	File func(t testing.TB, dir, path string) blockmap.FileID
	// Places is where on the volume the byte lies that FIEMAP says is at, and how
	// many bytes there are from there on in one run; nil: there. A byte may lie in
	// several places, or in none.
	Places func(t testing.TB, img string) func(at int64) (places []int64, n int64)
	// Owners takes the place of the comparison with FIEMAP where the scanner names
	// files for whole extents, of which they have parts, or not all of the files.
	Owners func(t testing.TB, img string, files *blockmap.Files)
}

func (x *trial) freezable() bool {
	_, ok := x.Scanner.(blockmap.FreezableScanner)
	return ok
}

// preallocate makes files that have blocks which were never written, before any
// others: what lies there must not be of a deleted file's.
func preallocate(t testing.TB, dir string) {
	t.Helper()
	for name, mode := range map[string]uint32{"within": 0, "beyond": unix.FALLOC_FL_KEEP_SIZE} {
		f, err := os.Create(filepath.Join(dir, "preallocated-"+name))
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteAt([]byte("written"), 70_000)
		// Not every filesystem can (ext2).
		if e := unix.Fallocate(int(f.Fd()), mode, 0, 200_000); e == nil || !errors.Is(e, unix.EOPNOTSUPP) {
			err = errors.Join(err, e)
		}
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// scanFrozen scans the original as what it is: unmounted, and so as still as a
// frozen one.
func scanFrozen(t testing.TB, sc blockmap.Scanner, v blockmap.Volume) (*blockmap.Map, *blockmap.VolumeInfo, *blockmap.Files) {
	t.Helper()
	files := &blockmap.Files{}
	m, info, err := blockmap.Scan(context.Background(), v, []blockmap.Scanner{sc}, blockmap.ScanOptions{
		Frozen: func(string) bool { return true }, Files: files,
	})
	if err != nil {
		t.Fatal(err)
	}
	if info.Whole != "" {
		t.Fatalf("frozen, carried whole: %s", info.Whole)
	}
	return m, info, files
}

// frozen runs the part of the suite that is for scanners of frozen filesystems.
func (x *trial) frozen(t *testing.T) {
	m, info, files := scanFrozen(t, x.Scanner, x.volume())
	if len(info.Warnings) > 0 {
		t.Errorf("warnings: %q", info.Warnings)
	}
	still, _, err := blockmap.Scan(context.Background(), x.volume(), []blockmap.Scanner{x.Scanner}, blockmap.ScanOptions{
		Still: func(string) bool { return true },
	})
	if err != nil {
		t.Fatal(err)
	}
	a, b := freeRanges(still, x.size), freeRanges(m, x.size)
	if more, less := minus(b, a), minus(a, b); len(more) > 0 || len(less) > 0 {
		t.Errorf("another map than that of a still volume: %d bytes more are free %v, %d less %v", total(more), few(more), total(less), few(less))
	}
	data := dataRanges(files, x.size)
	if wrong := minus(data, slices.Collect(m.Ranges(0, x.size))); len(wrong) > 0 {
		t.Errorf("%d bytes are a file's and free, first %v", total(wrong), few(wrong))
	}
	pinned := int64(0)
	for r := range files.Pinned(m, 0, x.size) {
		pinned += r.Len
	}
	t.Logf("%d extents, %d KiB of data, %d KiB to be pinned", files.Len(), total(data)>>10, pinned>>10)
	if files.Len() == 0 && x.Fill != Empty {
		t.Error("no file's data is named")
	}
	if x.Frozen.Owners != nil {
		t.Run("owners", func(t *testing.T) { x.Frozen.Owners(t, x.img, files) })
	} else if x.Extract == "" {
		t.Run("fiemap", func(t *testing.T) { x.fiemap(t, files) })
	} else {
		t.Run("paths", func(t *testing.T) { x.pathsExtracted(t, files) })
	}
	t.Run("scramble", func(t *testing.T) { x.scramble(t, data) })
	if x.Live {
		t.Run("live", x.live)
	}
}

// dataRanges is what is some file's, ascending and joined.
func dataRanges(files *blockmap.Files, size int64) (data []blockmap.Range) {
	for e := range files.In(0, size) {
		if k := len(data); k > 0 && e.Off <= data[k-1].End() {
			data[k-1].Len = max(data[k-1].Len, e.End()-data[k-1].Off)
			continue
		}
		data = append(data, e.Range)
	}
	return data
}

// few is the first of many, for a message.
func few(r []blockmap.Range) []blockmap.Range { return r[:min(len(r), 3)] }

// frozenCheck is the check that looks at metadata alone.
func (x *trial) frozenCheck() string { return cmp.Or(x.Frozen.Check, x.Check) }

// scramble overwrites all files' data in a copy. Nothing but contents may have
// been hit: what is called data is no metadata.
func (x *trial) scramble(t *testing.T, data []blockmap.Range) {
	img := filepath.Join(t.TempDir(), "scrambled.img")
	shell.Run(t, `cp --sparse=always "$A" "$B"`, "A="+x.img, "B="+img)
	want := x.namesOf(t, img)
	with(t, img, func(f *os.File) {
		for _, r := range data {
			garbage(t, f, r)
		}
	})
	shell.Run(t, x.frozenCheck(), "IMG="+img)
	want.mustEqual(t, x.namesOf(t, img))
}

// namesOf lists all of the files in an image but their contents.
func (x *trial) namesOf(t *testing.T, img string) (m manifest) {
	t.Helper()
	if x.Extract == "" {
		mounted(t, img, x.Mount, "ro", func(dir string) { m = namesOf(t, dir, true) })
		return m
	}
	dst := t.TempDir()
	shell.Run(t, x.Extract, "IMG="+img, "DST="+dst)
	return namesOf(t, dst, false)
}

// pathsExtracted looks for the names of all files that have data among those that
// another tool has taken out of the image.
func (x *trial) pathsExtracted(t *testing.T, files *blockmap.Files) {
	var ids []blockmap.FileID
	for e := range files.In(0, x.size) {
		ids = append(ids, e.File)
	}
	for id, path := range x.paths(t, ids) {
		if line := x.files[strings.TrimPrefix(path, "/")]; !strings.HasPrefix(line, "-") {
			t.Errorf("%+v is called %s, which is %q", id, path, line)
		}
	}
}

// paths asks the scanner for the names of files; all must have one.
func (x *trial) paths(t *testing.T, ids []blockmap.FileID) map[blockmap.FileID]string {
	t.Helper()
	paths, err := x.Scanner.(blockmap.FreezableScanner).Paths(context.Background(), x.volume(), ids)
	if err != nil {
		t.Fatal(err)
	}
	bad := 0
	for _, id := range ids {
		if !strings.HasPrefix(paths[id], "/") {
			if bad++; bad <= 3 {
				t.Errorf("%+v is called %q", id, paths[id])
			}
		}
	}
	return paths
}

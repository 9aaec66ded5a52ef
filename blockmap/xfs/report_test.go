package xfs_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/xfs"
	"migimg/internal/need"
)

// Map and report against xfs_db and blkid, as mkfs.xfs leaves the filesystem.
func TestVariants(t *testing.T) {
	need.Tool(t, "mkfs.xfs", "xfs_db", "blkid")
	for _, c := range []struct{ name, options, size string }{
		{"defaults", "-L label", "320M"},
		{"label of 12 letters", "-L twelve-chars", "64M"},
		{"UUID", "-m uuid=01234567-89ab-cdef-0123-456789abcdef", "64M"},
		{"1 TiB", "", "1T"},
		{"rmapbt", "-m rmapbt=1", "64M"},
		{"no reflink, no finobt", "-m reflink=0,finobt=0", "64M"},
		{"as before 2020", "-m reflink=0,bigtime=0,inobtcount=0 -i sparse=0", "64M"},
		{"nrext64", "-i nrext64=1", "64M"},
		{"case-insensitive", "-n version=ci", "64M"},
		{"stripes", "-d su=64k,sw=4", "100M"},
		{"version 4", "-m crc=0 -L four", "64M"},
		{"version 4, as little as can be", "-m crc=0 -l version=1,lazy-count=0 -i attr=1,projid32bit=0 -n ftype=0", "64M"},
		{"version 4, blocks of 512 bytes", "-m crc=0 -b size=512", "64M"},
		{"blocks of 1 KiB", "-b size=1024", "64M"},
		{"blocks of 64 KiB, sectors of 4 KiB", "-b size=65536 -s size=4096", "400M"},
		{"sectors of 32 KiB", "-b size=65536 -s size=32768", "400M"},
		{"sectors of 2 KiB", "-s size=2048", "64M"},
		{"40 groups", "-d agcount=40", "1G"},
		{"log in group 1", "-l agnum=1", "100M"},
		{"log with stripes", "-l su=256k", "100M"},
	} {
		t.Run(c.name, func(t *testing.T) {
			img := filepath.Join(t.TempDir(), "fs.img")
			cmd := exec.Command("sh", "-ec", `truncate -s $SIZE "$IMG"; mkfs.xfs -q $OPTIONS "$IMG"`)
			cmd.Env = append(os.Environ(), "SIZE="+c.size, "OPTIONS="+c.options, "IMG="+img, "TEST_DIR=x", "TEST_DEV=x", "QA_CHECK_FS=x")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("mkfs.xfs: %v\n%s", err, out)
			}
			f, err := os.Open(img)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = f.Close() })
			st, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			var l lister
			r, err := xfs.Scanner{Still: true}.Scan(context.Background(), blockmap.Bytes(f, st.Size(), 512), &l)
			if err != nil || r.Whole != "" || len(r.Warnings) > 0 {
				t.Fatalf("%+v, %v", r, err)
			}
			if want := freeOf(t, img); !slices.Equal(l.free, want) {
				t.Errorf("free: %v\nxfs_db: %v", l.free, want)
			}
			_, version, _ := strings.Cut(strings.TrimSpace(xfsDB(t, img, "version")), " = ")
			if got := strings.Join(r.Features, ","); got != version {
				t.Errorf("features %s\nxfs_db   %s", got, version)
			}
			if want := number(t, fields(xfsDB(t, img, "sb 0", "print blocksize"))["blocksize"]); r.BlockSize != want {
				t.Errorf("blocks of %d bytes, must be of %d", r.BlockSize, want)
			}
			out, err := exec.Command("blkid", "-p", "-o", "export", img).Output()
			if err != nil {
				t.Fatal(err)
			}
			said := fields(strings.ReplaceAll(string(out), "=", " = "))
			if r.UUID != said["UUID"] || r.Label != said["LABEL"] || r.Type != said["TYPE"] {
				t.Errorf("%s %q %q; blkid says %v", r.Type, r.UUID, r.Label, said)
			}
		})
	}
}

// lister is a Sink that lists.
type lister struct{ free []blockmap.Range }

func (l *lister) Free(off, n int64) error {
	l.free = append(l.free, blockmap.Range{Off: off, Len: n})
	return nil
}

func (*lister) Data(int64, int64, blockmap.FileID, int64) error { return errors.ErrUnsupported }

func (l *lister) Nested(string, blockmap.Volume) error { return nil }

// Package scantest is the conformance suite that every scanner passes.
//
// [Run] makes filesystems with the real mkfs, fills them through the kernel,
// scans them and asks other tools whether the map is right. For each disk:
//
//   - punch: everything that is not carried is overwritten with random bytes;
//     the checker must be content and every file must be as it was;
//   - restore: the carried bytes, read through [blockmap.NewView], are written
//     into a file of random bytes: the same; what is free must read as zeros;
//   - oracle: nothing is freed that another tool says is used, and, where it
//     lists free space, nothing that it says is free is carried;
//   - leak: the contents of files that were deleted are nowhere in what is
//     carried;
//   - place: the same volume at sector 63 of a disk, or followed by odd bytes,
//     has the same map; cut short it is not freed more;
//   - faults: a read that fails makes the map larger, never smaller.
//
// And where the scanner is a [blockmap.FreezableScanner]:
//
//   - frozen: it frees what it frees of a still volume; what it calls data is
//     carried;
//   - fiemap: the kernel says the same of where every regular file lies; the
//     names that the scanner finds are those of the files;
//   - scramble: with random bytes for all data, the checker is content and every
//     name, size, mode, link and attribute is as it was;
//   - live: an image of a filesystem that is being written, made as on a running
//     server, is sound, and has every file as it was at the freeze.
//
// [Hostile] needs no root: garbage must neither be claimed nor crash a scanner.
//
// A failure means that a user would have lost a byte, or leaked one.
package scantest

import (
	"os"
	"path/filepath"
	"testing"

	"migimg/blockmap"
	"migimg/internal/need"
	"migimg/internal/shell"
)

// Suite is a scanner and the disks to try it on.
type Suite struct {
	Scanner blockmap.Scanner
	// Mount is the filesystem type for mount -t.
	Mount string
	// Check is a shell command that succeeds where the filesystem in $IMG has no
	// fault. It must not change it.
	Check string
	// Free lists, by another tool's word, what is free in an image: ascending
	// byte ranges. nil where no tool tells.
	Free func(t testing.TB, img string) []blockmap.Range
	// Tools are the programs that the suite needs.
	Tools []string
	// Frozen is for scanners of filesystems that can be frozen.
	Frozen Frozen
	Disks  []Disk
}

// Disk is a filesystem to be made.
type Disk struct {
	Name string
	// Size is that of the image, in bytes.
	Size int64
	// Mkfs is a shell script that makes the filesystem in $IMG, which is there
	// and empty. Where the kernel cannot mount it, the script fills it, too, from
	// the folder $SRC.
	Mkfs string
	// Options are mount options for the filling.
	Options string
	Fill    Fill
	// After is a shell script that runs when the filesystem is filled and
	// unmounted, as resize2fs.
	After string
	// Extract is a shell script that copies the files in $IMG to the empty folder
	// $DST; it takes the place of mounting, for Mkfs then has to do the filling.
	Extract string
	// Replay is a shell script that replays the journal in $IMG, for disks that
	// After leaves with a journal that must be. Of such a disk more than the
	// oracle's used bytes may be carried.
	Replay string
	// Whole says that the scanner must refuse and carry it all.
	Whole bool
	// Live says that the disk is also frozen while files are written to it.
	Live bool
	// Granular says that the filesystem allocates in units larger than a block,
	// so that a deleted file's blocks may stay in a unit that is in use.
	Granular bool
}

// Fill is how full a disk is made.
type Fill int

const (
	Light      Fill = iota // about 1 %
	Empty                  // nothing
	Half                   // half, in files of all sizes
	Full                   // 97 %
	Fragmented             // free space in many small holes
)

// Run makes every disk and checks the scanner on it. It needs root.
func Run(t *testing.T, s Suite) {
	need.Root(t)
	need.Tool(t, append([]string{"mount", "umount", "losetup", "sh", "cp"}, s.Tools...)...)
	for _, d := range s.Disks {
		t.Run(d.Name, func(t *testing.T) {
			runDisk(t, s, d)
		})
	}
}

// trial is one disk being checked.
type trial struct {
	Suite
	Disk
	dir   string // scratch
	img   string // the original image
	file  *os.File
	size  int64 // of the image, after After
	m     *blockmap.Map
	info  *blockmap.VolumeInfo
	files manifest // of the original
}

func runDisk(t *testing.T, s Suite, d Disk) {
	x := &trial{Suite: s, Disk: d, dir: t.TempDir()}
	x.img = filepath.Join(x.dir, "disk.img")
	x.make(t)
	file, err := os.Open(x.img)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	st, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	x.file, x.size = file, st.Size()
	x.m, x.info = x.scan(t, x.volume())
	if x.Disk.Whole {
		if x.info.Whole == "" || x.m.Bytes() != x.size {
			t.Fatalf("must be carried whole; carried %d of %d bytes: %+v", x.m.Bytes(), x.size, x.info.Report)
		}
		t.Logf("carried whole: %s", x.info.Whole)
		return
	}
	if x.info.Whole != "" {
		t.Fatalf("carried whole: %s", x.info.Whole)
	}
	if len(x.info.Warnings) > 0 && x.Replay == "" {
		t.Errorf("warnings: %q", x.info.Warnings)
	}
	if n := x.m.Unmasked(); n > 0 {
		t.Fatalf("%d clusters without a mask: the disk is too fragmented for this test", n)
	}
	clean := x.replayed(t, x.img)
	shell.Run(t, x.Check, "IMG="+clean)
	x.files = x.manifestOf(t, clean)
	if x.Extract != "" && x.Fill != Empty && len(x.files) < 20 { // else nothing would be compared
		t.Fatalf("Extract found only %d files: %v", len(x.files), x.files)
	}
	t.Logf("%s: carried %d of %d KiB, %d files", x.info.Type, x.m.Bytes()>>10, x.size>>10, len(x.files))
	if x.Free != nil {
		t.Run("oracle", x.oracle)
	}
	t.Run("punch", x.punch)
	t.Run("restore", x.restore)
	if x.Extract == "" && x.Fill != Empty && !x.Granular {
		t.Run("leak", x.leak)
	}
	t.Run("place", x.place)
	t.Run("faults", x.faults)
	if x.freezable() && x.Replay == "" {
		t.Run("frozen", x.frozen)
	}
}

// make makes the filesystem and fills it.
func (x *trial) make(t *testing.T) {
	t.Helper()
	f, err := os.Create(x.img)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(x.Size); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	src := filepath.Join(x.dir, "src")
	if x.Extract != "" {
		if err := os.Mkdir(src, 0o755); err != nil {
			t.Fatal(err)
		}
		populate(t, src, Light, false)
	}
	shell.Run(t, x.Mkfs, "IMG="+x.img, "SRC="+src)
	if x.Extract == "" && x.Fill != Empty {
		mounted(t, x.img, x.Mount, x.Options, func(dir string) {
			if x.freezable() {
				preallocate(t, dir)
			}
			populate(t, dir, x.Fill, true)
		})
	}
	if x.After != "" {
		shell.Run(t, x.After, "IMG="+x.img)
		released(t, x.img)
	}
}

// replayed is img, or a copy of it in which the journal was replayed.
func (x *trial) replayed(t *testing.T, img string) string {
	t.Helper()
	if x.Replay == "" {
		return img
	}
	to := filepath.Join(t.TempDir(), "replayed.img")
	shell.Run(t, `cp --sparse=always "$A" "$B"`, "A="+img, "B="+to)
	shell.Run(t, x.Replay, "IMG="+to)
	return to
}

// manifestOf lists the files in an image.
func (x *trial) manifestOf(t *testing.T, img string) (m manifest) {
	t.Helper()
	if x.Extract == "" {
		mounted(t, img, x.Mount, "ro", func(dir string) { m = manifestOf(t, dir) })
		return m
	}
	dst := t.TempDir()
	shell.Run(t, x.Extract, "IMG="+img, "DST="+dst)
	return manifestOf(t, dst)
}

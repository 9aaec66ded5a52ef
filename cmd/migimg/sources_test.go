//go:build integration

package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"migimg/internal/faulty"
)

// carriedRanges are those that the program says an image of dev carries, a byte each
// for every 512 of the disk.
func carriedRanges(t *testing.T, text string, size int64) []byte {
	t.Helper()
	out := make([]byte, size/512)
	for line := range strings.Lines(text) {
		var off, n int64
		scan(t, line, &off, &n)
		for i := off / 512; i < (off+n+511)/512; i++ {
			out[i] = 1
		}
	}
	return out
}

// TestNthReadOfPlanning: whichever read of the device fails while it is mapped, once or
// for good, the program says so, or carries more. Never less.
func TestNthReadOfPlanning(t *testing.T) {
	path, _ := fragmentedDisk().make(t)
	disk := faulty.New(t, path, tempDir(t))
	args := []string{"map", disk.Path, "--format", "ranges"}
	disk.FailRead(0, false)
	want := carriedRanges(t, run(t, program, args...), diskSize)
	reads, _ := disk.Reads()
	for _, stay := range []bool{false, true} {
		larger, refused := 0, 0
		for n := 1; n <= reads; n += 2 {
			disk.FailRead(n, stay)
			out, err := try(program, args...)
			if err != nil {
				refused++
				if _, said, _ := strings.Cut(err.Error(), "\n"); !strings.Contains(said, "input/output error") || !strings.Contains(said, disk.Path) {
					t.Errorf("read %d: %v does not say what happened where", n, err)
				}
				continue
			}
			got := carriedRanges(t, out, diskSize)
			if !bytes.Equal(got, want) {
				larger++
			}
			for i := range want {
				if want[i] == 1 && got[i] == 0 {
					t.Fatalf("read %d: sector %d is no longer carried", n, i)
				}
			}
		}
		t.Logf("%d reads, stay %v: at %d of them the program ended with an error, at %d it carried more", reads, stay, refused, larger)
		if stay && larger+refused == 0 {
			t.Error("no failed read makes a difference")
		}
	}
}

// readPieces reads a file in pieces of a mebibyte. What cannot be read is left out,
// and counted.
func readPieces(t *testing.T, path string) (pieces [][]byte, bad int) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for off := int64(0); ; off += 1 << 20 {
		b := make([]byte, 1<<20)
		n, err := f.ReadAt(b, off)
		switch {
		case err != nil && err != io.EOF:
			if !errors.Is(err, syscall.EIO) {
				t.Fatalf("%s: %v, want an input/output error", path, err)
			}
			bad++
			pieces = append(pieces, nil)
			continue
		case n == 0:
			return pieces, bad
		}
		pieces = append(pieces, b[:n])
	}
}

// TestNthReadOfServing: whichever read fails while an image is read, its reader gets an
// error for what it asked for, everything else is right, and so is that the next time.
// A read that fails once is made again.
func TestNthReadOfServing(t *testing.T) {
	path, _ := fragmentedDisk().make(t)
	disk := faulty.New(t, path, tempDir(t))
	point := mountMigimg(t, disk.Path)
	for _, f := range statusOf(t, point).Files {
		name := filepath.Join(point, f.Path)
		disk.FailRead(0, false)
		want, bad := readPieces(t, name)
		if bad > 0 {
			t.Fatalf("%s: %d pieces could not be read", f.Path, bad)
		}
		reads, _ := disk.Reads()
		for _, stay := range []bool{false, true} {
			errs := 0
			for n := 1; n <= reads; n += reads/10 + 1 {
				disk.FailRead(n, stay)
				got, bad := readPieces(t, name)
				_, failed := disk.Reads()
				errs += bad
				if len(got) != len(want) {
					t.Fatalf("%s, read %d fails: %d pieces of %d", f.Path, n, len(got), len(want))
				}
				for i := range got {
					if got[i] != nil && !bytes.Equal(got[i], want[i]) {
						t.Fatalf("%s, read %d fails: piece %d is wrong", f.Path, n, i)
					}
				}
				// What a reader asks for may lie across two pieces.
				if most := map[bool]int{true: 2}[stay && failed]; bad > most || bad == 0 && most > 0 {
					t.Errorf("%s, read %d fails, for good: %v: %d pieces could not be read", f.Path, n, stay, bad)
				}
			}
			t.Logf("%s: of %d reads every %dth failed, one each time, for good: %v; readers saw %d errors", f.Path, reads, reads/10+1, stay, errs)
		}
	}
	if s := statusOf(t, point); s.Reads.Failed == 0 || len(s.Reads.Errors) == 0 {
		t.Errorf("status says of all that %+v", s.Reads)
	}
}

// TestShrunkenDevice: what the device no longer has is an error, in every format, and
// not zeros.
func TestShrunkenDevice(t *testing.T) {
	path, _ := fragmentedDisk().make(t)
	disk := faulty.New(t, path, tempDir(t))
	point := mountMigimg(t, disk.Path)
	want := map[string][][]byte{}
	files := statusOf(t, point).Files
	for _, f := range files {
		want[f.Path], _ = readPieces(t, filepath.Join(point, f.Path))
	}
	disk.Shrink(10<<20 + 512)
	for _, f := range files {
		got, bad := readPieces(t, filepath.Join(point, f.Path))
		if bad == 0 || bad == len(got) {
			t.Errorf("%s: %d of %d pieces could not be read", f.Path, bad, len(got))
		}
		for i := range got {
			if got[i] != nil && !bytes.Equal(got[i], want[f.Path][i]) {
				t.Errorf("%s: piece %d is not what it was", f.Path, i)
			}
		}
	}
}

// TestVanishedDevice: a device that has gone is an error to readers, now, and the mount
// can be ended.
func TestVanishedDevice(t *testing.T) {
	path, _ := fragmentedDisk().make(t)
	disk := faulty.New(t, path, tempDir(t))
	point := mountMigimg(t, disk.Path)
	disk.Vanish()
	if _, err := try("cp", filepath.Join(point, "disk.qcow2"), filepath.Join(tempDir(t), "copy")); err == nil || !strings.Contains(err.Error(), "No such device") {
		t.Errorf("cp: %v, want what the device answers", err)
	}
	if s := statusOf(t, point); s.Reads.Failed == 0 {
		t.Error("status knows of no failed read")
	}
	run(t, program, "umount", point)
}

// TestSlowDevice: reads that take long are waited for, and a device that changed
// meanwhile is found out.
func TestSlowDevice(t *testing.T) {
	path, _ := fragmentedDisk().make(t)
	disk := faulty.New(t, path, tempDir(t))
	disk.Slow(5 * time.Millisecond)
	point := mountMigimg(t, disk.Path)
	copied := filepath.Join(tempDir(t), "disk.qcow2")
	run(t, "cp", filepath.Join(point, "disk.qcow2"), copied)
	run(t, program, "verify", copied, "--source", point)
	// A carried byte of a file's data, which no filesystem has a sum of.
	b := contents(t, path)
	at := inLongFile(t, path)
	if err := disk.Change([]byte{^b[at]}, at); err != nil {
		t.Fatal(err)
	}
	if _, err := try(program, "verify", copied, "--source", point); err == nil {
		t.Error("verify found nothing, although the device is no longer what was copied")
	}
}

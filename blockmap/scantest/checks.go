package scantest

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"migimg/blockmap"
	"migimg/internal/shell"
)

// oracle compares with what another tool says is free, byte for byte.
func (x *trial) oracle(t *testing.T) {
	want := x.Free(t, x.replayed(t, x.img))
	got := freeRanges(x.m, x.size)
	if wrong := minus(got, want); len(wrong) > 0 {
		t.Fatalf("freed, but used: %d bytes, first %v", total(wrong), wrong[0])
	}
	if left := minus(want, got); len(left) > 0 && x.Replay != "" {
		t.Logf("%d bytes are carried that are free after the replay", total(left))
	} else if len(left) > 0 {
		t.Errorf("carried, but free: %d bytes, first %v", total(left), left[0])
	}
	used := x.size - total(want)
	if limit := used + used*3/100 + 16<<20; x.m.Bytes() > limit {
		t.Errorf("carried %d bytes, the limit for %d used is %d", x.m.Bytes(), used, limit)
	}
}

// mustBeSound checks an image and compares its files with the original's.
func (x *trial) mustBeSound(t *testing.T, img string) {
	t.Helper()
	img = x.replayed(t, img)
	shell.Run(t, x.Check, "IMG="+img)
	x.files.mustEqual(t, x.manifestOf(t, img))
}

// punch overwrites what is free in a copy.
func (x *trial) punch(t *testing.T) {
	img := filepath.Join(t.TempDir(), "punched.img")
	shell.Run(t, `cp --sparse=always "$A" "$B"`, "A="+x.img, "B="+img)
	with(t, img, func(f *os.File) {
		for _, r := range freeRanges(x.m, x.size) {
			garbage(t, f, r)
		}
	})
	x.mustBeSound(t, img)
}

// restore writes what is carried into garbage, and looks that the rest reads as
// zeros.
func (x *trial) restore(t *testing.T) {
	img := filepath.Join(t.TempDir(), "restored.img")
	view := blockmap.NewView(x.file, x.m)
	with(t, img, func(f *os.File) {
		garbage(t, f, blockmap.Range{Len: x.size})
		for r := range x.m.Ranges(0, x.size) {
			if _, err := io.Copy(io.NewOffsetWriter(f, r.Off), io.NewSectionReader(view, r.Off, r.Len)); err != nil {
				t.Fatal(err)
			}
		}
	})
	buf := make([]byte, 1<<20)
	for _, r := range freeRanges(x.m, x.size) {
		for at := r.Off; at < r.End(); at += int64(len(buf)) {
			p := buf[:min(int64(len(buf)), r.End()-at)]
			if _, err := view.ReadAt(p, at); err != nil {
				t.Fatal(err)
			}
			for i, c := range p {
				if c != 0 {
					t.Fatalf("free byte %d reads as %#02x", at+int64(i), c)
				}
			}
		}
	}
	x.mustBeSound(t, img)
}

// leak looks for the deleted pattern, in the image (where it must still be, or
// the test says nothing) and in what is carried.
func (x *trial) leak(t *testing.T) {
	raw := countPattern(t, x.file, x.size)
	carried := countPattern(t, blockmap.NewView(x.file, x.m), x.size)
	if raw == 0 {
		t.Error("the pattern is not on the disk at all")
	}
	if carried != 0 && x.Replay != "" {
		t.Logf("%d of %d sectors of deleted files are carried", carried, raw)
	} else if carried != 0 {
		t.Errorf("%d of %d sectors of deleted files are carried", carried, raw)
	}
}

func countPattern(t *testing.T, r io.ReaderAt, size int64) (n int) {
	t.Helper()
	buf := make([]byte, 1<<20)
	for at := int64(0); at < size; at += int64(len(buf)) {
		p := buf[:min(int64(len(buf)), size-at)]
		if _, err := r.ReadAt(p, at); err != nil {
			t.Fatal(err)
		}
		for i := 0; i+len(pattern) <= len(p); i += sector {
			if string(p[i:i+len(pattern)]) == pattern {
				n++
			}
		}
	}
	return n
}

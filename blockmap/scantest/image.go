package scantest

import (
	"context"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"migimg/blockmap"
	"migimg/internal/shell"
)

// mounted calls f with the folder at which img is mounted, and unmounts it.
func mounted(t testing.TB, img, fstype, options string, f func(dir string)) {
	t.Helper()
	dir := t.TempDir()
	if options != "" {
		options = "," + options
	}
	shell.Run(t, `mount -t "$T" -o "loop$O" "$IMG" "$DIR"`, "T="+fstype, "O="+options, "IMG="+img, "DIR="+dir)
	unmount := func() error { return exec.Command("umount", dir).Run() }
	t.Cleanup(func() { _ = unmount() }) // after a Fatal in f; else it is not mounted any more
	f(dir)
	if err := unmount(); err != nil {
		t.Fatalf("umount %s: %v", dir, err)
	}
	released(t, img)
}

// released fails the test if a loop device is left on img.
func released(t testing.TB, img string) {
	t.Helper()
	left := ""
	for range 1500 { // the kernel lets go of it when nobody looks at it any more
		if left = shell.Run(t, `losetup -j "$IMG"`, "IMG="+img); left == "" {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("a loop device is left: %s", left)
}

// volume is the original image.
func (x *trial) volume() blockmap.Volume { return blockmap.Bytes(x.file, x.size, 512) }

func (x *trial) scan(t testing.TB, v blockmap.Volume) (*blockmap.Map, *blockmap.VolumeInfo) {
	t.Helper()
	m, info, err := blockmap.Scan(context.Background(), v, []blockmap.Scanner{x.Scanner}, blockmap.ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m, info
}

// freeRanges is what m does not carry within the first n bytes.
func freeRanges(m *blockmap.Map, n int64) (free []blockmap.Range) {
	at := int64(0)
	for r := range m.Ranges(0, n) {
		if r.Off > at {
			free = append(free, blockmap.Range{Off: at, Len: r.Off - at})
		}
		at = r.End()
	}
	if at < n {
		free = append(free, blockmap.Range{Off: at, Len: n - at})
	}
	return free
}

// minus is what of a is not in b; both ascend without overlap.
func minus(a, b []blockmap.Range) (out []blockmap.Range) {
	for _, r := range a {
		for len(b) > 0 && b[0].End() <= r.Off {
			b = b[1:]
		}
		for i := 0; r.Len > 0; i++ {
			if i == len(b) || b[i].Off >= r.End() {
				out = append(out, r)
				break
			}
			if b[i].Off > r.Off {
				out = append(out, blockmap.Range{Off: r.Off, Len: b[i].Off - r.Off})
			}
			end := r.End()
			r.Off = min(end, max(r.Off, b[i].End()))
			r.Len = end - r.Off
		}
	}
	return out
}

func total(a []blockmap.Range) (n int64) {
	for _, r := range a {
		n += r.Len
	}
	return n
}

// garbage writes random bytes over [off, off+n) of f.
func garbage(t testing.TB, f *os.File, r blockmap.Range) {
	t.Helper()
	var seed [32]byte
	seed[0] = 1
	src := rand.NewChaCha8(seed)
	if _, err := io.CopyN(io.NewOffsetWriter(f, r.Off), src, r.Len); err != nil {
		t.Fatal(err)
	}
}

// with opens path for writing and closes it after f.
func with(t testing.TB, path string, f func(*os.File)) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	f(file)
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

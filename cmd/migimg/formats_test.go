//go:build integration

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"migimg/blockmap"
	"migimg/internal/need"
	"migimg/verify/tool"
)

// TestFormats goes through every disk and every format: the sizes agree, QEMU
// and a reader that is neither ours nor QEMU's see the carried bytes, and
// however the file is read it has the same bytes. Each image, restored onto a
// device full of garbage, is a sound filesystem with all its files.
func TestFormats(t *testing.T) {
	need.Root(t)
	need.Tool(t, "qemu-img", "qcowmount", "vhdimount", "vmdkmount", "e2fsck")
	for _, d := range disks {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			path, files := d.make(t)
			fs := blockmap.Range{Off: d.start * 512, Len: fsSize}
			everyFormat(t, path, func(t *testing.T, f fileStatus, copied string) {
				restores(t, fs, f, copied, files)
			})
		})
	}
}

// everyFormat checks the four images of the disk in a file, and does with a copy
// of each what more there is to do.
func everyFormat(t *testing.T, path string, more func(t *testing.T, f fileStatus, copied string)) {
	t.Helper()
	dev := loop(t, path, "-r")
	point := mountMigimg(t, dev)
	expected := filepath.Join(tempDir(t), "expected.raw")
	want := carried(t, dev, expected)
	for _, f := range statusOf(t, point).Files {
		t.Run(f.Format, func(t *testing.T) {
			image := filepath.Join(point, f.Path)
			copied := filepath.Join(tempDir(t), f.Path)
			content := sizesAgree(t, dev, image, copied, f)
			sameBytes(t, image, content)
			readersAgree(t, f, copied, expected, want)
			more(t, f, copied)
		})
	}
}

// sizesAgree: the size that a plan predicts, without a mount and without reading
// data, is what stat says and what a copy has. It returns the copy's bytes.
func sizesAgree(t *testing.T, dev, image, copied string, f fileStatus) []byte {
	t.Helper()
	var plan fileStatus
	if err := json.Unmarshal([]byte(run(t, program, "inspect", dev, f.Path, "--format", "json")), &plan); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(image)
	if err != nil {
		t.Fatal(err)
	}
	run(t, "cp", image, copied)
	content := contents(t, copied)
	if plan.Size != st.Size() || st.Size() != int64(len(content)) || plan.PlanDigest != f.PlanDigest {
		t.Fatalf("predicted %d bytes (plan %s), stat %d, copied %d (plan %s)", plan.Size, plan.PlanDigest, st.Size(), len(content), f.PlanDigest)
	}
	return content
}

// sameBytes: 16 readers at once and 10 000 random reads see what a copy has.
func sameBytes(t *testing.T, image string, content []byte) {
	t.Helper()
	// All of it each, or an eighth of a large one, from different places.
	share := int64(len(content))
	if share > 256<<20 {
		share /= 8
	}
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			f, err := os.Open(image)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			start := (int64(len(content)) - share) / 15 * int64(w)
			all := io.NewSectionReader(f, start, int64(len(content))-start)
			p := make([]byte, 32<<10<<(w%6))
			for off := start; off < start+share; {
				n, err := io.ReadFull(all, p)
				if !bytes.Equal(p[:n], content[off:off+int64(n)]) {
					t.Errorf("reader %d: wrong bytes in [%d, +%d)", w, off, n)
					return
				}
				if off += int64(n); err != nil && off != int64(len(content)) {
					t.Errorf("reader %d: ended at %d of %d: %v", w, off, len(content), err)
					return
				}
			}
		})
	}
	wg.Wait()
	f, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rng := rand.New(rand.NewPCG(11, 12))
	p := make([]byte, 256<<10)
	for range 10000 {
		off := rng.Int64N(int64(len(content)))
		n := 1 + rng.IntN(1<<rng.IntN(19))
		m, err := f.ReadAt(p[:n], off)
		if want := content[off:min(int64(len(content)), off+int64(n))]; !bytes.Equal(p[:m], want) || err != nil && err != io.EOF {
			t.Fatalf("random read [%d, +%d): %d bytes, %v, or wrong bytes", off, n, m, err)
		}
	}
}

// readersAgree: qemu-img and a reader of libyal see the carried bytes and zeros elsewhere.
func readersAgree(t *testing.T, f fileStatus, copied, expected string, want []byte) {
	t.Helper()
	if f.Format == "qcow2" || f.Format == "vmdk" {
		run(t, "qemu-img", "check", "-f", f.QemuFormat, copied)
	}
	run(t, "qemu-img", "compare", "-f", "raw", "-F", f.QemuFormat, expected, copied)
	if f.Format == "raw" {
		if !bytes.Equal(contents(t, copied), want) {
			t.Error("disk.raw is not the carried bytes")
		}
		return
	}
	// libqcow, libvhdi and libvmdk are neither ours nor QEMU's.
	folder := filepath.Join(filepath.Dir(copied), "libyal")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	raw, unmount, err := tool.LibyalMount(t.Context(), f.Format, copied, folder)
	if err != nil {
		t.Fatal(err)
	}
	err = holds(raw, want)
	if err := errors.Join(err, unmount()); err != nil {
		t.Errorf("%s: libyal: %v", f.Path, err)
	}
}

// holds: the file has the bytes, and nothing but zeros behind them.
func holds(path string, want []byte) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	p := make([]byte, 1<<20)
	for off := 0; ; {
		n, err := io.ReadFull(f, p)
		part := want[min(off, len(want)):min(off+n, len(want))]
		if !bytes.Equal(p[:len(part)], part) || len(bytes.Trim(p[len(part):n], "\x00")) > 0 {
			return fmt.Errorf("other bytes in [%d, +%d)", off, n)
		}
		if off += n; err == nil {
			continue
		}
		if off < len(want) {
			return fmt.Errorf("%d bytes of %d: %w", off, len(want), err)
		}
		return nil
	}
}

// restores: the image, written over random bytes, is sound and has every file.
func restores(t *testing.T, fs blockmap.Range, f fileStatus, copied string, files map[string]string) {
	t.Helper()
	target := filepath.Join(tempDir(t), "target")
	garbage(t, target, f.VirtualSize)
	// -n writes into the target as it is; holes that the format does not carry
	// are written as zeros or left alone, and neither may matter.
	run(t, "qemu-img", "convert", "-n", "-f", f.QemuFormat, "-O", "raw", copied, target)
	sound(t, target, fs, files)
}

// sound: e2fsck finds nothing wrong with the filesystem in a disk, and the files
// are in it.
func sound(t *testing.T, disk string, fs blockmap.Range, files map[string]string) {
	t.Helper()
	part := loop(t, disk, "-r", "-o", fmt.Sprint(fs.Off), "--sizelimit", fmt.Sprint(fs.Len))
	run(t, "e2fsck", "-fn", part)
	point, umount := mountFS(t, part, "ro")
	defer umount()
	if diff := cmp.Diff(files, hashes(t, point)); diff != "" {
		t.Errorf("files differ: %s", diff)
	}
}

// TestPunch overwrites everything outside the map with random bytes.
func TestPunch(t *testing.T) {
	need.Root(t)
	need.Tool(t, "e2fsck")
	for _, d := range disks {
		t.Run(d.name, func(t *testing.T) {
			path, files := d.make(t)
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			punched := make([]byte, len(content))
			_, _ = rand.NewChaCha8([32]byte{8}).Read(punched)
			for line := range strings.Lines(run(t, program, "map", path, "--format", "ranges")) {
				var off, n int64
				if _, err := fmt.Sscanf(line, "%d\t%d", &off, &n); err != nil {
					t.Fatal(err)
				}
				copy(punched[off:off+n], content[off:])
			}
			target := filepath.Join(tempDir(t), "punched")
			if err := os.WriteFile(target, punched, 0o600); err != nil {
				t.Fatal(err)
			}
			sound(t, target, blockmap.Range{Off: d.start * 512, Len: fsSize}, files)
			if out := run(t, program, "map", path, "--check"); !strings.Contains(out, "the same") &&
				!(d.name == "ext4-bigalloc" && strings.Contains(out, "bytes less")) { // clusters that metadata shares

				t.Errorf("map --check:\n%s", out)
			}
		})
	}
}

// TestNoLeak: what was deleted is in no image, down to the filesystem's block,
// however coarse the format's own is.
func TestNoLeak(t *testing.T) {
	need.Root(t)
	pattern := []byte("DELETED-SECRET--") // 16 bytes, so every block starts with it
	for _, d := range disks {
		if !strings.Contains(d.name, "ext4-4k-fragmented") && !strings.Contains(d.name, "sector63") {
			continue
		}
		t.Run(d.name, func(t *testing.T) {
			d.fill = func(t testing.TB, dir string) { secrets(t, dir, pattern) }
			path, _ := d.make(t)
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(raw, bytes.Repeat(pattern, 32)); n < 1000 {
				t.Fatalf("the pattern is only %d times on the disk: the test shows nothing", n)
			}
			point := mountMigimg(t, path)
			for _, f := range statusOf(t, point).Files {
				b, err := os.ReadFile(filepath.Join(point, f.Path))
				if err != nil {
					t.Fatal(err)
				}
				if i := bytes.Index(b, pattern); i >= 0 {
					t.Errorf("%s has deleted bytes at %d", f.Path, i)
				}
			}
		})
	}
}

// secrets writes 20 MiB and 5 000 small files of the pattern between files that
// stay, syncs, and deletes them.
func secrets(t testing.TB, dir string, pattern []byte) {
	rng := rand.NewChaCha8([32]byte{10})
	write := func(name string, n int) {
		if err := os.WriteFile(filepath.Join(dir, name), bytes.Repeat(pattern, n/len(pattern)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("secret", 20<<20)
	for i := range 5000 {
		write(fmt.Sprintf("secret%d", i), 4096)
		if i%7 == 0 {
			writeFile(t, filepath.Join(dir, fmt.Sprintf("stays%d", i)), 100, rng)
		}
	}
	run(t, "sync", "-f", dir)
	remove(t, filepath.Join(dir, "secret"))
	for i := range 5000 {
		remove(t, filepath.Join(dir, fmt.Sprintf("secret%d", i)))
	}
}

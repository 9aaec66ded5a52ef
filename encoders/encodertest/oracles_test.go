//go:build integration

package encodertest_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"migimg/encoders"
	"migimg/encoders/encodertest"
	"migimg/encoders/layout"
	"migimg/internal/need"
)

// run runs a program and fails the test with all that it said.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // also in Cleanup
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// write writes a planned file with holes where the plan has them.
func write(t *testing.T, path string, r io.ReaderAt, l *layout.Layout) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(l.Size()); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1<<20)
	for s := range l.Spans(0, l.Size()) {
		if s.Kind == layout.Zero {
			continue
		}
		for at := s.Off; at < s.Off+s.Len; {
			p := buf[:min(int64(len(buf)), s.Off+s.Len-at)]
			if _, err := r.ReadAt(p, at); err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteAt(p, at); err != nil {
				t.Fatal(err)
			}
			at += int64(len(p))
		}
	}
}

// writeWant writes the disk that an image must hold.
func writeWant(t *testing.T, path string, c encodertest.Case, size int64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 1<<20)
	for off := int64(0); off < size; off += int64(len(p)) {
		p = p[:min(int64(len(p)), size-off)]
		c.Want(p, off)
		if bytes.Count(p, []byte{0}) == len(p) {
			continue
		}
		if _, err := f.WriteAt(p, off); err != nil {
			t.Fatal(err)
		}
	}
}

func qemu(t *testing.T, o encoders.Output, image, raw string, check, probe bool) {
	t.Helper()
	if check {
		run(t, "qemu-img", "check", "-f", o.Format, image)
	}
	info := run(t, "qemu-img", "info", "--output=json", "-f", o.Format, image)
	if o.VirtualSize%512 == 0 && !strings.Contains(info, `"virtual-size": `+strconv.FormatInt(o.VirtualSize, 10)+",") {
		t.Errorf("the virtual size is not %d:\n%s", o.VirtualSize, info)
	}
	if probe && o.Format != "raw" { // a raw image is never probed as anything
		if probed := run(t, "qemu-img", "info", image); !strings.Contains(probed, "file format: "+o.Format+"\n") {
			t.Errorf("QEMU does not recognise it:\n%s", probed)
		}
	}
	run(t, "qemu-img", "compare", "-f", o.Format, "-F", "raw", image, raw)
}

// vmware lets VMware's own reader of open-vmdk read the disk, where it is
// installed: few distributions have it.
func vmware(t *testing.T, image, raw string) {
	t.Helper()
	if _, err := exec.LookPath("vmdk-convert"); err != nil {
		return
	}
	flat := filepath.Join(t.TempDir(), "flat.raw")
	run(t, "vmdk-convert", image, flat)
	f, err := os.Open(flat)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sameAs(t, f, raw)
}

func sevenZip(t *testing.T, format, image, raw string) {
	need.Tool(t, "7z")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "7z", "x", "-so", "-t"+format, image)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	sameAs(t, out, raw)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("7z: %v\n%s", err, said.Bytes())
	}
}

// libyal reads a disk through the FUSE mount of one of its tools.
func libyal(t *testing.T, mount []string, name, image string, c encodertest.Case, size int64) {
	need.Root(t)
	need.Tool(t, mount[0], "fusermount")
	dir := t.TempDir()
	run(t, mount[0], append(mount[1:], image, dir)...)
	t.Cleanup(func() { run(t, "fusermount", "-u", dir) })
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || st.Size() != size {
		t.Errorf("the disk has %d bytes, not %d: %v", st.Size(), size, err)
	}
	got, want := make([]byte, 1<<20), make([]byte, 1<<20)
	for _, off := range c.Places(size) {
		n := min(int64(len(want)), size-off)
		c.Want(want[:n], off)
		if m, err := f.ReadAt(got[:n], off); int64(m) < n {
			t.Fatalf("reading at %d gave %d bytes and %v", off, m, err)
		}
		if !bytes.Equal(got[:n], want[:n]) {
			t.Fatalf("the disk differs between %d and %d", off, off+n)
		}
	}
}

// sameAs reads two disks to their ends.
func sameAs(t *testing.T, got io.Reader, raw string) {
	t.Helper()
	f, err := os.Open(raw)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	a, b := make([]byte, 1<<20), make([]byte, 1<<20)
	for at := 0; ; {
		n, gotErr := io.ReadFull(got, a)
		m, wantErr := io.ReadFull(f, b)
		if !bytes.Equal(a[:n], b[:m]) {
			t.Errorf("the disk differs between %d and %d (%d bytes and %v, should be %d and %v)", at, at+len(a), n, gotErr, m, wantErr)
			_, _ = io.Copy(io.Discard, got) // or the program hangs at its pipe
			return
		}
		at += n
		if gotErr != nil {
			if wantErr == nil {
				t.Errorf("the disk ends at %d: %v", at, gotErr)
			}
			return
		}
	}
}

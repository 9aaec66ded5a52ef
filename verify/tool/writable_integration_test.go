//go:build integration

package tool

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"migimg/internal/need"
)

// writables are the formats that a copy may have, as qemu-img makes them.
var writables = []struct{ format, options string }{
	{"raw", ""},
	{"qcow2", ""},
	{"qcow2", "compat=0.10,cluster_size=4k"},
	{"vhd", "subformat=dynamic,force_size=on"},
	{"vhd", "subformat=fixed,force_size=on"},
	{"vhdx", ""},
	{"vdi", ""},
}

// model is what the disk in a copy has to hold.
type model struct {
	raw  string
	disk []byte
}

// diskSize is no whole number of cylinders, which a VHD without force_size would
// be rounded to.
const diskSize = 48<<20 + 512*7

// newCopy makes a disk with data at its start and holes, and a copy of it.
func newCopy(t testing.TB, dir, format, options string) (path string, m model) {
	t.Helper()
	m = model{filepath.Join(dir, "model.raw"), make([]byte, diskSize)}
	_, _ = rand.NewChaCha8([32]byte{7}).Read(m.disk[:20<<20])
	if err := os.WriteFile(m.raw, m.disk, 0o600); err != nil {
		t.Fatal(err)
	}
	q, err := FindQemuImg()
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "a copy, of "+format)
	if err := q.Convert(t.Context(), "raw", m.raw, format, path, options); err != nil {
		t.Fatal(err)
	}
	return path, m
}

// check compares a closed copy with the model, and lets QEMU check it.
func (m model) check(t testing.TB, path, format string) {
	t.Helper()
	q, err := FindQemuImg()
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "back.raw")
	if err := q.Convert(t.Context(), format, path, "raw", out, ""); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	// A VDI's disk is rounded up to a sector, a VHDX's not below one.
	if len(got) < len(m.disk) || !bytes.Equal(got[:len(m.disk)], m.disk) {
		at := 0
		for at < min(len(got), len(m.disk)) && got[at] == m.disk[at] {
			at++
		}
		t.Errorf("the copy of %d bytes differs from the model of %d at %d", len(got), len(m.disk), at)
	}
	if format == "raw" || format == "vhd" { // QEMU has no check for them
		return
	}
	if r, err := q.Check(t.Context(), format, path); err != nil || r.Corruptions+r.Leaks+r.Errors != 0 {
		t.Errorf("qemu-img check: %+v, %v", r, err)
	}
}

func TestWriteCopy(t *testing.T) {
	need.Tool(t, "qemu-img", "qemu-nbd")
	for _, w := range writables {
		t.Run(strings.Join([]string{w.format, w.options}, " "), func(t *testing.T) {
			path, m := newCopy(t, t.TempDir(), w.format, w.options)
			c, err := OpenCopy(t.Context(), path, w.format)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			if err := c.Expect(diskSize); err != nil {
				t.Error(err)
			}
			rnd := rand.New(rand.NewPCG(1, 2))
			bytesOf := rand.NewChaCha8([32]byte{8})
			for i := range 200 {
				n := rnd.Int64N(200_000) + 1
				off := rnd.Int64N(diskSize - n)
				if i%2 == 0 { // as sync does: whole sectors
					off, n = off&^4095, n&^4095+4096
					n = min(n, diskSize-off)
				}
				if i%5 == 0 {
					if i%10 == 0 {
						n = min(n*40, diskSize-off)
					}
					if err := c.Zero(off, n); err != nil {
						t.Fatal(err)
					}
					clear(m.disk[off : off+n])
					continue
				}
				p := m.disk[off : off+n]
				_, _ = bytesOf.Read(p)
				if k, err := c.WriteAt(p, off); err != nil || int64(k) != n {
					t.Fatalf("writing %d at %d: %d, %v", n, off, k, err)
				}
			}
			var wg sync.WaitGroup
			for i := range 8 { // side by side, each its own part
				wg.Go(func() {
					part := m.disk[i<<20 : (i+1)<<20]
					for j := range part {
						part[j] ^= byte(i + 1)
					}
					if _, err := c.WriteAt(part, int64(i)<<20); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			got := make([]byte, diskSize)
			if n, err := c.ReadAt(got, 0); n != diskSize || err != nil && err != io.EOF || !bytes.Equal(got, m.disk) {
				t.Errorf("reading back: %d bytes, %v", n, err)
			}
			if err := c.Sync(); err != nil {
				t.Error(err)
			}
			if _, err := c.WriteAt(make([]byte, 2), diskSize-1); err == nil {
				t.Error("a write beyond the end is no error")
			}
			if n, err := c.ReadAt(make([]byte, 2), diskSize-1); n != 1 || err != io.EOF {
				t.Errorf("reading over the end: %d, %v", n, err)
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := c.WriteAt(m.disk[:512], 0); err == nil {
				t.Error("a write after Close is no error")
			}
			m.check(t, path, w.format)
		})
	}
}

func TestCopiesThatCannotBeWritten(t *testing.T) {
	need.Tool(t, "qemu-img", "qemu-nbd")
	ctx, dir := t.Context(), t.TempDir()
	path, m := newCopy(t, dir, "qcow2", "")
	img := func(name string, args ...string) string {
		t.Helper()
		p := filepath.Join(dir, name)
		out, err := exec.Command("qemu-img", append(args, p)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v", out, err)
		}
		return p
	}
	backed := img("backed", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", path)
	external := img("external", "convert", "-f", "raw", "-O", "qcow2", "-o", "data_file="+filepath.Join(dir, "data"), m.raw)
	vmdk := img("vmdk", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", m.raw)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[7] = 99 // the version: QEMU says no
	broken := filepath.Join(dir, "broken")
	if err := os.WriteFile(broken, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path, format, want string
		typed              bool
	}{
		{vmdk, "vmdk", "keep a qcow2 or raw copy", true},
		{backed, "qcow2", "backing file", true},
		{external, "qcow2", "another file", true},
		{m.raw, "qcow2", "is no qcow2 image", false},
		{m.raw, "vhd", "is no VHD", false},
		{m.raw, "vdi", "is no vdi image", false},
		{m.raw, "vhdx", "is no vhdx image", false},
		{broken, "qcow2", "qemu-nbd", false},
		{path, "", "format", true},
		{path + ".gone", "qcow2", "no such file", false},
		{dir, "raw", "neither a file nor", false},
		{dir, "qcow2", "is a directory", false},
	} {
		_, err := OpenCopy(ctx, c.path, c.format)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.path) || errors.Is(err, ErrNotWritable) != c.typed {
			t.Errorf("%s as %q: %v; want %q", c.path, c.format, err, c.want)
		}
	}
	before, err := os.ReadFile(m.raw)
	if err != nil || !bytes.Equal(before, m.disk) {
		t.Errorf("a refused copy was changed: %v", err)
	}

	// A copy in use.
	for _, f := range []struct{ path, format string }{{path, "qcow2"}, {m.raw, "raw"}} {
		c, err := OpenCopy(ctx, f.path, f.format)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := OpenCopy(ctx, f.path, f.format); err == nil {
			t.Errorf("%s: opened twice", f.format)
		}
		// QEMU keeps to it as well.
		if out, err := exec.Command("qemu-io", "-f", f.format, "-c", "write 0 512", f.path).CombinedOutput(); err == nil {
			t.Errorf("%s: qemu-io wrote: %s", f.format, out)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := m.sameAs(m.raw); err != nil {
		t.Error(err)
	}
}

func (m model) sameAs(path string) error {
	b, err := os.ReadFile(path)
	if err == nil && !bytes.Equal(b, m.disk) {
		err = errors.New("other bytes")
	}
	return err
}

// TestCopyDaemonKilled kills the server between writes: the next call fails and
// says why, and the copy can still be opened.
func TestCopyDaemonKilled(t *testing.T) {
	need.Tool(t, "qemu-img", "qemu-nbd")
	for _, format := range []string{"qcow2", "vhd", "vhdx", "vdi"} {
		t.Run(format, func(t *testing.T) {
			path, m := newCopy(t, t.TempDir(), format, "")
			c, err := OpenCopy(t.Context(), path, format)
			if err != nil {
				t.Fatal(err)
			}
			var failed error
			time.AfterFunc(100*time.Millisecond, func() { _ = c.daemon.cmd.Process.Kill() })
			for off := int64(0); failed == nil; off = (off + 65536) % (40 << 20) {
				_, failed = c.WriteAt(m.disk[off:off+65536], off)
			}
			if !strings.Contains(failed.Error(), "killed") {
				t.Errorf("the error does not say why: %v", failed)
			}
			if err := c.Sync(); err == nil {
				t.Error("Sync after the daemon's end is no error")
			}
			if err := c.Close(); err == nil {
				t.Error("Close after the daemon's end is no error")
			}
			again, err := OpenCopy(t.Context(), path, format)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := again.WriteAt(m.disk[:1<<20], 0); err != nil {
				t.Error(err)
			}
			if err := again.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestCopyContextEnds ends what is under way, and the daemon in order.
func TestCopyContextEnds(t *testing.T) {
	need.Tool(t, "qemu-img", "qemu-nbd")
	path, m := newCopy(t, t.TempDir(), "qcow2", "")
	ctx, cancel := context.WithCancel(t.Context())
	c, err := OpenCopy(ctx, path, "qcow2")
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, cancel)
	var failed error
	for off := int64(0); failed == nil; off = (off + 65536) % (40 << 20) {
		_, failed = c.WriteAt(m.disk[off:off+65536], off)
	}
	if !errors.Is(failed, context.Canceled) {
		t.Errorf("%v", failed)
	}
	if err := c.Close(); err == nil {
		t.Error("Close is no error")
	}
	m.check(t, path, "qcow2") // what was written were the bytes that it had
}

const childEnv = "MIGIMG_TEST_WRITE_COPY"

// TestCopyWriterKilled kills the process that writes: its daemon ends too, and
// the copy is whole.
func TestCopyWriterKilled(t *testing.T) {
	if path := os.Getenv(childEnv); path != "" {
		c, err := OpenCopy(t.Context(), path, "qcow2")
		if err != nil {
			t.Fatal(err)
		}
		p := bytes.Repeat([]byte{0xa5}, 65536)
		for off := int64(0); ; off = (off + 65536) % (40 << 20) {
			if _, err := c.WriteAt(p, off); err != nil {
				t.Fatal(err)
			}
			if off == 1<<20 {
				os.Stdout.WriteString("writing\n")
			}
		}
	}
	need.Tool(t, "qemu-img", "qemu-nbd")
	path, _ := newCopy(t, t.TempDir(), "qcow2", "")
	cmd := exec.Command(os.Args[0], "-test.run", "^TestCopyWriterKilled$")
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("writing\n"))); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	// The daemon lets go of the copy by itself.
	var c *Copy
	for range 100 {
		if c, err = OpenCopy(t.Context(), path, "qcow2"); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil {
		t.Fatal("the copy stays locked: ", err)
	}
	got := make([]byte, 1<<20)
	if _, err := c.ReadAt(got, 0); err != nil {
		t.Error(err)
	}
	for i, b := range got {
		if b != 0xa5 {
			t.Fatalf("byte %d, whose write had returned, is %#x", i, b)
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	q, err := FindQemuImg()
	if err != nil {
		t.Fatal(err)
	}
	if r, err := q.Check(t.Context(), "qcow2", path); err != nil || r.Corruptions+r.Leaks+r.Errors != 0 {
		t.Errorf("qemu-img check: %+v, %v", r, err)
	}
}

// TestWriteExport writes to a server of the user's, on a socket and by TCP.
func TestWriteExport(t *testing.T) {
	need.Tool(t, "qemu-img", "qemu-nbd", "nbdkit")
	dir := t.TempDir()
	path, m := newCopy(t, dir, "qcow2", "")
	socket := filepath.Join(dir, "s")
	server := func(program string, args ...string) *exec.Cmd {
		t.Helper()
		_ = os.Remove(socket)
		cmd := exec.Command(program, args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		for range 200 {
			if _, err := os.Stat(socket); err == nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(50 * time.Millisecond)
		return cmd
	}
	address := "nbd+unix:///disk?socket=" + socket
	s := server("qemu-nbd", "-k", socket, "-x", "disk", "-f", "qcow2", path)
	c, err := OpenCopy(t.Context(), address, "")
	if err != nil {
		t.Fatal(err)
	}
	copy(m.disk[30<<20:], m.disk[:3<<20])
	clear(m.disk[:1<<20])
	if _, err := c.WriteAt(m.disk[30<<20:33<<20], 30<<20); err != nil {
		t.Error(err)
	}
	if err := c.Zero(0, 1<<20); err != nil {
		t.Error(err)
	}
	if err := errors.Join(c.Expect(diskSize), c.Close()); err != nil {
		t.Error(err)
	}
	_ = s.Wait() // it ends with its client
	m.check(t, path, "qcow2")

	s = server("qemu-nbd", "-k", socket, "-r", "-t", "-x", "disk", "-f", "qcow2", path)
	if _, err := OpenCopy(t.Context(), address, ""); !errors.Is(err, ErrNotWritable) || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("a read-only export: %v", err)
	}
	if _, err := OpenCopy(t.Context(), strings.Replace(address, "disk", "other", 1), ""); err == nil || !strings.Contains(err.Error(), `no export "other"`) {
		t.Errorf("an export that is not there: %v", err)
	}
	_ = s.Process.Kill()

	// A server that wants blocks of 4096 bytes, and fails each request that is not.
	server("nbdkit", "-f", "-U", socket, "--filter=blocksize-policy", "memory", "32M",
		"blocksize-minimum=4096", "blocksize-preferred=4096", "blocksize-maximum=65536", "blocksize-error-policy=error")
	if c, err = OpenCopy(t.Context(), "nbd+unix:///?socket="+socket, ""); err != nil {
		t.Fatal(err)
	}
	want := make([]byte, 32<<20)
	rnd := rand.New(rand.NewPCG(3, 4))
	for i := range 100 {
		n := rnd.Int64N(100_000)
		off := rnd.Int64N(32<<20 - n)
		if i%4 == 0 {
			if err := c.Zero(off, n); err != nil {
				t.Fatal(err)
			}
			clear(want[off : off+n])
			continue
		}
		copy(want[off:], m.disk[8<<20:8<<20+n])
		if _, err := c.WriteAt(want[off:off+n], off); err != nil {
			t.Fatal(err)
		}
	}
	got := make([]byte, 32<<20-3)
	if _, err := c.ReadAt(got, 3); err != nil || !bytes.Equal(got, want[3:]) {
		t.Errorf("blocks of 4096: other bytes, %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func BenchmarkWriteCopy(b *testing.B) {
	for _, w := range writables {
		b.Run(strings.Join([]string{w.format, w.options}, " "), func(b *testing.B) {
			path, m := newCopy(b, b.TempDir(), w.format, w.options)
			c, err := OpenCopy(b.Context(), path, w.format)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(64 << 10)
			at := rand.New(rand.NewPCG(1, 1))
			for b.Loop() {
				off := at.Int64N(diskSize>>16) << 16
				if _, err := c.WriteAt(m.disk[off:off+65536], off); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			if err := c.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

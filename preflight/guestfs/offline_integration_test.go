//go:build integration

package guestfs

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"migimg/internal/need"

	"golang.org/x/sys/unix"
)

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// sourceTree makes what offline readers stumble over: holes, unwritten blocks,
// fragments, a hashed directory, long links, special files, owners and modes.
func sourceTree(t testing.TB) string {
	t.Helper()
	d := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(d+"/etc/many", 0o755))
	must(os.MkdirAll(d+"/usr/bin", 0o755))
	must(os.WriteFile(d+"/etc/fstab", []byte("# a file\n"), 0o644))
	must(os.WriteFile(d+"/etc/shadow", []byte("root:*:1::::::\n"), 0o640))
	must(os.Chmod(d+"/etc/shadow", 0o640))
	must(os.Chown(d+"/etc/shadow", 0, 42))
	must(os.WriteFile(d+"/etc/owned", []byte("x"), 0o600))
	must(os.Chown(d+"/etc/owned", 70000, 80000))
	must(os.Symlink("/etc/fstab", d+"/etc/short"))
	must(os.Symlink("../"+strings.Repeat("x/../", 60)+"etc/fstab", d+"/etc/long"))
	must(unix.Mkfifo(d+"/etc/pipe", 0o600))
	must(unix.Mknod(d+"/etc/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	must(os.WriteFile(d+"/usr/bin/suid", []byte("x"), 0o755))
	must(os.Chmod(d+"/usr/bin/suid", os.ModeSetuid|0o755))
	for i := range 300 {
		must(os.WriteFile(fmt.Sprintf("%s/etc/many/%s-%d", d, strings.Repeat("n", i%50), i), nil, 0o644))
	}
	big := bytes.Repeat([]byte("0123456789abcdef"), 200_000)
	must(os.WriteFile(d+"/usr/bin/big", big, 0o644))
	f, err := os.Create(d + "/etc/sparse")
	must(err)
	for i := range 40 {
		_, err := f.WriteAt([]byte(fmt.Sprintf("piece %d", i)), int64(i)*300_001)
		must(err)
	}
	must(f.Truncate(20 << 20))
	must(f.Close())
	return d
}

// digest is every file of a tree with all that the facts look at.
func digest(t testing.TB, g FS) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(g, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if p == "lost+found" {
			return fs.SkipDir
		}
		fi, err := g.Lstat(p)
		if err != nil {
			return err
		}
		if fi.Mode().Type() != d.Type() && p != "." {
			return fmt.Errorf("%s: type %v in the listing, %v by Lstat", p, d.Type(), fi.Mode().Type())
		}
		a, ok := AttrOf(fi)
		if !ok {
			return fmt.Errorf("%s: no attributes", p)
		}
		s := fmt.Sprintf("%v %d:%d", fi.Mode(), a.UID, a.GID)
		switch {
		case p == ".":
			return nil
		case fi.Mode().IsRegular():
			b, err := ReadFile(g, p, 64<<20)
			if err != nil {
				return err
			}
			if int64(len(b)) != fi.Size() {
				return fmt.Errorf("%s: %d bytes of %d", p, len(b), fi.Size())
			}
			s += fmt.Sprintf(" %d %x", fi.Size(), sha256.Sum256(b))
		case fi.Mode()&fs.ModeSymlink != 0:
			target, err := g.ReadLink(p)
			if err != nil {
				return err
			}
			s += " " + target
		}
		all[p] = s
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func same(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for p, w := range want {
		if got[p] != w {
			t.Errorf("%s: %s: %q, want %q", what, p, got[p], w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: %d files, want %d", what, len(got), len(want))
	}
}

// The same tree through every backend: the machine's own view of the source
// folder is the oracle.
func TestBackends(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mkfs.ext4", "debugfs")
	src := sourceTree(t)
	tree, err := Live(src)
	if err != nil {
		t.Fatal(err)
	}
	g := Compose(tree)
	want := digest(t, g)
	_ = g.Close()
	for _, c := range []struct {
		name, kind string
		mkfs       []string
		gate       string // why it is not read without the kernel; empty: it must be
	}{
		{"ext4", "ext4", []string{"mkfs.ext4", "-q", "-d", src}, ""},
		{"ext4 1 KiB blocks", "ext4", []string{"mkfs.ext4", "-q", "-b", "1024", "-d", src}, ""},
		{"ext4 without 64bit", "ext4", []string{"mkfs.ext4", "-q", "-O", "^64bit,^metadata_csum", "-d", src}, ""},
		{"ext4 small inodes", "ext4", []string{"mkfs.ext4", "-q", "-I", "128", "-d", src}, ""},
		{"ext4 as of 2014", "ext4", []string{"mkfs.ext4", "-q", "-O", "^64bit,^metadata_csum,uninit_bg", "-d", src}, ""},
		{"ext4 without journal", "ext4", []string{"mkfs.ext4", "-q", "-O", "^has_journal", "-d", src}, ""},
		{"ext4 inline_data", "ext4", []string{"mkfs.ext4", "-q", "-O", "inline_data", "-d", src}, "inline_data"},
		{"ext4 bigalloc", "ext4", []string{"mkfs.ext4", "-q", "-O", "bigalloc", "-d", src}, ""},
		{"ext4 meta_bg", "ext4", []string{"mkfs.ext4", "-q", "-O", "meta_bg,^resize_inode", "-d", src}, ""},
		{"ext3", "ext3", []string{"mkfs.ext3", "-q", "-d", src}, ""},
		{"ext4 64 KiB clusters", "ext4", []string{"mkfs.ext4", "-q", "-O", "bigalloc", "-C", "65536", "-d", src}, ""},
		{"ext2 1 KiB blocks", "ext2", []string{"mkfs.ext2", "-q", "-b", "1024", "-d", src}, ""},
		{"ext2 revision 0", "ext2", []string{"mkfs.ext2", "-q", "-r", "0", "-d", src}, ""},
		{"ext2", "ext2", []string{"mkfs.ext2", "-q", "-d", src}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			const off = 3 << 20
			img := filepath.Join(t.TempDir(), "disk")
			part := img + ".part"
			run(t, "truncate", "-s", "96M", part)
			run(t, c.mkfs[0], append(c.mkfs[1:], part)...)
			run(t, "truncate", "-s", "100M", img)
			run(t, "dd", "if="+part, "of="+img, "bs=1M", "seek=3", "conv=notrunc,sparse", "status=none")
			f, err := os.Open(part)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if tree, err := Offline(f, 96<<20, c.kind); c.gate == "" {
				if err != nil {
					t.Fatal(err)
				}
				same(t, tree.Backend(), digest(t, Compose(tree)), want)
			} else if err == nil || !strings.Contains(err.Error(), c.gate) {
				t.Errorf("gate: %v, want %s", err, c.gate)
			}
			if tree, err := Kernel(img, off, 96<<20, c.kind); err != nil {
				t.Errorf("kernel: %v", err)
			} else {
				g := Compose(tree)
				got := digest(t, g)
				if c.gate == "inline_data" { // mke2fs -d makes a shorter file of it
					got["etc/sparse"] = want["etc/sparse"]
				}
				same(t, tree.Backend(), got, want)
				_ = g.Close()
			}
			noLeftovers(t, img)
		})
	}
}

// Blocks that are allocated and not written read as zeros, not as what lay there.
func TestUnwrittenExtents(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mkfs.ext4", "debugfs")
	img := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(img, bytes.Repeat([]byte("OLD DATA"), 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "mkfs.ext4", "-q", "-F", "-E", "nodiscard", img)
	src := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(src, bytes.Repeat([]byte("x"), 10_000), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "debugfs", "-w", "-R", "write "+src+" file", img)
	run(t, "debugfs", "-w", "-R", "fallocate file 3 40", img)
	run(t, "debugfs", "-w", "-R", "sif file size 150000", img)
	f, err := os.Open(img)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tree, err := Offline(f, 32<<20, "ext4")
	if err != nil {
		t.Fatal(err)
	}
	b, err := ReadFile(Compose(tree), "file", 1<<20)
	if err != nil || len(b) != 150_000 || bytes.Contains(b, []byte("OLD")) || !bytes.HasPrefix(b, bytes.Repeat([]byte("x"), 10_000)) {
		t.Errorf("%d bytes, %v; old data %v", len(b), err, bytes.Contains(b, []byte("OLD")))
	}
}

// A journal with something to replay is not read over.
func TestNeedsRecovery(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mkfs.ext4", "debugfs")
	img := filepath.Join(t.TempDir(), "disk")
	run(t, "truncate", "-s", "32M", img)
	run(t, "mkfs.ext4", "-q", img)
	run(t, "debugfs", "-w", "-R", "feature +needs_recovery", img)
	f, err := os.Open(img)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := Offline(f, 32<<20, "ext4"); err == nil || !strings.Contains(err.Error(), "needs_recovery") {
		t.Error(err)
	}
}

func TestXFSByKernel(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mkfs.xfs")
	src := t.TempDir()
	if err := os.WriteFile(src+"/hello", []byte("world\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	img := filepath.Join(t.TempDir(), "disk")
	proto := filepath.Join(t.TempDir(), "proto")
	if err := os.WriteFile(proto, []byte("/x\n0 0\nd--755 0 0\nhello ---644 0 0 "+src+"/hello\n$\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "truncate", "-s", "320M", img)
	run(t, "mkfs.xfs", "-q", "-p", proto, img)
	f, err := os.Open(img)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := Offline(f, 320<<20, "xfs"); err == nil {
		t.Error("an XFS without a kernel")
	}
	tree, err := Kernel(img, 0, 320<<20, "xfs")
	if errors.Is(err, unix.ENODEV) {
		t.Log(err) // what a machine without XFS is told
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	g := Compose(tree)
	if b, err := ReadFile(g, "hello", 100); string(b) != "world\n" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	_ = g.Close()
	noLeftovers(t, img)
}

// FAT32 by go-diskfs; the files were put there by mtools.
func TestFAT(t *testing.T) {
	need.Tool(t, "mkfs.vfat", "mcopy", "mmd")
	img := filepath.Join(t.TempDir(), "esp")
	src := filepath.Join(t.TempDir(), "grub.cfg")
	if err := os.WriteFile(src, []byte("configfile /boot/grub/grub.cfg\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "truncate", "-s", "64M", img)
	run(t, "mkfs.vfat", "-F", "32", img)
	run(t, "mmd", "-i", img, "::EFI", "::EFI/debian", "::EFI/BOOT")
	run(t, "mcopy", "-i", img, src, "::EFI/debian/grub.cfg")
	run(t, "mcopy", "-i", img, src, "::EFI/BOOT/a longer name.cfg")
	f, err := os.Open(img)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tree, err := Offline(f, 64<<20, "vfat")
	if err != nil {
		t.Fatal(err)
	}
	g := Compose(tree)
	for _, name := range []string{"EFI/debian/grub.cfg", "efi/DEBIAN/Grub.cfg", "EFI/BOOT/a longer name.cfg"} {
		if b, err := ReadFile(g, name, 1000); err != nil || string(b) != "configfile /boot/grub/grub.cfg\n" {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	if ok, err := Exists(g, "EFI/none/grub.cfg"); ok || err != nil {
		t.Errorf("none: %v, %v", ok, err)
	}
}

// noLeftovers asserts that neither a mount nor a loop device of img is left. A test
// of another package may have mounts of its own for a moment.
func noLeftovers(t *testing.T, img string) {
	t.Helper()
	var loops []byte
	mounted := false
	for range 500 {
		loops, _ = exec.Command("losetup", "-j", img).Output()
		b, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			t.Fatal(err)
		}
		mounted = strings.Contains(string(b), "migimg-guest-")
		if len(bytes.TrimSpace(loops)) == 0 && !mounted {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("left: loop devices %q, a mount: %v", loops, mounted)
}

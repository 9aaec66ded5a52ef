//go:build integration

package kmod

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"migimg/internal/need"
	"migimg/preflight/facts/initramfs"
)

func run(t *testing.T, dir string, arg ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), arg[0], arg[1:]...)
	cmd.Dir = dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q: %v: %s", arg, err, errs.Bytes())
	}
	return out
}

// kernel unpacks Debian's kernel for cloud machines, with its modules, below a
// folder, and answers the folder and the release.
func kernel(t *testing.T) (root, release string) {
	t.Helper()
	need.Tool(t, "apt-get", "apt-cache", "dpkg-deb", "depmod")
	root = t.TempDir()
	deb := os.Getenv("MIGIMG_KERNEL_DEB")
	if deb == "" {
		for line := range strings.Lines(string(run(t, root, "apt-cache", "depends", "linux-image-cloud-amd64"))) {
			if p, ok := strings.CutPrefix(strings.TrimSpace(line), "Depends: "); ok {
				run(t, root, "apt-get", "download", p)
			}
		}
		debs, _ := filepath.Glob(filepath.Join(root, "*.deb"))
		if len(debs) != 1 {
			t.Fatalf("apt-get downloaded %q", debs)
		}
		deb = debs[0]
	}
	run(t, root, "dpkg-deb", "-x", deb, root)
	dirs, _ := filepath.Glob(filepath.Join(root, "lib/modules/*"))
	if len(dirs) != 1 {
		t.Fatalf("kernels in the package: %q", dirs)
	}
	release = filepath.Base(dirs[0])
	run(t, root, "depmod", "-b", root, release)
	return root, release
}

// debian builds an initramfs with initramfs-tools. It wants the modules in
// /lib/modules: they are there in a mount namespace of its own.
func debian(t *testing.T, root, release string) string {
	t.Helper()
	if _, err := os.Stat("/lib/modules"); os.IsNotExist(err) {
		if err := os.Mkdir("/lib/modules", 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Remove("/lib/modules") })
	}
	out := filepath.Join(root, "initrd.img")
	alone, err := filepath.Abs("../../../testdata/disks/alone.sh")
	if err != nil {
		t.Fatal(err)
	}
	run(t, root, alone, "sh", "-ec", "mount --bind "+root+"/lib/modules /lib/modules; mount --bind "+root+"/boot /boot; "+
		"mkinitramfs -c gzip -o "+out+" "+release)
	return out
}

func read(t *testing.T, file string) *initramfs.Archive {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	a, err := initramfs.Read(t.Context(), f, fi.Size(), initramfs.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// listed is what cpio(1) lists, sorted, without what comes twice.
func listed(out []byte) []string {
	var l []string
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); line != "" {
			l = append(l, line)
		}
	}
	slices.Sort(l)
	return slices.Compact(l)
}

func sortedPaths(a *initramfs.Archive) []string {
	var l []string
	for _, f := range a.Files {
		l = append(l, f.Path)
	}
	slices.Sort(l)
	return l
}

// TestRealInitramfs reads archives of initramfs-tools and dracut, compressed by
// the real programs: the list has to be that of cpio, and a driver's status has
// to agree with modprobe's dependencies.
func TestRealInitramfs(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mkinitramfs", "dracut", "unshare", "cpio", "lsinitramfs", "gzip", "xz", "zstd", "lz4", "bzip2", "lzma", "modprobe")
	root, release := kernel(t)
	t.Run("release", func(t *testing.T) {
		f, err := os.Open(filepath.Join(root, "boot/vmlinuz-"+release))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if r, err := Release(f); err != nil || r != release {
			t.Errorf("%q, %v", r, err)
		}
	})
	tr, err := Load(os.DirFS(root), release)
	if err != nil || len(tr.Problems) > 0 {
		t.Fatalf("%v, %q", err, tr.Problems)
	}
	t.Run("modprobe", func(t *testing.T) { compareModprobe(t, tr, root) })

	img := debian(t, root, release)
	want := listed(run(t, root, "lsinitramfs", img))
	a := read(t, img)
	if d := cmp.Diff(want, sortedPaths(a)); d != "" || a.Opaque != "" {
		t.Errorf("initramfs-tools: %q (-lsinitramfs +got):\n%s", a.Opaque, d)
	}
	for _, d := range []string{"virtio_blk", "virtio_scsi", "virtio_net", "ext4", "nvme", "virtio_pci"} {
		if s, missing := tr.Status(d, a); s != StatusInitramfs && s != StatusBuiltin {
			t.Errorf("initramfs-tools: %s is %s, missing %q", d, s, missing)
		}
	}
	if s, _ := tr.Status("hv_sock", a); s != StatusModule {
		t.Errorf("hv_sock is %s", s)
	}

	// A smaller archive, so that the slow compressions do not take minutes.
	plain := filepath.Join(root, "plain")
	run(t, root, "sh", "-ec", "find lib/modules/"+release+"/kernel/drivers/virtio lib/modules/"+release+"/kernel/fs | cpio -o --quiet -H newc > "+plain)
	front := filepath.Join(root, "front") // as microcode comes first
	run(t, root, "sh", "-ec", "mkdir -p m/kernel/x86; echo x > m/kernel/x86/u.bin; cd m; find kernel | cpio -o --quiet -H newc > "+front)
	want = listed(append(run(t, root, "sh", "-ec", "cpio -t --quiet < plain"), run(t, root, "sh", "-ec", "cpio -t --quiet < front")...))
	modules := 0
	for _, p := range want {
		if strings.HasSuffix(p, ".ko") {
			modules++
		}
	}
	for _, c := range []struct {
		name, cmd string
		odd       bool // the kernel does not read it
	}{
		{"cpio", "cat", false}, {"gzip", "gzip -1", false}, {"xz", "xz -1 --check=crc32", false}, {"xz", "xz -1 --check=none --x86 --lzma2=preset=1", false},
		{"xz", "xz -1 --check=crc64 -T2", true}, {"xz", "xz -1 --check=sha256 --block-size=4MiB", true},
		{"zstd", "zstd -1", false}, {"zstd", "zstd -3 -T2 --no-check", false}, {"lz4", "lz4 -1 -l", false}, {"bzip2", "bzip2 -1", false}, {"lzma", "lzma -1", false},
	} {
		t.Run(strings.ReplaceAll(c.cmd, " ", "_"), func(t *testing.T) {
			out := filepath.Join(root, "out")
			run(t, root, "sh", "-ec", "{ cat front; "+c.cmd+" < plain; } > "+out)
			got := read(t, out)
			if len(got.Segments) < 2 || got.Segments[len(got.Segments)-1].Compression != c.name || got.Opaque != "" || len(got.Problems) > 0 != c.odd {
				t.Errorf("segments %+v, opaque %q, problems %q", got.Segments, got.Opaque, got.Problems)
			}
			if d := cmp.Diff(want, sortedPaths(got)); d != "" {
				t.Errorf("(-cpio +got):\n%s", d)
			}
			if len(got.Modules) != modules {
				t.Errorf("%d modules, want %d", len(got.Modules), modules)
			}
			if c.name == "lz4" {
				return // nothing may follow it
			}
			// One more archive behind it, as migimg's own injection makes it.
			run(t, root, "sh", "-ec", fmt.Sprintf("head -c $(( -$(stat -c %%s out) & 3 )) /dev/zero >> out; cat front >> out"))
			if got = read(t, out); got.Opaque != "" || got.Segments[len(got.Segments)-1].Compression != "cpio" {
				t.Errorf("appended: %+v, %q", got.Segments, got.Opaque)
			}
		})
	}
	t.Run("dracut", func(t *testing.T) {
		out := filepath.Join(root, "dracut.img")
		run(t, root, "dracut", "--kmoddir", filepath.Join(root, "lib/modules", release), "--force", "--no-hostonly", "--no-early-microcode",
			"--modules", "base kernel-modules", "--xz", "--tmpdir", root, out, release)
		got := read(t, out)
		if d := cmp.Diff(listed(run(t, root, "sh", "-ec", "xz -dc dracut.img | cpio -t --quiet")), sortedPaths(got)); d != "" || got.Opaque != "" {
			t.Errorf("%q (-cpio +got):\n%s", got.Opaque, d)
		}
		if s, missing := tr.Status("virtio_blk", got); s != StatusInitramfs {
			t.Errorf("virtio_blk is %s, missing %q", s, missing)
		}
		if _, ok := got.Contents["usr/lib/dracut/build-parameter.txt"]; !ok {
			if _, ok := got.Contents["lib/dracut/build-parameter.txt"]; !ok {
				t.Error("dracut's build parameters are not kept")
			}
		}
	})
}

// compareModprobe compares the closures with modprobe's for every module.
// modprobe also loads what modules.softdep names, and what that needs.
func compareModprobe(t *testing.T, tr *Tree, root string) {
	soft := map[string]bool{}
	b, err := os.ReadFile(filepath.Join(root, tr.Dir, "modules.softdep"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "softdep" {
			soft[normal(f[1])] = true
		}
	}
	same, more := 0, 0
	for name := range tr.paths {
		var want []string
		for line := range strings.Lines(string(run(t, root, "modprobe", "-d", root, "-S", tr.Release, "-C", "/dev/null", "--show-depends", name))) {
			if f := strings.Fields(line); len(f) >= 2 && f[0] == "insmod" {
				n, _ := initramfs.ModuleName(f[1])
				want = append(want, n)
			}
		}
		got, ok := tr.Deps(name)
		got = append(got, name)
		hasSoft := slices.ContainsFunc(got, func(d string) bool { return soft[d] })
		slices.Sort(want)
		slices.Sort(got)
		switch want = slices.Compact(want); {
		case ok && cmp.Diff(want, got) == "":
			same++
		case ok && hasSoft && !slices.ContainsFunc(got, func(d string) bool { return !slices.Contains(want, d) }):
			more++
		default:
			t.Errorf("%s: %q, modprobe loads %q", name, got, want)
		}
	}
	t.Logf("%d modules agree, for %d modprobe adds soft dependencies", same, more)
}

package kmod

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"migimg/preflight/facts/initramfs"
)

const dep = `kernel/drivers/virtio/virtio.ko.xz:
kernel/drivers/virtio/virtio_ring.ko.xz: kernel/drivers/virtio/virtio.ko.xz
kernel/drivers/virtio/virtio_pci.ko.xz: kernel/drivers/virtio/virtio_ring.ko.xz kernel/drivers/virtio/virtio.ko.xz
kernel/drivers/block/virtio_blk.ko.xz: kernel/drivers/virtio/virtio_ring.ko.xz kernel/drivers/virtio/virtio.ko.xz
kernel/fs/xfs/xfs.ko.xz: kernel/lib/libcrc32c.ko.xz
kernel/lib/libcrc32c.ko.xz:
extra/my-driver.ko: kernel/drivers/virtio/gone.ko
`

func tree(files map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for n, s := range files {
		m[n] = &fstest.MapFile{Data: []byte(s)}
	}
	return m
}

func load(t *testing.T, files map[string]string) *Tree {
	t.Helper()
	tr, err := Load(tree(files), "5.1")
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// archive makes an initramfs with the modules.
func archive(t *testing.T, tail string, names ...string) *initramfs.Archive {
	t.Helper()
	var b bytes.Buffer
	for _, n := range append(names, "TRAILER!!!") {
		if n != "TRAILER!!!" {
			n = "usr/lib/modules/" + n + ".ko"
		}
		fmt.Fprintf(&b, "070701%08x%08x%s%08x%s", 1, 0o100644, strings.Repeat("0", 32), 0, strings.Repeat("0", 32))
		fmt.Fprintf(&b, "%08x%08x%s\x00", len(n)+1, 0, n)
		b.Write(make([]byte, -b.Len()&3))
	}
	b.WriteString(tail)
	a, err := initramfs.Read(t.Context(), bytes.NewReader(b.Bytes()), int64(b.Len()), initramfs.Limits{})
	if err != nil || len(a.Modules) != len(names) {
		t.Fatalf("%v: %+v", err, a)
	}
	return a
}

func TestStatus(t *testing.T) {
	files := map[string]string{
		"usr/lib/modules/5.1/modules.dep":     dep,
		"usr/lib/modules/5.1/modules.builtin": "kernel/drivers/scsi/sd-mod.ko\nkernel/lib/libcrc32c.ko\n",
	}
	tr := load(t, files)
	all := []string{"5.1/virtio", "5.1/virtio_ring", "5.1/virtio_blk"}
	for _, c := range []struct {
		name, driver string
		in           *initramfs.Archive
		want         Status
		missing      []string
	}{
		{"builtin", "sd_mod", nil, StatusBuiltin, nil},
		{"all there", "virtio-blk", archive(t, "", all...), StatusInitramfs, nil},
		{"a dependency is missing", "virtio_blk", archive(t, "", "5.1/virtio", "5.1/virtio_blk"), StatusModule, []string{"virtio_ring"}},
		{"all of another kernel", "virtio_blk", archive(t, "", "5.0/virtio", "5.0/virtio_ring", "5.0/virtio_blk"), StatusModule, nil},
		{"modules of no kernel", "virtio_blk", archive(t, "", all...), StatusInitramfs, nil},
		{"dependency built in", "xfs", archive(t, "", "5.1/xfs"), StatusInitramfs, nil},
		{"no initramfs", "virtio_blk", nil, StatusModule, nil},
		{"nowhere", "nvme", archive(t, "", all...), StatusAbsent, nil},
		{"initramfs cut short", "virtio_pci", archive(t, "garbage", all...), StatusUnknown, nil},
		{"initramfs cut short, yet there", "virtio_blk", archive(t, "garbage", all...), StatusInitramfs, nil},
		{"initramfs cut short, not a module", "nvme", archive(t, "garbage", all...), StatusAbsent, nil},
		{"dependency perhaps behind", "virtio_pci", archive(t, "garbage", "5.1/virtio_pci"), StatusUnknown, nil},
		{"dependency that nobody has", "my_driver", archive(t, "", "5.1/my-driver"), StatusModule, []string{"gone"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, missing := tr.Status(c.driver, c.in)
			if got != c.want || cmp.Diff(c.missing, missing) != "" {
				t.Errorf("%s %q, want %s %q", got, missing, c.want, c.missing)
			}
		})
	}
}

func TestDeps(t *testing.T) {
	tr := load(t, map[string]string{"lib/modules/5.1/modules.dep": dep, "lib/modules/5.1/modules.softdep": "softdep xfs pre: crc32c-intel post: x\n"})
	for _, c := range []struct {
		name string
		want []string
		ok   bool
	}{
		{"virtio_pci", []string{"virtio", "virtio_ring"}, true}, {"virtio", nil, true}, {"nvme", nil, false},
	} {
		got, ok := tr.Deps(c.name)
		if ok != c.ok || cmp.Diff(c.want, got) != "" {
			t.Errorf("Deps(%s) = %q, %v", c.name, got, ok)
		}
	}
	if p, ok := tr.Path("my_driver"); !ok || p != "/lib/modules/5.1/extra/my-driver.ko" {
		t.Errorf("Path: %q", p)
	}
	if d := tr.Softdeps("xfs"); cmp.Diff([]string{"crc32c_intel"}, d) != "" {
		t.Errorf("Softdeps: %q", d)
	}
	loop := load(t, map[string]string{"lib/modules/5.1/modules.dep": "a.ko: b.ko\nb.ko: a.ko\n"})
	if got, ok := loop.Deps("a"); !ok || cmp.Diff([]string{"b"}, got) != "" {
		t.Errorf("a loop: %q", got)
	}
	old := load(t, map[string]string{"lib/modules/5.1/modules.dep": "/lib/modules/5.1/a.ko: /lib/modules/5.1/b.ko\n/lib/modules/5.1/b.ko:\n"})
	if got, _ := old.Deps("a"); cmp.Diff([]string{"b"}, got) != "" {
		t.Errorf("absolute paths: %q", got)
	}
	if p, _ := old.Path("a"); p != "/lib/modules/5.1/a.ko" {
		t.Errorf("absolute path: %q", p)
	}
}

func TestBuiltin(t *testing.T) {
	config := "CONFIG_VIRTIO_BLK=y\nCONFIG_VIRTIO_NET=m\n# CONFIG_BLK_DEV_NVME is not set\n" + strings.Repeat("CONFIG_FILLER=y\n", 1)
	whole := config
	for i := range 300 {
		whole += fmt.Sprintf("CONFIG_X%d=y\n", i)
	}
	for _, c := range []struct {
		name  string
		files map[string]string
		want  map[string]Tri
	}{
		{"list", map[string]string{"lib/modules/5.1/modules.dep": dep, "lib/modules/5.1/modules.builtin": "kernel/a-b.ko\n"},
			map[string]Tri{"a_b": Yes, "virtio": No, "nvme": No}},
		{"configuration", map[string]string{"boot/config-5.1": whole},
			map[string]Tri{"virtio_blk": Yes, "virtio_net": No, "nvme": No, "ena": No, "no_symbol": Unknown}},
		{"part of a configuration", map[string]string{"lib/modules/5.1/config": config},
			map[string]Tri{"virtio_blk": Yes, "virtio_net": No, "nvme": No, "ena": Unknown}},
		{"neither", map[string]string{"lib/modules/5.1/modules.dep": dep}, map[string]Tri{"virtio_blk": No, "nvme": Unknown}},
		{"both", map[string]string{"lib/modules/5.1/modules.builtin": "", "boot/config-5.1": whole}, map[string]Tri{"virtio_blk": Yes, "ena": No}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := load(t, c.files)
			for n, want := range c.want {
				if got := tr.Builtin(n); got != want {
					t.Errorf("%s: %s, want %s", n, got, want)
				}
			}
		})
	}
}

type unreadable struct{ fs.FS }

var errDevice = errors.New("input/output error")

func (u unreadable) Open(name string) (fs.File, error) {
	if strings.HasSuffix(name, "modules.builtin") {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errDevice}
	}
	return u.FS.Open(name)
}

// TestLoad: what is not there and what cannot be read are different answers.
func TestLoad(t *testing.T) {
	if _, err := Load(tree(nil), "5.1"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
	for _, bad := range []string{"", "..", "a/b"} {
		if _, err := Load(tree(nil), bad); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("release %q: %v", bad, err)
		}
	}
	files := map[string]string{"lib/modules/5.1/modules.dep": dep}
	if _, err := Load(unreadable{tree(files)}, "5.1"); !errors.Is(err, errDevice) {
		t.Errorf("unreadable: %v", err)
	}
	tr := load(t, map[string]string{"lib/modules/5.1/modules.dep": "", "lib/modules/5.1/kernel/x/virtio-blk.ko.zst": "", "lib/modules/5.1/modules.builtin": ""})
	if p, ok := tr.Path("virtio_blk"); !ok || p != "/lib/modules/5.1/kernel/x/virtio-blk.ko.zst" || len(tr.Problems) == 0 {
		t.Errorf("without modules.dep: %q, %q", p, tr.Problems)
	}
	if s, _ := tr.Status("virtio_blk", archive(t, "", "5.1/virtio_blk")); s != StatusUnknown {
		t.Errorf("dependencies are not known, yet %s", s)
	}
	tr = load(t, map[string]string{"lib/modules/5.1/modules.dep": dep + "kernel/x.ko: kernel/y\n"})
	if s, _ := tr.Status("virtio", archive(t, "", "5.1/virtio")); s != StatusUnknown || len(tr.Problems) == 0 {
		t.Errorf("a broken modules.dep: %s, %q", s, tr.Problems)
	}
}

func TestRelease(t *testing.T) {
	img := make([]byte, 0x1000)
	copy(img[0x202:], "HdrS\x0f\x02")
	binary.LittleEndian.PutUint16(img[0x20e:], 0x300)
	copy(img[0x500:], "6.1.0-9-amd64 (root@x) #1 SMP\x00")
	if r, err := Release(bytes.NewReader(img)); err != nil || r != "6.1.0-9-amd64" {
		t.Errorf("%q, %v", r, err)
	}
	for _, bad := range [][]byte{nil, make([]byte, 0x1000), img[:0x500], append(bytes.Clone(img[:0x500]), "a/b \x00"...)} {
		if _, err := Release(bytes.NewReader(bad)); !errors.Is(err, ErrNoRelease) {
			t.Errorf("%d bytes: %v", len(bad), err)
		}
	}
}

func FuzzModulesDep(f *testing.F) {
	f.Add([]byte(dep), "virtio_pci")
	f.Add([]byte("a.ko: b.ko c.ko\nb.ko: a.ko\n# x\n/lib/modules/5.1/c.ko.gz:\nx"), "a")
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		fsys := fstest.MapFS{
			"lib/modules/5.1/modules.dep":     {Data: b},
			"lib/modules/5.1/modules.builtin": {Data: b},
			"lib/modules/5.1/modules.softdep": {Data: b},
			"boot/config-5.1":                 {Data: b},
		}
		tr, err := Load(fsys, "5.1")
		if err != nil {
			t.Fatal(err)
		}
		deps, _ := tr.Deps(name)
		seen := map[string]bool{normal(name): true}
		for _, d := range deps {
			if seen[d] {
				t.Fatalf("%q twice", d)
			}
			seen[d] = true
		}
		if s, _ := tr.Status(name, nil); s == StatusInitramfs {
			t.Fatal("in an initramfs that does not exist")
		}
		_, _ = Release(bytes.NewReader(b))
	})
}

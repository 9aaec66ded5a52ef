package initramfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
)

// member is a member of an archive that a test makes.
type member struct {
	name string
	mode uint32
	data string
}

func reg(name, data string) member { return member{name, modeRegular | 0o644, data} }

// newc writes a cpio archive as cpio(5) describes it.
func newc(ms ...member) []byte {
	var b bytes.Buffer
	for _, m := range append(ms, member{name: trailerName}) {
		fmt.Fprintf(&b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
			1, m.mode, 0, 0, 1, 0, len(m.data), 0, 0, 0, 0, len(m.name)+1, 0)
		b.WriteString(m.name + "\x00")
		b.Write(make([]byte, -b.Len()&3))
		b.WriteString(m.data)
		b.Write(make([]byte, -b.Len()&3))
	}
	return b.Bytes()
}

func gz(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

func pad(b []byte, to int) []byte { return append(slices.Clone(b), make([]byte, -len(b)&(to-1))...) }

func paths(a *Archive) (out []string) {
	for _, f := range a.Files {
		out = append(out, f.Path)
	}
	return out
}

func TestRead(t *testing.T) {
	micro := newc(reg("kernel/x86/microcode/GenuineIntel.bin", "uuu"))
	for _, c := range []struct {
		name   string
		data   []byte
		paths  []string
		comps  []string
		opaque string
	}{
		{"microcode first", slices.Concat(pad(micro, 512), gz(newc(reg("init", "x")))),
			[]string{"kernel/x86/microcode/GenuineIntel.bin", "init"}, []string{"cpio", "gzip"}, ""},
		{"two compressed", slices.Concat(gz(newc(reg("a", "1"))), gz(newc(reg("b", "2")))), []string{"a", "b"}, []string{"gzip", "gzip"}, ""},
		{"appended to gzip", slices.Concat(pad(gz(newc(reg("a", "1"))), 4), newc(reg("b", "2"))), []string{"a", "b"}, []string{"gzip", "cpio"}, ""},
		{"two archives in one segment", gz(slices.Concat(pad(newc(reg("a", "1")), 512), newc(reg("b", "2")))), []string{"a", "b"}, []string{"gzip"}, ""},
		{"appended at an odd place", slices.Concat([]byte{0}, newc(reg("b", "2"))), nil, []string{"cpio"}, "multiple of 4"},
		{"empty", nil, nil, nil, "empty"},
		{"zeros", make([]byte, 4096), nil, nil, "empty"},
		{"garbage", []byte("hello, world"), nil, []string{"unknown"}, "neither"},
		{"garbage behind", slices.Concat(newc(reg("a", "1")), []byte("hello")), []string{"a"}, []string{"cpio", "unknown"}, "neither"},
		{"truncated cpio", newc(reg("a", "1"), reg("b", strings.Repeat("x", 5000)))[:1000], []string{"a"}, []string{"cpio"}, "unexpected EOF"},
		{"truncated gzip", gz(newc(reg("a", "1")))[:40], []string{"a"}, []string{"gzip"}, "unexpected EOF"},
		{"no trailer", newc(reg("a", "1"))[:116], []string{"a"}, []string{"cpio"}, "without its trailer"},
		{"not a cpio inside", gz([]byte("hello")), nil, []string{"gzip"}, "not a cpio"},
		{"old format", []byte("070707" + strings.Repeat("0", 200)), nil, []string{"cpio"}, "portable format"},
		{"not hexadecimal", bytes.Replace(newc(reg("a", "1")), []byte("00000001"), []byte("0000000g"), 7), nil, []string{"cpio"}, "hexadecimal"},
		{"huge name", bytes.Replace(newc(member{"a", 0, ""}), []byte("00000002"), []byte("ffffffff"), 1), nil, []string{"cpio"}, "a name of"},
		{"huge file", bytes.Replace(newc(member{"a", modeRegular, "xyzw"}), []byte("00000004"), []byte("ffffffff"), 1), nil, []string{"cpio"}, "unexpected EOF"},
		{"lzop", []byte("\x89LZO\x00\r\n\x1a\n...."), nil, []string{"lzop"}, "lzop"},
		{"unified kernel image", []byte("MZ..............."), nil, nil, "unified kernel image"},
		{"squashfs inside", newc(reg("init", "x"), reg("squashfs-root.img", "hsqs")), []string{"init", "squashfs-root.img"}, []string{"cpio"}, "squashfs"},
		{"erofs inside", newc(reg("erofs-root.img", "")), []string{"erofs-root.img"}, []string{"cpio"}, "EROFS"},
		{"climbing", newc(reg("../../etc/passwd", "x"), reg("/abs//x/./y", "")), []string{"etc/passwd", "abs/x/y"}, []string{"cpio"}, ""},
		{"last one counts", newc(reg("a", "1"), reg("a", "22")), []string{"a"}, []string{"cpio"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := read(t, c.data)
			if d := cmp.Diff(c.paths, paths(a)); d != "" {
				t.Errorf("members (-want +got):\n%s", d)
			}
			var comps []string
			for _, s := range a.Segments {
				comps = append(comps, s.Compression)
			}
			if d := cmp.Diff(c.comps, comps); d != "" {
				t.Errorf("segments (-want +got):\n%s", d)
			}
			if (c.opaque == "") != (a.Opaque == "") || !strings.Contains(a.Opaque, c.opaque) {
				t.Errorf("Opaque = %q, want %q", a.Opaque, c.opaque)
			}
			if cut := strings.HasPrefix(c.name, "truncated") || c.name == "huge file"; cut != a.Truncated { // one that claims more than is there
				t.Errorf("Truncated = %v (%s)", a.Truncated, a.Opaque)
			}
		})
	}
}

func TestModules(t *testing.T) {
	a := read(t, newc(
		member{"lib", modeLink | 0o777, "usr/lib"},
		reg("usr/lib/modules/5.1/kernel/drivers/block/virtio_blk.ko.xz", "x"),
		reg("usr/lib/modules/5.1/kernel/drivers/net/virtio-net.ko", "x"),
		reg("lib/modules/4.9/extra/foo-bar.ko.zst", "x"),
		reg("lib/ext3.ko", "x"),
		reg("usr/share/doc/not.ko", "x"),
		reg("usr/lib/modules/5.1/modules.dep", "x"),
		member{"usr/lib/modules/5.1/weak-updates/good.ko", modeLink, "../kernel/drivers/net/virtio-net.ko"},
		member{"usr/lib/modules/5.1/weak-updates/bad.ko", modeLink, "/nowhere.ko"},
	))
	var got []string
	for _, m := range a.Modules {
		got = append(got, m.Kernel+":"+m.Name)
	}
	want := []string{"5.1:virtio_blk", "5.1:virtio_net", "4.9:foo_bar", ":ext3", "5.1:good"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for _, c := range []struct {
		name, kernel string
		ok           bool
	}{{"virtio-net", "5.1", true}, {"virtio_net", "4.9", false}, {"ext3", "5.1", true}, {"not", "5.1", false}, {"bad", "5.1", false}} {
		if _, ok := a.Module(c.name, c.kernel); ok != c.ok {
			t.Errorf("Module(%q, %q) = %v", c.name, c.kernel, ok)
		}
	}
	if f, ok := a.Find("/lib/modules/5.1/modules.dep"); !ok || f.Path != "usr/lib/modules/5.1/modules.dep" {
		t.Errorf("Find through a link: %+v", f)
	}
}

func TestContents(t *testing.T) {
	big := strings.Repeat("x", maxFileContent+1)
	a := read(t, newc(reg("conf/modules", "virtio_blk\n"), reg("usr/lib/modprobe.d/a.conf", "blacklist x\n"), reg("init", big),
		reg("bin/sh", "no"), reg("etc/cmdline.d/root.conf", "root=/dev/sda1")))
	want := map[string][]byte{"conf/modules": []byte("virtio_blk\n"), "usr/lib/modprobe.d/a.conf": []byte("blacklist x\n"), "etc/cmdline.d/root.conf": []byte("root=/dev/sda1")}
	if d := cmp.Diff(want, a.Contents); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if len(a.Problems) != 1 || a.Opaque != "" {
		t.Errorf("problems %q, opaque %q", a.Problems, a.Opaque)
	}
}

func TestLimits(t *testing.T) {
	var many []member
	for i := range 100 {
		many = append(many, reg(fmt.Sprintf("f%d", i), "0123456789"))
	}
	data := gz(newc(many...))
	for _, c := range []struct {
		name string
		lim  Limits
	}{{"entries", Limits{Entries: 10}}, {"names", Limits{Names: 20}}, {"bytes", Limits{Decompressed: 1000}}} {
		t.Run(c.name, func(t *testing.T) {
			a, err := Read(t.Context(), bytes.NewReader(data), int64(len(data)), c.lim)
			if err != nil || !strings.Contains(a.Opaque, errLimit.Error()) || len(a.Files) > 20 && c.lim.Decompressed == 0 {
				t.Errorf("%v, %q, %d members", err, a.Opaque, len(a.Files))
			}
		})
	}
}

type broken struct{ io.ReaderAt }

var errDevice = errors.New("input/output error")

func (broken) ReadAt(p []byte, off int64) (int, error) { return 0, errDevice }

// TestErrors: an error of the reader is never taken for the archive's end.
func TestErrors(t *testing.T) {
	if _, err := Read(t.Context(), broken{}, 1000, Limits{}); !errors.Is(err, errDevice) {
		t.Errorf("%v", err)
	}
	data := newc(reg("a", "1"))
	if _, err := Read(t.Context(), bytes.NewReader(data), int64(len(data))+100_000, Limits{}); err == nil {
		t.Error("a file that is shorter than its size gives no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Read(ctx, bytes.NewReader(data), int64(len(data)), Limits{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

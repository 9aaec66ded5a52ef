//go:build integration

package preflight

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"migimg/blockmap"
	"migimg/blockmap/all"
	"migimg/blockmap/ptable"
	"migimg/internal/need"
	"migimg/preflight/facts"
	"migimg/preflight/guestfs"
)

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// unpack writes a guest to a folder, with owners and modes.
func unpack(t *testing.T, tree fstest.MapFS, dir string) {
	t.Helper()
	if err := os.CopyFS(dir, tree); err != nil {
		t.Fatal(err)
	}
	for name, f := range tree {
		p := filepath.Join(dir, name)
		if a, ok := f.Sys.(*guestfs.Attr); ok {
			if err := os.Lchown(p, int(a.UID), int(a.GID)); err != nil {
				t.Fatal(err)
			}
		}
		if f.Mode&fs.ModeSymlink == 0 {
			if err := os.Chmod(p, f.Mode.Perm()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// place puts a filesystem image into a disk at an offset in MiB.
func place(t *testing.T, part, disk, mib string) {
	t.Helper()
	run(t, "dd", "if="+part, "of="+disk, "bs=1M", "seek="+mib, "conv=notrunc,sparse", "status=none")
}

func sfdisk(t *testing.T, disk, script string) {
	t.Helper()
	c := exec.Command("sfdisk", "-q", disk)
	c.Stdin = strings.NewReader(script)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk: %v\n%s", err, out)
	}
}

// open scans a disk image as the program does.
func open(t *testing.T, disk string) Source {
	t.Helper()
	f, err := os.Open(disk)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	fi, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	v := blockmap.Bytes(f, fi.Size(), 0)
	m, tree, err := blockmap.Scan(context.Background(), v, all.Scanners(), blockmap.ScanOptions{Still: func(string) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	table, err := ptable.Read(v)
	if err != nil {
		t.Fatal(err)
	}
	return Source{Device: "disk", Image: true, Size: fi.Size(), Table: table, Volumes: tree, View: f, RawPath: disk, Carried: m.Bytes(), Consistency: "offline"}
}

func document(t *testing.T, s Source) (*Report, string) {
	t.Helper()
	r, err := Run(context.Background(), s, Options{Targets: []string{"tencent", "kvm"}, Now: func() time.Time { return time.Unix(0, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	if !json.Valid(b.Bytes()) || strings.Contains(b.String(), "SECRET") {
		t.Error("not JSON, or a secret in it")
	}
	return r, b.String()
}

// onlyLive is where a volume is mounted, which a disk that is not cannot say.
var onlyLive = regexp.MustCompile(`,\s*"mounted": \[[^]]*\]`)

// readBy is the message that names the backend.
var readBy = regexp.MustCompile(`"read by %s",\s*"args": \[[^]]*\]`)

// common takes out of a document what says how the guest was read.
func common(doc string) string {
	doc = onlyLive.ReplaceAllString(doc, "")
	doc = readBy.ReplaceAllString(doc, `"read by %s"`)
	for _, w := range []string{`"backend": "ext"`, `"backend": "loop-ro"`, `"backend": "live"`, `"actual": "ext"`, `"actual": "loop-ro"`, `"actual": "live"`,
		`"read by ext"`, `"read by loop-ro"`, `"read by live"`, `"live": true`, `"live": false`} {
		doc = strings.ReplaceAll(doc, w, `"-"`)
	}
	return doc
}

// One guest, read offline without the kernel, offline through the kernel, and
// live: the same document but for the words that say so.
func TestBackendsAgree(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mkfs.ext4", "sfdisk", "mount", "umount", "losetup")
	dir := t.TempDir()
	src := filepath.Join(dir, "tree")
	unpack(t, anyCard(), src)
	part, disk := filepath.Join(dir, "part"), filepath.Join(dir, "disk")
	run(t, "truncate", "-s", "64M", part)
	run(t, "mkfs.ext4", "-q", "-U", rootUUID, "-d", src, part)
	run(t, "truncate", "-s", "66M", disk)
	sfdisk(t, disk, "label: dos\nlabel-id: 0xdeadbeef\nstart=2048, size=131072, type=83, bootable\n")
	f, err := os.OpenFile(disk, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("GRUB "), 0x180); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	place(t, part, disk, "1")

	s := open(t, disk)
	r, plain := document(t, s)
	if r.Source.Backend != "ext" || r.Summary.Verdict != Ready {
		t.Errorf("offline: %s, %s: %s\n%s", r.Source.Backend, r.Summary.Verdict, r.Summary.Headline, plain)
	}

	// A view on which this package's reader fails, and the kernel's does not.
	byKernel := s
	byKernel.View = hideRoot{s.View.(interface {
		ReadAt([]byte, int64) (int, error)
	}), rootInode(t, disk, 1<<20)}
	r, kernel := document(t, byKernel)
	if r.Source.Backend != "loop-ro" {
		t.Errorf("through the kernel: %s", r.Source.Backend)
	}
	if d := cmp.Diff(common(plain), common(kernel)); d != "" {
		t.Errorf("without and with the kernel (-without +with):\n%s", d)
	}

	point := filepath.Join(dir, "mnt")
	if err := os.Mkdir(point, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, "mount", "-o", "loop,ro,noload,offset=1048576,sizelimit=67108864", disk, point)
	defer run(t, "umount", point)
	mounted := s
	mounted.Mounts = []Mount{{Device: "/dev/loop0p1", Partition: "1", Point: point, FSType: "ext4"}}
	r, live := document(t, mounted)
	if r.Source.Backend != "live" {
		t.Errorf("mounted: %s", r.Source.Backend)
	}
	if d := cmp.Diff(common(plain), common(live)); d != "" {
		t.Errorf("offline and mounted (-offline +mounted):\n%s", d)
	}
	leftovers(t, "migimg-guest-")
}

// hideRoot fails where the root directory's inode lies, as a bad sector would.
type hideRoot struct {
	r interface {
		ReadAt([]byte, int64) (int, error)
	}
	at int64
}

func (h hideRoot) ReadAt(p []byte, off int64) (int, error) {
	if off <= h.at && h.at < off+int64(len(p)) {
		return 0, os.ErrInvalid
	}
	return h.r.ReadAt(p, off)
}

// rootInode is where inode 2 of the ext filesystem at byte part of the disk lies
// (Linux, Documentation/filesystems/ext4: super.rst, group_descr.rst).
func rootInode(t *testing.T, disk string, part int64) int64 {
	t.Helper()
	f, err := os.Open(disk)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	u32 := func(off int64) int64 {
		var b [4]byte
		if _, err := f.ReadAt(b[:], part+off); err != nil {
			t.Fatal(err)
		}
		return int64(binary.LittleEndian.Uint32(b[:]))
	}
	size := int64(1024) << u32(1024+24)
	table := u32((u32(1024+20)+1)*size + 8)
	return part + table*size + u32(1024+88)&0xffff // the second of the table
}

// A server as it often is: /boot on ext4, the root on XFS, swap; the tree is put
// together by its fstab.
func TestSeparateBoot(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mkfs.ext4", "mkfs.xfs", "sfdisk", "mount", "umount")
	b, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		t.Fatal(err)
	}
	rootFS := "xfs"
	if !strings.Contains(string(b), "\txfs\n") {
		rootFS = "ext4" // this kernel has no XFS: the rest is tested all the same
	}
	const bootUUID = "22222222-2222-3333-4444-555555555555"
	guest := with(debian(), map[string]*fstest.MapFile{
		"usr/lib/modules/" + kver + "/modules.builtin": text("kernel/fs/xfs/xfs.ko\n"),
		"etc/fstab": text("UUID=" + rootUUID + " / " + rootFS + " defaults 0 1\nUUID=" + bootUUID + " /boot ext4 defaults 0 2\nUUID=33333333-2222-3333-4444-555555555555 none swap sw 0 0\n"),
	})
	rootTree, bootTree := fstest.MapFS{}, fstest.MapFS{}
	for name, f := range guest {
		if in, ok := strings.CutPrefix(name, "boot/"); ok {
			bootTree[in] = f
		} else {
			rootTree[name] = f
		}
	}
	rootTree["boot/README"] = text("nothing is mounted here")
	grub := strings.ReplaceAll(string(guest["boot/grub/grub.cfg"].Data), "linux /boot/", "linux /")
	grub = strings.ReplaceAll(grub, "initrd /boot/", "initrd /")
	grub = strings.ReplaceAll(grub, "--set=root "+rootUUID, "--set=root "+bootUUID)
	bootTree["grub/grub.cfg"] = text(grub)

	dir := t.TempDir()
	unpack(t, rootTree, dir+"/root")
	unpack(t, bootTree, dir+"/boot")
	disk, boot, root, swap := dir+"/disk", dir+"/boot.img", dir+"/root.img", dir+"/swap.img"
	run(t, "truncate", "-s", "32M", boot)
	run(t, "mkfs.ext4", "-q", "-U", bootUUID, "-d", dir+"/boot", boot)
	run(t, "truncate", "-s", "320M", root)
	if rootFS == "xfs" {
		run(t, "mkfs.xfs", "-q", "-m", "uuid="+rootUUID, root)
		mnt := dir + "/mnt"
		if err := os.Mkdir(mnt, 0o755); err != nil {
			t.Fatal(err)
		}
		run(t, "mount", "-o", "loop", root, mnt)
		run(t, "cp", "-a", dir+"/root/.", mnt)
		run(t, "umount", mnt)
	} else {
		run(t, "mkfs.ext4", "-q", "-U", rootUUID, "-d", dir+"/root", root)
	}
	run(t, "truncate", "-s", "16M", swap)
	run(t, "mkswap", "-q", "-U", "33333333-2222-3333-4444-555555555555", swap)
	run(t, "truncate", "-s", "372M", disk)
	sfdisk(t, disk, "label: gpt\nstart=1MiB, size=1MiB, type=21686148-6449-6E6F-744E-656564454649\nstart=2MiB, size=32MiB, type=L\nstart=34MiB, size=320MiB, type=L\nstart=354MiB, size=16MiB, type=S\n")
	run(t, "sh", "-c", "printf 'GRUB ' | dd of="+disk+" bs=1 seek=384 conv=notrunc status=none") // what starts the BIOS boot partition
	place(t, boot, disk, "2")
	place(t, root, disk, "34")
	place(t, swap, disk, "354")

	r, doc := document(t, open(t, disk))
	for id, want := range map[string]string{
		"boot.root-spec": "pass/blocker", "boot.kernel-files": "pass/blocker", "driver.boot-disk": "pass/blocker", "initramfs.readable": "pass/blocker",
		"mount.fstab-resolves": "pass/blocker", "disk.required-mounts": "pass/blocker", "boot.firmware": "pass/blocker", "meta.coverage": "pass/medium",
	} {
		if got := find(t, r, id, "kvm"); got != want {
			t.Errorf("%s: %s, want %s: %s", id, got, want, summaryOf(r, id, "kvm"))
		}
	}
	if r.Source.Root == nil || r.Source.Root.Volume != "3" {
		t.Errorf("root: %+v", r.Source.Root)
	}
	if t.Failed() {
		t.Log(doc)
	}
	leftovers(t, "migimg-guest-")
}

// Tags and types, against blkid.
func TestVolumesAgainstBlkid(t *testing.T) {
	need.Tool(t, "blkid", "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs", "mkfs.vfat", "mkswap")
	for _, c := range []struct {
		name string
		mkfs []string
	}{
		{"ext2", []string{"mkfs.ext2", "-q", "-L", "label2"}},
		{"ext4", []string{"mkfs.ext4", "-q", "-L", "label4"}},
		{"xfs", []string{"mkfs.xfs", "-q", "-L", "xfslabel"}},
		{"btrfs", []string{"mkfs.btrfs", "-q", "-L", "btrfs label"}},
		{"fat32", []string{"mkfs.vfat", "-F", "32", "-n", "EFI"}},
		{"fat16", []string{"mkfs.vfat", "-F", "16"}},
		{"swap", []string{"mkswap", "-q", "-L", "swaplabel"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			img := filepath.Join(t.TempDir(), "img")
			run(t, "truncate", "-s", "320M", img)
			run(t, c.mkfs[0], append(c.mkfs[1:], img)...)
			s := open(t, img)
			f, err := facts.Gather(context.Background(), s, facts.Options{})
			if err != nil || len(f.Disk.Volumes) != 1 {
				t.Fatalf("%v, %d volumes", err, len(f.Disk.Volumes))
			}
			v := f.Disk.Volumes[0]
			want := map[string]string{}
			for _, line := range strings.Split(run(t, "blkid", "-p", "-o", "export", img), "\n") {
				if k, v, ok := strings.Cut(line, "="); ok {
					want[k] = strings.ReplaceAll(v, `\ `, " ")
				}
			}
			if v.Type != want["TYPE"] || v.UUID != want["UUID"] || v.Label != want["LABEL"] {
				t.Errorf("%s %s %q, blkid %s %s %q", v.Type, v.UUID, v.Label, want["TYPE"], want["UUID"], want["LABEL"])
			}
			if c.name == "ext4" && v.Clean != "clean" {
				t.Errorf("clean: %s", v.Clean)
			}
		})
	}
}

// leftovers waits: a test of another package may have such mounts for a moment.
func leftovers(t *testing.T, what string) {
	t.Helper()
	for range 500 {
		b, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(b), what) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("a mount is left")
}

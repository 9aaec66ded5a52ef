//go:build integration

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"migimg/internal/need"
)

// TestMistakes: what people do wrong, and the words by which they find out what. Each
// message says what it is about, where, and what to do. In the scripts and messages
// DIR is the working directory, DISK a disk with one partition, PART that partition;
// m is an empty directory, full is none, d.img a raw image, and shown is a mount of it.
func TestMistakes(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mkfs.ext4", "sfdisk", "losetup", "partx", "qemu-img", "setpriv", "unshare", "mknod")
	w := newMistakes(t)
	const nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups "
	for _, c := range []struct {
		name, script string
		code         int
		want         string
	}{
		{"not root", nobody + "migimg map DISK", 1,
			"migimg: DISK: permission denied: reading a disk takes root (sudo), or read permission on its device"},
		{"no such device", "migimg mount /dev/nosuch m", 1,
			"migimg: /dev/nosuch: no such file or directory; lsblk lists the disks that there are"},
		{"a device without a medium", "migimg map EMPTY", 1,
			"migimg: EMPTY: is empty (0 bytes): no medium, or a loop device without a file"},
		{"not a disk", "migimg map /dev/null", 1,
			"migimg: /dev/null: is neither a block device nor an image file of a disk"},
		{"an image as device", "migimg mount d.qcow2 m", 1,
			"migimg: d.qcow2: is a qcow2 image, and not a disk: make a raw image of it (qemu-img convert -O raw); to export the file's own bytes, attach it to a loop device (losetup) and name that"},
		{"the disk is in use", "mount PART fs; migimg mount --consistency offline DISK m; code=$?; umount fs; exit $code", 1,
			"migimg: DISK: --consistency offline is impossible: PART mounted rw at DIR/fs; unmount it, remount it read-only, or use --consistency pinned"},
		{"a partition, not the disk", "migimg map PART | sed -n '/is a partition/s/^warning: //p'", 0,
			"PART is a partition: its images have no partition table and no boot loader, and no machine starts from them; to export all of the disk, name it (NAME)"},
		{"wrong order", "migimg mount m d.img", 1,
			"migimg: m is a directory: the DEVICE comes first: migimg mount d.img m"},
		{"no mount point", "migimg mount d.img", 1,
			"migimg: MOUNTPOINT is missing; usage: migimg mount DEVICE... MOUNTPOINT"},
		{"too much", "migimg mount d.img m x", 1,
			"migimg: m is a directory, and no DEVICE: one MOUNTPOINT is named, as the last: migimg mount DEVICE... MOUNTPOINT"},
		{"the mount point is missing", "migimg mount d.img DIR/nosuch", 1,
			"migimg: mount point DIR/nosuch: no such file or directory: make it first (mkdir -p)"},
		{"the mount point is not empty", "migimg mount d.img full", 1,
			"migimg: mount point DIR/full is not empty; name an empty directory"},
		{"the mount point is a link", "migimg mount d.img link", 1,
			"migimg: mount point DIR/link is a symbolic link; name the directory itself"},
		{"the mount point is a file", "migimg mount DISK d.img", 1,
			"migimg: mount point DIR/d.img is not a directory"},
		{"mounted twice", "migimg mount d.img shown", 1,
			"migimg: DIR/shown is a mount of DIR/d.img already; migimg umount DIR/shown ends it"},
		{"no FUSE device", "unshare -m sh -c 'mount --bind d.img /dev/fuse; migimg mount d.img m'", 1,
			"migimg: cannot mount at DIR/m: there is no FUSE here: /dev/fuse: it is no device; load it (modprobe fuse), or write an image without it: migimg export"},
		{"no FUSE in the kernel", "unshare -m sh -c 'mknod f c 10 250; mount --bind f /dev/fuse; migimg mount d.img m'", 1,
			"migimg: cannot mount at DIR/m: there is no FUSE here: /dev/fuse: open /dev/fuse: no such device; load it (modprobe fuse), or write an image without it: migimg export"},
		{"a typo in an option", "migimg mount --consistancy live d.img m", 1,
			"migimg: unknown option --consistancy; did you mean --consistency? (migimg mount --help)"},
		{"an option that there is not", "migimg mount --bogus d.img m", 1,
			"migimg: unknown option --bogus; see migimg mount --help"},
		{"an option behind the arguments", "migimg map d.img --format json | head -c 1", 0,
			"{"},
		{"a typo in a command", "migimg moutn d.img m", 1,
			`migimg: there is no command "moutn"; did you mean mount? migimg --help lists them`},
		{"a typo in a target", "migimg mount --target tencnet d.img m", 1,
			`migimg: --target: there is no target "tencnet"; did you mean tencent?`},
		{"a short typo in a target", "migimg preflight --target kwm d.img", 1,
			`migimg: --target: there is no target "kwm"; did you mean kvm?`},
		{"a typo in a check", "migimg preflight --explain nosuch d.img", 1,
			`migimg: there is no check "nosuch"; migimg preflight -v lists them all`},
		{"a format of text", "migimg map d.img --format yaml", 1,
			"migimg: --format yaml is not one of table, json, ranges"},
		{"a format of images", "migimg export --image-format vmkd d.img x", 1,
			"migimg: --image-format vmkd is not one of raw, qcow2, vhd, vmdk, vhd-fixed, vhdx, vmdk-sparse, vdi, ova, raw.gz, raw.zst, tar, tar.gz"},
		{"a name without a format", "migimg export d.img x.qcow", 1,
			"migimg: x.qcow: its name says no format: end it in .qcow2, .vhd, .vmdk, .raw or the like, or give --image-format"},
		{"a partition that there is not", "migimg map DISK --partitions 1,9", 1,
			"migimg: DISK: there is no partition 9; there are 1"},
		{"the destination is on the source", "mount PART fs; migimg export --consistency live DISK fs/x.qcow2 2>&1 | grep -v warning:; umount fs; ! [ -e fs/x.qcow2 ]", 0,
			"migimg: DIR/fs/x.qcow2 lies on a device that is exported (DIR/fs): write to another disk, or into a pipe"},
		{"no room", "mount -t tmpfs -o size=1M none fs; migimg export big.img fs/x.raw; code=$?; umount fs; exit $code", 1,
			"migimg: write DIR/fs/x.raw: no space left on device; the file is incomplete: go on with --resume, or throw it away"},
		{"a copy that is not there", "migimg verify nosuch.qcow2", 1,
			"migimg: open nosuch.qcow2: no such file or directory"},
		{"verify without a source", "migimg verify d.qcow2 | sed -n 's/^  content *//p'", 0,
			"skip     not compared: no --source and no --manifest given (N bytes of the disk were decoded)"},
		{"no mount", "migimg status m", 1,
			"migimg: DIR/m is no migimg mount; findmnt -t fuse.migimg lists those that there are"},
		{"no mount to end", "migimg umount m", 1,
			"migimg: DIR/m is no migimg mount; findmnt -t fuse.migimg lists those that there are"},
		{"no mount to verify", "migimg verify m", 1,
			"migimg: DIR/m is no migimg mount; findmnt -t fuse.migimg lists those that there are"},
		{"a mount as device", "migimg map shown", 1,
			"migimg: DIR/shown is a mount; its map is DIR/shown/.migimg/map.json"},
		{"another user's mount", nobody + "migimg status DIR/shown", 1,
			"migimg: DIR/shown: permission denied: a mount is its owner's, as a rule root's (sudo)"},
		{"a reader is there", "exec 7<shown/disk.raw; migimg umount shown", 1,
			"migimg: DIR/shown: the mount is busy: files in it are open, or it is somebody's working directory; fuser -vm DIR/shown says who"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, code := w.run(c.script)
			if code != c.code || out != c.want {
				t.Errorf("%s\nends with %d:\n%s\nwant %d:\n%s", c.script, code, out, c.code, c.want)
			}
		})
	}

	// The daemon is killed: the mount stays in the table, and nothing in it can be read.
	if err := syscall.Kill(statusOf(t, w.path("shown")).PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the daemon", func() bool {
		_, err := os.ReadDir(w.path("shown"))
		return errors.Is(err, syscall.ENOTCONN)
	})
	for _, c := range []struct{ script, want string }{
		{"migimg status shown", "migimg: DIR/shown is a mount whose daemon was killed: migimg mount at the same place mounts again, migimg umount DIR/shown removes it"},
		{"migimg verify shown", "migimg: DIR/shown is a mount whose daemon was killed: migimg mount at the same place mounts again, migimg umount DIR/shown removes it"},
		{"migimg preflight shown", "migimg: shown: transport endpoint is not connected: it is a mount whose daemon was killed; migimg umount shown removes it"},
		{"migimg mount d.img shown && migimg umount shown", ""},
	} {
		out, code := w.run(c.script)
		if out != c.want || (code == 0) != (c.want == "") {
			t.Errorf("%s\nends with %d:\n%s\nwant\n%s", c.script, code, out, c.want)
		}
	}
}

// mistakes is where TestMistakes works.
type mistakes struct {
	t                 *testing.T
	dir               string
	disk, part, empty string
}

func newMistakes(t *testing.T) *mistakes {
	w := &mistakes{t: t, dir: tempDir(t)}
	run(t, "sh", "-ec", `cd "$1"; mkdir m full fs; touch full/x; ln -s m link; chmod 755 .
		truncate -s 40M t.img; printf 'label: dos\nstart=2048,size=65536,type=83\n' | sfdisk -q t.img
		truncate -s 32M part; mkfs.ext4 -q part; dd if=part of=t.img bs=1M seek=1 conv=notrunc,sparse status=none
		truncate -s 8M d.img; mkfs.ext4 -q d.img; qemu-img convert -f raw -O qcow2 d.img d.qcow2`, "sh", w.dir)
	w.disk = loop(t, w.path("t.img"))
	run(t, "partx", "-a", w.disk)
	t.Cleanup(func() { _ = exec.Command("partx", "-d", w.disk).Run() })
	w.part = w.disk + "p1"
	t.Cleanup(func() { _ = exec.Command("umount", "-q", "-l", w.path("fs")).Run() })
	garbage(t, w.path("big.img"), 4<<20)
	run(t, "truncate", "-s", "0", w.path("empty.img"))
	w.empty = loop(t, w.path("empty.img"))
	shown := w.path("shown")
	if err := os.Mkdir(shown, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, program, "mount", w.path("d.img"), shown)
	t.Cleanup(func() { _ = exec.Command("umount", "-q", "-l", shown).Run() })
	return w
}

func (w *mistakes) path(name string) string { return filepath.Join(w.dir, name) }

var digits = regexp.MustCompile(`\(\d\d+ bytes`)

// run runs a script and returns what it printed, with the names of its places for
// those of this run.
func (w *mistakes) run(script string) (out string, code int) {
	cmd := exec.Command("bash", "-c", strings.NewReplacer("DIR", w.dir, "DISK", w.disk, "PART", w.part, "EMPTY", w.empty).Replace(script))
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"))
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	if err := cmd.Run(); err != nil {
		var ee *exec.ExitError
		if !asExit(err, &ee) {
			w.t.Fatal(err)
		}
		code = ee.ExitCode()
	}
	out = strings.NewReplacer(w.dir, "DIR", w.part, "PART", w.disk, "DISK", w.empty, "EMPTY", "("+filepath.Base(w.disk)+")", "(NAME)").Replace(b.String())
	return strings.TrimSpace(digits.ReplaceAllString(out, "(N bytes")), code
}

//go:build integration

package preflight

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"migimg/internal/need"
)

// part makes a file of a size in MiB.
func part(t *testing.T, dir, name string, mib int64) string {
	t.Helper()
	p := filepath.Join(dir, name)
	if err := os.WriteFile(p, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(p, mib<<20); err != nil {
		t.Fatal(err)
	}
	return p
}

// wants compares the checks of a document, as "status/severity" for kvm.
func wants(t *testing.T, r *Report, want map[string]string) {
	t.Helper()
	for id, w := range want {
		if got := find(t, r, id, "kvm"); got != w {
			t.Errorf("%s: %s, want %s: %s", id, got, w, summaryOf(r, id, "kvm"))
		}
	}
}

// A disk with a system, an encrypted data partition and swap behind it, made by
// their own tools and read offline.
func TestStackDisk(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mkfs.ext4", "mkswap", "cryptsetup", "sfdisk", "blkid")
	dir := t.TempDir()
	disk := part(t, dir, "disk", 220)
	sfdisk(t, disk, "label: dos\n1M,128M,L,*\n129M,48M,L\n177M,16M,S\n193M,16M,L\n")
	luks := part(t, dir, "luks", 48)
	c := exec.Command("cryptsetup", "luksFormat", "-q", "--type", "luks2", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-file", "-", luks)
	c.Stdin = strings.NewReader("SECRET")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("cryptsetup: %v\n%s", err, out)
	}
	uuid := run(t, "cryptsetup", "luksUUID", luks)
	swap := part(t, dir, "swap", 16)
	run(t, "mkswap", "-U", "33333333-2222-3333-4444-555555555555", swap)
	twin := part(t, dir, "twin", 16)
	run(t, "mkfs.ext4", "-q", "-F", "-U", rootUUID, twin)
	tree := filepath.Join(dir, "tree")
	unpack(t, with(debian(), map[string]*fstest.MapFile{
		"etc/fstab":                         text("UUID=" + rootUUID + " / ext4 defaults 0 1\nUUID=33333333-2222-3333-4444-555555555555 none swap sw 0 0\n/dev/mapper/data /srv ext4 defaults 0 2\n"),
		"etc/crypttab":                      text("data UUID=" + uuid + " none luks\n"),
		"etc/initramfs-tools/conf.d/resume": text("RESUME=UUID=33333333-2222-3333-4444-555555555555\n"),
	}), tree)
	root := part(t, dir, "root", 128)
	run(t, "mkfs.ext4", "-q", "-F", "-U", rootUUID, "-d", tree, root)
	place(t, root, disk, "1")
	place(t, luks, disk, "129")
	place(t, swap, disk, "177")
	place(t, twin, disk, "193")
	r, _ := document(t, open(t, disk))
	wants(t, r, map[string]string{"disk.luks": "warn/high", "mount.crypttab": "pass/high", "disk.swap": "pass/medium", "disk.growable": "warn/low",
		"fs.space": "pass/medium", "fs.ambiguous-ids": "fail/high", "fs.live-consistency": "pass/high"})
}

// btrfs subvolumes that fstab names, there and not.
func TestStackSubvolumes(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mkfs.btrfs", "btrfs", "mount", "sfdisk")
	dir := t.TempDir()
	for name, c := range map[string]struct{ second, want string }{"there": {"@home", "pass/high"}, "missing": {"@data", "fail/high"}} {
		disk, fs, mnt := part(t, dir, name, 280), part(t, dir, name+".fs", 256), filepath.Join(dir, name+".mnt")
		sfdisk(t, disk, "label: dos\n1M,256M,L,*\n")
		run(t, "mkfs.btrfs", "-q", "-U", rootUUID, fs)
		if err := os.Mkdir(mnt, 0o700); err != nil {
			t.Fatal(err)
		}
		run(t, "mount", "-o", "loop", fs, mnt)
		_, err := exec.Command("btrfs", "subvolume", "create", filepath.Join(mnt, "@")).CombinedOutput()
		_, err2 := exec.Command("btrfs", "subvolume", "create", filepath.Join(mnt, "@home")).CombinedOutput()
		func() {
			defer func() { run(t, "umount", mnt) }()
			unpack(t, with(debian(), map[string]*fstest.MapFile{
				"etc/fstab": text("UUID=" + rootUUID + " / btrfs subvol=@ 0 0\nUUID=" + rootUUID + " /home btrfs subvol=/" + c.second + " 0 0\n"),
			}), filepath.Join(mnt, "@"))
		}()
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		place(t, fs, disk, "1")
		r, _ := document(t, open(t, disk))
		wants(t, r, map[string]string{"mount.units": c.want})
	}
}

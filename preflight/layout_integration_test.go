//go:build integration

package preflight

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/fstest"

	"migimg/internal/need"
)

// UEFI: the loader's first file lies on a FAT32 that nobody has mounted.
func TestUEFI(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mkfs.ext4", "mkfs.vfat", "mmd", "mcopy", "sfdisk")
	dir := t.TempDir()
	guest := with(debian(), map[string]*fstest.MapFile{
		"etc/fstab":       text("UUID=" + rootUUID + " / ext4 defaults 0 1\nUUID=ABCD-1234 /boot/efi vfat umask=0077 0 1\n"),
		"boot/efi/README": text("nothing is mounted here"),
	})
	unpack(t, guest, dir+"/tree")
	root, esp, disk, stub := dir+"/root.img", dir+"/esp.img", dir+"/disk", dir+"/grub.cfg"
	run(t, "truncate", "-s", "64M", root, esp)
	run(t, "mkfs.ext4", "-q", "-U", rootUUID, "-d", dir+"/tree", root)
	run(t, "mkfs.vfat", "-F", "32", "-i", "ABCD1234", esp)
	if err := os.WriteFile(stub, []byte("search.fs_uuid "+rootUUID+" root\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	loader := dir + "/grubx64.efi"
	if err := os.WriteFile(loader, program("grub").Data, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "mmd", "-i", esp, "::EFI", "::EFI/debian", "::EFI/boot")
	run(t, "mcopy", "-i", esp, loader, "::EFI/debian/grubx64.efi")
	run(t, "mcopy", "-i", esp, loader, "::EFI/boot/bootx64.efi")
	run(t, "mcopy", "-i", esp, stub, "::EFI/debian/grub.cfg")
	run(t, "truncate", "-s", "130M", disk)
	sfdisk(t, disk, "label: gpt\nstart=1MiB, size=64MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B\nstart=65MiB, size=64MiB, type=L\n")
	place(t, esp, disk, "1")
	place(t, root, disk, "65")
	r, doc := document(t, open(t, disk))
	for id, want := range map[string]string{
		"boot.firmware": "pass/blocker", "boot.esp-fallback": "pass/blocker", "boot.loader-present": "pass/blocker", "boot.root-spec": "pass/blocker", "boot.kernel-files": "pass/blocker", "driver.boot-disk": "pass/blocker",
		"mount.fstab-resolves": "pass/blocker", "meta.coverage": "pass/medium",
	} {
		if got := find(t, r, id, "kvm"); got != want {
			t.Errorf("%s: %s, want %s: %s", id, got, want, summaryOf(r, id, "kvm"))
		}
	}
	if got := find(t, r, "boot.firmware", "tencent"); got != "warn/medium" || r.OS.Firmware != "uefi" {
		t.Errorf("tencent: %s, firmware %s", got, r.OS.Firmware)
	}
	if t.Failed() {
		t.Log(doc)
	}
}

// Btrfs as Ubuntu lays it out: the system in the subvolume @.
func TestBtrfsSubvolumes(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mkfs.btrfs", "btrfs", "sfdisk", "mount", "umount")
	dir := t.TempDir()
	guest := with(debian(), map[string]*fstest.MapFile{
		"etc/fstab": text("UUID=" + rootUUID + " / btrfs defaults,subvol=@ 0 1\nUUID=" + rootUUID + " /var/lib/cloud btrfs defaults,subvol=@cloud 0 2\n"),
		"usr/lib/modules/" + kver + "/modules.builtin": text("kernel/fs/btrfs/btrfs.ko\n"),
	})
	grub := strings.ReplaceAll(string(guest["boot/grub/grub.cfg"].Data), " /boot/", " /@/boot/")
	guest["boot/grub/grub.cfg"] = text(grub)
	unpack(t, guest, dir+"/tree")
	part, disk, mnt := dir+"/part", dir+"/disk", dir+"/mnt"
	run(t, "truncate", "-s", "256M", part)
	run(t, "mkfs.btrfs", "-q", "-U", rootUUID, part)
	if err := os.Mkdir(mnt, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "btrfs", "-o", "loop", part, mnt).CombinedOutput(); err != nil {
		t.Logf("this kernel has no btrfs: %s", out)
		return
	}
	run(t, "btrfs", "subvolume", "create", mnt+"/@")
	run(t, "btrfs", "subvolume", "create", mnt+"/@cloud")
	run(t, "cp", "-a", dir+"/tree/.", mnt+"/@")
	run(t, "mkdir", "-p", mnt+"/@cloud/seed/nocloud", mnt+"/@/var/lib/cloud")
	run(t, "touch", mnt+"/@cloud/seed/nocloud/user-data", mnt+"/@cloud/seed/nocloud/meta-data")
	run(t, "umount", mnt)
	run(t, "truncate", "-s", "258M", disk)
	sfdisk(t, disk, "label: dos\nstart=2048, size=524288, type=83, bootable\n")
	place(t, part, disk, "1")
	r, doc := document(t, open(t, disk))
	for id, want := range map[string]string{
		"boot.root-spec": "pass/blocker", "mount.fstab-resolves": "pass/blocker", "meta.coverage": "pass/medium",
		"cloudinit.datasource": "fail/high", // the seed in the other subvolume was seen
	} {
		if got := find(t, r, id, "tencent"); got != want {
			t.Errorf("%s: %s, want %s: %s", id, got, want, summaryOf(r, id, "tencent"))
		}
	}
	if t.Failed() {
		t.Log(doc)
	}
	leftovers(t, "migimg-guest-")
}

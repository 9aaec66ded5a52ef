package preflight

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"migimg/blockmap"
	"migimg/blockmap/ptable"
	"migimg/preflight/facts/efi/efitest"
)

const espGUID, linuxGUID, rootGUID = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "0fc63daf-8483-4772-8e79-3d69d8477de4", "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"

// uefi is a disk with an EFI system partition, which the guest mounts at
// /boot/efi, and an empty boot sector.
func uefi(rootType string) Source {
	s := disk()
	s.View = bytes.NewReader(make([]byte, 4<<20))
	s.Table = &ptable.Table{Kind: ptable.KindGPT, SectorSize: 512, ID: "x", GPT: &ptable.Headers{PrimaryOK: true, BackupOK: true}, Partitions: []ptable.Partition{
		{Number: 1, Start: 1 << 20, Size: 1 << 30, Type: rootType, UUID: "aaaa"}, {Number: 2, Start: 2 << 30, Size: 64 << 20, Type: espGUID, UUID: "bbbb"}}}
	s.Volumes.Type = "gpt"
	s.Volumes.Children = append(s.Volumes.Children, &blockmap.VolumeInfo{Report: blockmap.Report{Type: "vfat", UUID: "ABCD-1234"}, Name: "2", Start: 2 << 20, Size: 1 << 20})
	return s
}

// program is an EFI program that names itself in .sbat.
func program(name string) *fstest.MapFile {
	return &fstest.MapFile{Data: efitest.Program(efitest.Section{Name: ".sbat", Data: "sbat,1,x\n" + name + ",1,x\n"})}
}

// onESP is the ready guest with files on its EFI system partition.
func onESP(files map[string]*fstest.MapFile) fstest.MapFS {
	m := with(debian(), map[string]*fstest.MapFile{"etc/fstab": text("UUID=" + rootUUID + " / ext4 defaults 0 1\nUUID=ABCD-1234 /boot/efi vfat umask=0077 0 1\n"),
		"boot/efi": {Mode: 0o755 | 1<<31}})
	for k, v := range files {
		m["boot/efi/"+k] = v
	}
	return m
}

// compareChecks judges a guest for kvm.
func compareChecks(t *testing.T, s Source, tree fstest.MapFS, want map[string]string) {
	t.Helper()
	r := judge(t, s, tree, "kvm")
	for id, w := range want {
		if got := find(t, r, id, "kvm"); got != w {
			t.Errorf("%s: %s, want %s: %s", id, got, w, summaryOf(r, id, "kvm"))
		}
	}
}

func TestUEFIChecks(t *testing.T) {
	type m = map[string]*fstest.MapFile
	for _, c := range []struct {
		name  string
		files m
		want  map[string]string
	}{
		{"fallback is there", m{"EFI/BOOT/BOOTX64.EFI": program("shim"), "EFI/BOOT/grubx64.efi": program("grub")},
			map[string]string{"boot.firmware": "pass/blocker", "boot.esp-fallback": "pass/blocker", "boot.loader-present": "pass/blocker", "boot.secure-boot": "warn/low"}},
		{"in small letters", m{"efi/boot/bootx64.efi": program("grub")}, map[string]string{"boot.esp-fallback": "pass/blocker"}},
		{"the distribution's only", m{"EFI/debian/shimx64.efi": program("shim"), "EFI/debian/grubx64.efi": program("grub")},
			map[string]string{"boot.firmware": "pass/blocker", "boot.esp-fallback": "fail/blocker", "boot.loader-present": "pass/blocker"}},
		{"of another processor", m{"EFI/BOOT/BOOTAA64.EFI": program("grub")}, map[string]string{"boot.esp-fallback": "fail/blocker"}},
		{"no program", m{"EFI/BOOT/BOOTX64.EFI": text("#!/bin/sh\n")}, map[string]string{"boot.esp-fallback": "fail/blocker"}},
		{"shim alone", m{"EFI/BOOT/BOOTX64.EFI": program("shim")}, map[string]string{"boot.esp-fallback": "fail/high"}},
		{"shim with fallback", m{"EFI/BOOT/BOOTX64.EFI": program("shim"), "EFI/BOOT/fbx64.efi": program("shim")}, map[string]string{"boot.esp-fallback": "pass/blocker"}},
		{"empty", m{"README": text("")}, map[string]string{"boot.firmware": "fail/blocker", "boot.loader-present": "fail/blocker", "boot.esp-fallback": "skip/blocker"}},
	} {
		t.Run(c.name, func(t *testing.T) { compareChecks(t, uefi(linuxGUID), onESP(c.files), c.want) })
	}
	t.Run("not to be read", func(t *testing.T) {
		tree := onESP(nil)
		tree["etc/fstab"] = text("UUID=" + rootUUID + " / ext4 defaults 0 1\n")
		compareChecks(t, uefi(linuxGUID), tree, map[string]string{"boot.firmware": "pass/blocker", "boot.esp-fallback": "unknown/blocker", "boot.loader-present": "unknown/blocker"})
	})
}

// A disk for both firmwares, of which one has nothing to start any more.
func TestBothFirmwares(t *testing.T) {
	grub := func(core string) Source {
		s := uefi(linuxGUID)
		b := make([]byte, 4<<20)
		copy(b, "\xeb\x63")
		copy(b[0x5c:], "\x01")
		copy(b[0x180:], "GRUB ")
		copy(b[512+0x100:], core)
		s.View = bytes.NewReader(b)
		return s
	}
	loader := map[string]*fstest.MapFile{"EFI/BOOT/BOOTX64.EFI": program("grub")}
	compareChecks(t, grub("Read\x00 Error"), onESP(loader), map[string]string{"boot.firmware": "pass/blocker", "boot.loader-present": "pass/blocker", "boot.esp-fallback": "pass/blocker"})
	compareChecks(t, grub(""), onESP(loader), map[string]string{"boot.firmware": "pass/blocker", "boot.loader-present": "pass/blocker", "boot.esp-fallback": "pass/blocker"})
	compareChecks(t, grub("Read\x00 Error"), onESP(nil), map[string]string{"boot.firmware": "pass/blocker", "boot.loader-present": "pass/blocker", "boot.esp-fallback": "skip/blocker"})
}

// A unified image: kernel, initramfs and command line from one file.
func TestUnifiedChecks(t *testing.T) {
	image := func(cmdline string, initrd *fstest.MapFile) *fstest.MapFile {
		return &fstest.MapFile{Data: efitest.Program(efitest.Section{Name: ".osrel", Data: "ID=debian\nPRETTY_NAME=Debian\n"}, efitest.Section{Name: ".cmdline", Data: cmdline},
			efitest.Section{Name: ".uname", Data: kver}, efitest.Section{Name: ".initrd", Data: string(initrd.Data)}, efitest.Section{Name: ".linux", Data: string(bzImage(kver).Data)})}
	}
	good := cpio("init", "usr/lib/systemd/systemd", ko("virtio"), ko("virtio_ring"), ko("virtio_pci"), ko("virtio_blk"), ko("ext4"))
	for _, c := range []struct {
		name, root string
		image      *fstest.MapFile
		want       map[string]string
	}{
		{"ready", linuxGUID, image("root=UUID="+rootUUID, good), map[string]string{"boot.root-spec": "pass/blocker", "driver.boot-disk": "pass/blocker", "initramfs.readable": "pass/blocker", "boot.kernel-files": "pass/blocker", "kernel.arch": "pass/medium"}},
		{"no driver", linuxGUID, image("root=UUID="+rootUUID, cpio("init", ko("ext4"))), map[string]string{"driver.boot-disk": "fail/blocker"}},
		{"root by its type", rootGUID, image("quiet", good), map[string]string{"boot.root-spec": "pass/blocker"}},
		{"root by no type", linuxGUID, image("quiet", good), map[string]string{"boot.root-spec": "warn/medium"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := onESP(map[string]*fstest.MapFile{"EFI/Linux/debian.efi": c.image, "EFI/BOOT/BOOTX64.EFI": program("systemd-boot"), "EFI/systemd/systemd-bootx64.efi": program("systemd-boot")})
			delete(tree, "boot/grub/grub.cfg")
			compareChecks(t, uefi(c.root), tree, c.want)
		})
	}
}

// Boot sectors: what a BIOS starts.
func TestBootSectors(t *testing.T) {
	sector := func(put map[int]string) []byte {
		b := make([]byte, 512)
		for at, s := range put {
			copy(b[at:], s)
		}
		return b
	}
	grub := sector(map[int]string{0: "\xeb\x63", 0x5c: "\x01", 0x180: "GRUB "})
	core := sector(map[int]string{0x100: "loading", 0x110: "Geom\x00Read\x00 Error\x00"})
	generic := sector(map[int]string{0: "\xfa", 0x100: "Missing operating system"})
	for _, c := range []struct {
		name          string
		first, second []byte
		partition     []byte
		want          string
	}{
		{"GRUB with its core", grub, core, nil, "pass/blocker"},
		{"GRUB without its core", grub, make([]byte, 512), nil, "fail/blocker"},
		{"GRUB with something", grub, sector(map[int]string{0: "x"}), nil, "pass/blocker"},
		{"GRUB of the active partition", generic, append(make([]byte, 512), core...), sector(map[int]string{0: "\xeb\x48", 0x180: "GRUB ", 0x44: "\x02"}), "pass/blocker"},
		{"nothing in the active partition", generic, nil, make([]byte, 512), "fail/blocker"},
		{"syslinux", generic, nil, sector(map[int]string{3: "EXTLINUX"}), "pass/blocker"},
		{"LILO", sector(map[int]string{6: "LILO"}), nil, nil, "warn/high"},
		{"unknown code", sector(map[int]string{0: "\xfa\xfb\xfc"}), nil, make([]byte, 512), "unknown/blocker"},
		{"unknown code before GRUB", sector(map[int]string{0: "\xfa\xfb\xfc"}), nil, sector(map[int]string{0: "\xeb\x63", 0x180: "GRUB "}), "pass/blocker"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := make([]byte, 2<<20)
			copy(b, c.first)
			copy(b[512:], c.second)
			copy(b[1<<20:], c.partition)
			s := disk()
			s.View = bytes.NewReader(b)
			compareChecks(t, s, debian(), map[string]string{"boot.loader-present": c.want})
		})
	}
}

// Each row is one thing wrong with the boot chain of the guest that is otherwise
// ready.
func TestBootChecks(t *testing.T) {
	type m = map[string]*fstest.MapFile
	grub := string(debian()["boot/grub/grub.cfg"].Data)
	args := func(a string) m { return m{"boot/grub/grub.cfg": text(strings.ReplaceAll(grub, " ro ", " ro "+a+" "))} }
	initrd := "boot/initrd.img-" + kver
	drivers := []string{"init", ko("virtio"), ko("virtio_ring"), ko("virtio_pci"), ko("virtio_blk"), ko("ext4")}
	with2 := func(a, b m) m {
		for k, v := range b {
			a[k] = v
		}
		return a
	}
	holding := func(path, content string) m {
		return m{initrd: archive(append([][2]string{{path, content}}, empty(drivers)...)...)}
	}
	modules := "usr/lib/modules/" + kver + "/"
	for _, c := range []struct {
		name, check, want string
		change            m
	}{
		{"resume of nothing", "boot.cmdline", "fail/medium", args("resume=UUID=99999999-2222-3333-4444-555555555555")},
		{"resume by name", "boot.cmdline", "fail/medium", args("resume=/dev/sdz9")},
		{"no LVM", "boot.cmdline", "fail/high", args("rd.lvm.lv=vg/root")},
		{"no LUKS", "boot.cmdline", "fail/high", args("rd.luks.uuid=luks-1234")},
		{"single", "boot.cmdline", "fail/high", args("single")},
		{"rescue", "boot.cmdline", "fail/high", args("systemd.unit=rescue.target")},
		{"shell", "boot.cmdline", "fail/high", args("init=/bin/bash")},
		{"systemd", "boot.cmdline", "pass/high", args("init=/usr/lib/systemd/systemd")},
		{"memory", "boot.cmdline", "warn/medium", args("mem=2G")},
		{"no ACPI", "boot.cmdline", "warn/medium", args("acpi=off")},
		{"static address", "boot.cmdline", "warn/high", args("ip=10.0.0.5::10.0.0.1:255.255.255.0::eth0:none")},
		{"a data source", "boot.cmdline", "warn/medium", args("ds=nocloud;s=/x")},
		{"usual arguments", "boot.cmdline", "pass/high", args("quiet splash net.ifnames=0 apparmor=1 security=apparmor nomodeset")},
		{"no console", "boot.console", "warn/info", m{"boot/grub/grub.cfg": text(strings.ReplaceAll(grub, "console=ttyS0,115200", ""))}},
		{"console first", "boot.console", "warn/info", m{"boot/grub/grub.cfg": text(strings.ReplaceAll(grub, "console=tty0 console=ttyS0,115200", "console=ttyS0 console=tty0"))}},
		{"console of Xen", "boot.console", "warn/medium", args("console=hvc0")},

		{"quotes", "boot.grub-defaults", "warn/medium", m{"etc/default/grub": text("GRUB_CMDLINE_LINUX=\"a b\nX=1\n")}},
		{"blanks", "boot.grub-defaults", "warn/medium", m{"etc/default/grub": text("GRUB_DISTRIBUTOR=a b\n")}},
		{"waits", "boot.grub-defaults", "warn/medium", m{"etc/default/grub": text("GRUB_TIMEOUT=-1\n")}},
		{"drift", "boot.grub-defaults", "warn/low", m{"etc/default/grub": text("GRUB_CMDLINE_LINUX=\"console=tty0 console=ttyS0,115200 nosmt\"\n")}},
		{"no drift", "boot.grub-defaults", "pass/medium", m{"etc/default/grub": text("GRUB_CMDLINE_LINUX=\"console=tty0\"\n"), "etc/default/grub.d/50.cfg": text("GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX console=ttyS0,115200\"\n")}},
		{"not to be known", "boot.grub-defaults", "pass/medium", m{"etc/default/grub": text("GRUB_DISTRIBUTOR=`lsb_release -i -s 2> /dev/null || echo Debian`\nGRUB_CMDLINE_LINUX=\"$(cat /x)\"\n")}},
		{"short grubenv", "boot.grub-defaults", "warn/low", m{"boot/grub/grubenv": text("# GRUB Environment Block\n")}},
		{"broken grubenv", "boot.grub-defaults", "warn/medium", m{"boot/grub/grubenv": text("x")}},
		{"a password", "boot.grub-defaults", "warn/info", m{"boot/grub/grub.cfg": text("password_pbkdf2 root grub.pbkdf2.sha512.10000.SECRET\n" + grub)}},

		{"debconf by id", "boot.grub-install-device", "warn/medium", m{"var/lib/dpkg/info/grub-pc.list": text(""), "var/cache/debconf/config.dat": text("Name: a/b\nValue: x\n\nName: grub-pc/install_devices\nTemplate: grub-pc/install_devices\nValue: /dev/disk/by-id/ata-X\nOwners: grub-pc\n")}},
		{"debconf by name", "boot.grub-install-device", "warn/medium", m{"var/lib/dpkg/info/grub-pc.list": text(""), "var/cache/debconf/config.dat": text("Name: grub-pc/install_devices\nValue: /dev/nvme0n1\n")}},
		{"debconf by the target's name", "boot.grub-install-device", "pass/medium", m{"var/lib/dpkg/info/grub-pc.list": text(""), "var/cache/debconf/config.dat": text("Name: grub-pc/install_devices\nValue: /dev/vda\n")}},
		{"debconf without grub-pc", "boot.grub-install-device", "skip/medium", m{"var/cache/debconf/config.dat": text("Name: grub-pc/install_devices\nValue: /dev/nvme0n1\n")}},
		{"device.map", "boot.grub-install-device", "warn/low", m{"boot/grub/device.map": text("(hd0)\t/dev/disk/by-id/ata-X\n")}},

		{"Xen's kernel", "boot.default-kernel", "fail/blocker", m{"boot/config-" + kver: text("CONFIG_X86_64_XEN=y\n")}},
		{"an older default", "boot.default-kernel", "warn/low", m{"usr/lib/modules/6.9.0-test-amd64/modules.dep": text("kernel/a.ko:\n"), "boot/vmlinuz-6.9.0-test-amd64": text("x")}},
		{"a better kernel", "boot.default-kernel", "warn/medium", m{modules + "modules.dep": text("kernel/fs/ext4.ko:\n"), "usr/lib/modules/6.0.0/modules.dep": text("kernel/virtio_pci.ko:\nkernel/virtio_blk.ko:\n"), "boot/vmlinuz-6.0.0": text("x")}},

		{"FIPS without a checksum", "boot.fips", "warn/high", args("fips=1")},
		{"FIPS", "boot.fips", "pass/high", with2(args("fips=1"), m{"boot/.vmlinuz-" + kver + ".hmac": text("x")})},
		{"FIPS and /boot", "boot.fips", "fail/high", with2(args("fips=1"), m{"etc/fstab": text("UUID=" + rootUUID + " / ext4 defaults 0 1\nLABEL=root /boot ext4 defaults 0 1\n"), "boot/.vmlinuz-" + kver + ".hmac": text("x")})},
		{"dump memory", "boot.crashkernel", "pass/low", args("crashkernel=256M")},
		{"dump memory auto", "boot.crashkernel", "warn/low", args("crashkernel=auto")},
		{"dumps elsewhere", "boot.crashkernel", "fail/low", with2(args("crashkernel=256M"), m{"etc/kdump.conf": text("#x\next4 UUID=99999999-2222-3333-4444-555555555555\n")})},

		{"blacklist in the initramfs", "driver.blacklist", "fail/blocker", holding("etc/modprobe.d/x.conf", "blacklist virtio_blk\n")},
		{"blacklist of what nothing asks for", "driver.blacklist", "pass/blocker", holding("etc/modprobe.d/x.conf", "blacklist floppy\n")},
		{"blacklist of a dependency", "driver.blacklist", "pass/blocker", holding("etc/modprobe.d/x.conf", "blacklist virtio_ring\n")},
		{"install of a dependency", "driver.blacklist", "fail/blocker", holding("etc/modprobe.d/x.conf", "install virtio_ring /bin/false\n")},
		{"install of something", "driver.blacklist", "unknown/blocker", holding("etc/modprobe.d/x.conf", "install virtio_blk /sbin/special\n")},
		{"blacklist in the system", "driver.blacklist", "warn/medium", m{"etc/modprobe.d/x.conf": text("# x\nblacklist virtio-blk\n")}},
		{"blacklist overridden", "driver.blacklist", "pass/blocker", m{"usr/lib/modprobe.d/x.conf": text("blacklist virtio-blk\n"), "etc/modprobe.d/x.conf": link("/dev/null")}},
		{"blacklist in a copy", "driver.blacklist", "pass/blocker", m{"etc/modprobe.d/x.conf.rpmsave": text("blacklist virtio-blk\n")}},
		{"blacklist by argument", "driver.blacklist", "fail/blocker", args("modprobe.blacklist=floppy,virtio_blk")},
		{"blacklist by dracut's argument", "driver.blacklist", "pass/blocker", args("rd.driver.blacklist=nouveau")},
		{"forbidden dependency", "driver.blacklist", "fail/blocker", args("module_blacklist=virtio_ring")},
		{"network card", "driver.blacklist", "fail/high", m{"etc/modprobe.d/x.conf": text("install virtio_net /bin/true\n")}},
		{"old aliases", "driver.blacklist", "warn/medium", m{"etc/modprobe.conf": text("alias eth0 e1000\nalias scsi_hostadapter mptspi\n")}},
		{"blacklist of what is built in", "driver.blacklist", "pass/blocker", with2(args("modprobe.blacklist=virtio_blk"), m{modules + "modules.builtin": text("kernel/drivers/virtio_blk.ko\nkernel/drivers/virtio_pci.ko\n"), initrd: cpio("init", ko("ext4"))})},
		{"blacklist of what is forced", "driver.blacklist", "unknown/blocker", m{initrd: archive(append([][2]string{{"etc/modprobe.d/x.conf", "blacklist virtio_blk\n"}, {"conf/modules", "virtio_blk\n"}}, empty(drivers)...)...)}},

		{"another root inside", "initramfs.root-stack", "pass/high", holding("etc/cmdline.d/a.conf", "root=UUID=99999999-2222-3333-4444-555555555555\n")},
		{"another LVM inside", "initramfs.root-stack", "fail/high", holding("etc/cmdline.d/a.conf", " rd.lvm.lv=vg/x\n")},
		{"another swap inside", "initramfs.root-stack", "fail/low", holding("conf/conf.d/resume", "RESUME=UUID=99999999-2222-3333-4444-555555555555\n")},
		{"no swap inside", "initramfs.root-stack", "pass/high", holding("conf/conf.d/resume", "RESUME=none\n")},
		{"root on LVM", "initramfs.root-stack", "fail/high", m{"boot/grub/grub.cfg": text(strings.ReplaceAll(grub, "root=UUID="+rootUUID, "root=/dev/mapper/vg-root")), initrd: cpio(append(drivers, "scripts/functions")...)}},
		{"cut short", "initramfs.readable", "fail/blocker", m{initrd: text(string(cpio(drivers...).Data[:300]))}},
		{"compression that is off", "initramfs.readable", "fail/blocker", m{"boot/config-" + kver: text("# CONFIG_RD_CPIO is not set\n")}},

		{"DKMS", "kernel.third-party-modules", "warn/low", m{"var/lib/dkms/nvidia/525/x": text("")}},
		{"a driver of its own", "kernel.third-party-modules", "warn/medium", m{modules + "modules.dep": text(string(debian()[modules+"modules.dep"].Data) + "updates/dkms/virtio_net.ko:\n")}},
		{"modules of hardware", "kernel.third-party-modules", "warn/low", m{"etc/modules": text("# comment\nnct6775\n")}},
		{"modules that are there", "kernel.third-party-modules", "pass/low", m{"etc/modules-load.d/a.conf": text("virtio_net\n")}},

		{"32-bit programs", "kernel.arch", "warn/medium", m{"usr/bin/sh": elf(1, 3)}},
		{"64-bit programs", "kernel.arch", "pass/medium", m{"usr/bin/sh": elf(2, 62)}},
		{"programs for any processor", "kernel.cpu-level", "pass/info", m{"usr/bin/sh": elf(2, 62)}},
		{"programs for x86-64-v2", "kernel.cpu-level", "warn/info", m{"usr/bin/sh": elf(2, 62), "etc/os-release": text("ID=rocky\nVERSION_ID=9.4\n")}},
		{"programs for x86-64-v3", "kernel.cpu-level", "warn/info", m{"usr/bin/sh": elf(2, 62), "etc/os-release": text("ID=rhel\nVERSION_ID=10.0\n")}},
		{"a release before x86-64-v2", "kernel.cpu-level", "pass/info", m{"usr/bin/sh": elf(2, 62), "etc/os-release": text("ID=centos\nVERSION_ID=8\n")}},
		{"programs for other processors", "kernel.cpu-level", "skip/info", m{"usr/bin/sh": elf(2, 183), "etc/os-release": text("ID=rhel\nVERSION_ID=9\n")}},
		{"a kernel of its own", "kernel.supported", "warn/low", m{"var/lib/dpkg/info/base-files.list": text("")}},
		{"a kernel of the distribution", "kernel.supported", "pass/high", m{"var/lib/dpkg/info/linux-image-" + kver + ".list": text("")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := judge(t, disk(), with(debian(), c.change), "kvm")
			if got := find(t, r, c.check, "kvm"); got != c.want {
				t.Errorf("%s, want %s: %s", got, c.want, summaryOf(r, c.check, "kvm"))
			}
			var b bytes.Buffer
			if err := r.WriteJSON(&b); err != nil || strings.Contains(b.String(), "SECRET") {
				t.Errorf("the report holds a hash (%v)", err)
			}
		})
	}
}

// elf is the beginning of an ELF file.
func elf(class, machine byte) *fstest.MapFile {
	b := make([]byte, 64)
	copy(b, "\x7fELF")
	b[4], b[5], b[18] = class, 1, machine
	return text(string(b))
}

func empty(names []string) (out [][2]string) {
	for _, n := range names {
		out = append(out, [2]string{n, ""})
	}
	return out
}

// archive is an uncompressed initramfs with files of the given names and contents.
func archive(files ...[2]string) *fstest.MapFile {
	var b bytes.Buffer
	pad := func() { b.Write(make([]byte, -b.Len()&3)) }
	for _, f := range append(files, [2]string{"TRAILER!!!", ""}) {
		fmt.Fprintf(&b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", 1, 0o100755, 0, 0, 1, 0, len(f[1]), 0, 0, 0, 0, len(f[0])+1, 0)
		b.WriteString(f[0] + "\x00")
		pad()
		b.WriteString(f[1])
		pad()
	}
	return text(b.String())
}

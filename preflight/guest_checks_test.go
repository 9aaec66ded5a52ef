package preflight

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"migimg/blockmap"
	"migimg/blockmap/ptable"
	"migimg/internal/golden"
	"migimg/preflight/facts"
	"migimg/preflight/guestfs"
	"migimg/preflight/targets"
)

// disk is an offline disk image: an MBR with one ext4 partition.
func disk() Source {
	boot := make([]byte, 1<<20+8192)
	copy(boot[0x180:], "GRUB ")
	superblock(boot[1<<20+1024:], 1<<19, 1<<18, 1000, 500)
	return Source{
		Device: "disk.img", Image: true, Size: 4 << 30,
		Table: &ptable.Table{Kind: ptable.KindMBR, SectorSize: 512, ID: "deadbeef", Partitions: []ptable.Partition{
			{Number: 1, Start: 1 << 20, Size: 4<<30 - 1<<20, Type: "0x83", UUID: "deadbeef-01", Bootable: true}}},
		Volumes: &blockmap.VolumeInfo{Report: blockmap.Report{Type: "mbr"}, Size: 4 << 30, Children: []*blockmap.VolumeInfo{
			{Report: blockmap.Report{Type: "ext4", UUID: rootUUID, Label: "root"}, Name: "1", Start: 1 << 20, Size: 4<<30 - 1<<20}}},
		View: bytes.NewReader(boot), Carried: 1 << 30, Consistency: "offline",
		Outputs: []OutputInfo{{Format: "qcow2", Path: "disk.qcow2", Size: 1 << 30, VirtualSize: 4 << 30}},
	}
}

// judge runs the checks over a guest in memory.
func judge(t *testing.T, s Source, tree fstest.MapFS, ids ...string) *Report {
	t.Helper()
	ts, err := targets.Load(ids...)
	if err != nil {
		t.Fatal(err)
	}
	g := facts.Guest{Found: true, Backend: "test", Root: "1", RootType: "ext4", RootUUID: rootUUID}
	f, err := facts.GatherFS(context.Background(), s, facts.Options{Modules: modules(ts), Now: time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)}, g, guestfs.Compose(guestfs.FromFS(tree, "test")))
	if err != nil {
		t.Fatal(err)
	}
	r := report(f, ts)
	r.Tool = Tool{Name: "migimg", Version: "test", Catalog: "test"}
	r.GeneratedAt = time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	r.Coverage.Privileges = "root"
	return r
}

// find is a check's status and severity for a target, as "fail/blocker".
func find(t *testing.T, r *Report, id, target string) string {
	t.Helper()
	for _, c := range r.Checks {
		if c.ID == id {
			return c.StatusBy[target] + "/" + c.SeverityBy[target]
		}
	}
	t.Fatalf("no check %s", id)
	return ""
}

func TestReadyGuest(t *testing.T) {
	r := judge(t, disk(), anyCard(), "tencent", "kvm")
	for _, c := range r.Checks {
		for id, s := range c.StatusBy {
			if s != "pass" && s != "skip" && c.SeverityBy[id] != "info" {
				t.Errorf("%s for %s: %s: %s", c.ID, id, s, c.Summary)
			}
		}
	}
	for _, x := range r.Targets {
		if x.Verdict != Ready {
			t.Errorf("%s: %s %v %v %v", x.ID, x.Verdict, x.Blockers, x.Warnings, x.Unknown)
		}
	}
	if t.Failed() {
		var b bytes.Buffer
		_ = r.WriteJSON(&b)
		t.Log(b.String())
	}
}

// Each row is one thing wrong with the guest that is otherwise ready, and what
// has to come of it.
func TestGuestChecks(t *testing.T) {
	grub := string(debian()["boot/grub/grub.cfg"].Data)
	root := func(arg string) *fstest.MapFile { return text(strings.ReplaceAll(grub, "root=UUID="+rootUUID, arg)) }
	fstab := func(lines ...string) *fstest.MapFile { return text(strings.Join(lines, "\n") + "\n") }
	slash := "UUID=" + rootUUID + " / ext4 defaults 0 1"
	initrd := "boot/initrd.img-" + kver
	type m = map[string]*fstest.MapFile
	for _, c := range []struct {
		name, check, tencent, kvm string
		change                    m
	}{
		{"root by device", "boot.root-spec", "fail/blocker", "warn/medium", m{"boot/grub/grub.cfg": root("root=/dev/sda1")}},
		{"root by the target's device", "boot.root-spec", "pass/blocker", "pass/blocker", m{"boot/grub/grub.cfg": root("root=/dev/vda1")}},
		{"root by another UUID", "boot.root-spec", "fail/blocker", "fail/blocker", m{"boot/grub/grub.cfg": root("root=UUID=99999999-2222-3333-4444-555555555555")}},
		{"root by label", "boot.root-spec", "pass/blocker", "pass/blocker", m{"boot/grub/grub.cfg": root("root=LABEL=root")}},
		{"root by PARTUUID", "boot.root-spec", "pass/blocker", "pass/blocker", m{"boot/grub/grub.cfg": root("root=PARTUUID=deadbeef-01")}},
		{"root by path", "boot.root-spec", "fail/blocker", "fail/blocker", m{"boot/grub/grub.cfg": root("root=/dev/disk/by-path/pci-0000:00:1f.2-ata-1-part1")}},
		{"root by LVM", "boot.root-spec", "fail/blocker", "fail/blocker", m{"boot/grub/grub.cfg": root("root=/dev/mapper/vg-root")}},
		{"no root", "boot.root-spec", "warn/medium", "warn/medium", m{"boot/grub/grub.cfg": root("")}},
		{"no boot loader", "boot.root-spec", "unknown/blocker", "unknown/blocker", m{"boot/grub/grub.cfg": nil}},
		{"no kernel", "boot.kernel-files", "fail/blocker", "fail/blocker", m{"boot/vmlinuz-" + kver: nil}},
		{"empty initramfs", "boot.kernel-files", "fail/blocker", "fail/blocker", m{initrd: text("")}},
		{"no initramfs", "boot.kernel-files", "fail/blocker", "fail/blocker", m{initrd: nil}},
		{"no initramfs, drivers", "driver.boot-disk", "unknown/blocker", "unknown/blocker", m{initrd: nil}},
		{"no virtio_blk", "driver.boot-disk", "fail/blocker", "fail/blocker", m{initrd: cpio("init", ko("virtio"), ko("virtio_ring"), ko("virtio_pci"), ko("ext4"))}},
		{"virtio_scsi instead", "driver.boot-disk", "fail/blocker", "pass/blocker", m{initrd: cpio("init", ko("virtio"), ko("virtio_ring"), ko("virtio_pci"), ko("virtio_scsi"), ko("scsi_mod"), ko("sd_mod"), ko("ext4"))}},
		{"no virtio_ring", "driver.boot-disk", "fail/blocker", "fail/blocker", m{initrd: cpio("init", ko("virtio"), ko("virtio_pci"), ko("virtio_blk"), ko("ext4"))}},
		{"no ext4", "driver.boot-disk", "fail/blocker", "fail/blocker", m{initrd: cpio("init", ko("virtio"), ko("virtio_ring"), ko("virtio_pci"), ko("virtio_blk"))}},
		{"built in", "driver.boot-disk", "pass/blocker", "pass/blocker", m{initrd: cpio("init"), "usr/lib/modules/" + kver + "/modules.builtin": text("kernel/drivers/virtio_blk.ko\nkernel/drivers/virtio_pci.ko\nkernel/fs/ext4.ko\n")}},
		{"no virtio_net", "driver.network", "fail/blocker", "fail/high", m{"usr/lib/modules/" + kver + "/modules.dep": text("kernel/drivers/virtio_pci.ko:\n")}},
		{"garbled initramfs", "initramfs.readable", "unknown/blocker", "unknown/blocker", m{initrd: text("this is no archive, whatever it is")}},
		{"garbled initramfs, drivers", "driver.boot-disk", "unknown/blocker", "unknown/blocker", m{initrd: text("this is no archive, whatever it is")}},
		{"initramfs without init", "initramfs.readable", "fail/blocker", "fail/blocker", m{initrd: cpio(ko("virtio_blk"))}},
		{"initramfs of another kernel", "initramfs.readable", "fail/blocker", "fail/blocker", m{initrd: cpio("init", "usr/lib/modules/5.10/kernel/virtio_blk.ko")}},
		{"no folder of modules", "driver.boot-disk", "unknown/blocker", "unknown/blocker", m{"usr/lib/modules/" + kver + "/modules.dep": nil, "usr/lib/modules/" + kver + "/modules.builtin": nil}},

		{"fstab by device", "mount.fstab-device-names", "fail/high", "warn/medium", m{"etc/fstab": fstab("/dev/sda1 / ext4 defaults 0 1")}},
		{"fstab by device, /boot", "mount.fstab-device-names", "fail/blocker", "warn/medium", m{"etc/fstab": fstab(slash, "/dev/sda1 /boot ext4 defaults 0 2")}},
		{"fstab by device, data", "mount.fstab-device-names", "fail/high", "fail/high", m{"etc/fstab": fstab(slash, "/dev/hda3 /data ext4 defaults 0 2")}},
		{"fstab by device, nofail", "mount.fstab-device-names", "warn/low", "warn/low", m{"etc/fstab": fstab(slash, "/dev/hda3 /data ext4 defaults,nofail 0 2")}},
		{"fstab by id", "mount.fstab-device-names", "fail/medium", "fail/medium", m{"etc/fstab": fstab(slash, "/dev/disk/by-id/ata-X-part2 none swap sw 0 0")}},
		{"fstab to another disk", "mount.fstab-resolves", "fail/high", "fail/high", m{"etc/fstab": fstab(slash, "UUID=99999999-0000-0000-0000-000000000000 /data ext4 defaults 0 2")}},
		{"fstab to another disk, nofail", "mount.fstab-resolves", "warn/low", "warn/low", m{"etc/fstab": fstab(slash, "UUID=99999999-0000-0000-0000-000000000000 /data ext4 nofail 0 2")}},
		{"boot on another disk", "disk.required-mounts", "fail/blocker", "fail/blocker", m{"etc/fstab": fstab(slash, "LABEL=boot /boot ext4 defaults 0 2")}},
		{"home on another disk", "disk.required-mounts", "warn/medium", "warn/medium", m{"etc/fstab": fstab(slash, "LABEL=home /home ext4 defaults 0 2")}},
		{"swap on another disk", "disk.required-mounts", "warn/low", "warn/low", m{"etc/fstab": fstab(slash, "LABEL=swap none swap sw 0 0")}},
		{"network mounts", "disk.required-mounts", "pass/blocker", "pass/blocker", m{"etc/fstab": fstab(slash, "nas:/x /mnt nfs defaults 0 0", "tmpfs /tmp tmpfs defaults 0 0")}},
		{"broken fstab", "mount.fstab-syntax", "fail/medium", "fail/medium", m{"etc/fstab": fstab(slash, "UUID=x /data")}},
		{"no fstab", "mount.fstab-syntax", "warn/medium", "warn/medium", m{"etc/fstab": nil}},
		{"fstab with CR", "mount.fstab-syntax", "fail/high", "fail/high", m{"etc/fstab": text(slash + "\r\n")}},
		{"fstab without an end", "mount.fstab-syntax", "warn/low", "warn/low", m{"etc/fstab": text(slash)}},

		{"persistent names", "net.persistent-names", "fail/high", "fail/high", m{"etc/udev/rules.d/70-persistent-net.rules": text("# x\nSUBSYSTEM==\"net\", ACTION==\"add\", DRIVERS==\"?*\", ATTR{address}==\"00:11:22:33:44:55\", NAME=\"eth0\"\n")}},
		{"a rule without a name", "net.persistent-names", "pass/high", "pass/high", m{"etc/udev/rules.d/x.rules": text("SUBSYSTEM==\"net\", ATTR{address}==\"00:11:22:33:44:55\", ENV{X}=\"1\"\n")}},
		{"names of a VMware card", "net.iface-names", "fail/high", "fail/high", m{"etc/cloud/cloud-init.disabled": text(""), "etc/network/interfaces": text("auto ens192\niface ens192 inet dhcp\n")}},
		{"no network at all", "net.iface-names", "fail/high", "fail/high", m{"etc/cloud/cloud-init.disabled": text(""), "etc/network/interfaces": nil}},
		{"any card", "net.iface-names", "pass/high", "pass/high", m{"usr/lib/systemd/system/systemd-networkd.service": text(""), "etc/systemd/system/multi-user.target.wants/systemd-networkd.service": link("/usr/lib/systemd/system/systemd-networkd.service"), "etc/cloud/cloud-init.disabled": text(""), "etc/network/interfaces": nil, "etc/systemd/network/a.network": text("[Match]\nType=ether\n[Network]\nDHCP=yes\n")}},
		{"netplan by MAC", "net.iface-names", "fail/high", "fail/high", m{"usr/sbin/netplan": text(""), "etc/cloud/cloud-init.disabled": text(""), "etc/network/interfaces": nil, "etc/netplan/50.yaml": text("network:\n  version: 2\n  ethernets:\n    a:\n      dhcp4: true\n      match: {macaddress: '00:11:22:33:44:55'}\n      set-name: eth0\n")}},
		{"ifcfg by MAC", "net.iface-names", "fail/high", "fail/high", m{"usr/lib/systemd/system/network.service": text(""), "etc/systemd/system/multi-user.target.wants/network.service": link("/usr/lib/systemd/system/network.service"), "etc/cloud/cloud-init.disabled": text(""), "etc/network/interfaces": nil, "etc/sysconfig/network-scripts/ifcfg-eth0": text("DEVICE=eth0\nHWADDR=00:11:22:33:44:55\nBOOTPROTO=dhcp\nONBOOT=yes\n")}},
		{"ifcfg not at boot", "net.iface-names", "fail/high", "fail/high", m{"usr/lib/systemd/system/network.service": text(""), "etc/systemd/system/multi-user.target.wants/network.service": link("/usr/lib/systemd/system/network.service"), "etc/cloud/cloud-init.disabled": text(""), "etc/network/interfaces": nil, "etc/sysconfig/network-scripts/ifcfg-eth0": text("DEVICE=eth0\nBOOTPROTO=dhcp\nONBOOT=no\n")}},
		{"eth0 without net.ifnames=0", "net.iface-names", "warn/medium", "warn/medium", m{"etc/cloud/cloud-init.disabled": text(""), "etc/network/interfaces": text("auto eth0\niface eth0 inet dhcp\n")}},
		{"eth0 with net.ifnames=0", "net.iface-names", "pass/high", "pass/high", m{"etc/cloud/cloud-init.disabled": text(""), "etc/network/interfaces": text("auto eth0\niface eth0 inet dhcp\n"), "boot/grub/grub.cfg": root("root=UUID=" + rootUUID + " net.ifnames=0 biosdevname=0")}},
		{"NetworkManager", "net.iface-names", "pass/high", "pass/high", m{"etc/cloud/cloud-init.disabled": text(""), "etc/network/interfaces": nil, "usr/lib/systemd/system/NetworkManager.service": text(""), "etc/systemd/system/multi-user.target.wants/NetworkManager.service": link("/usr/lib/systemd/system/NetworkManager.service")}},
		{"NetworkManager of a server", "net.iface-names", "fail/high", "fail/high", m{"etc/cloud/cloud-init.disabled": text(""), "etc/network/interfaces": nil, "usr/lib/systemd/system/NetworkManager.service": text(""), "etc/systemd/system/multi-user.target.wants/NetworkManager.service": link("/usr/lib/systemd/system/NetworkManager.service"), "usr/lib/NetworkManager/conf.d/00-server.conf": text("[main]\nno-auto-default=*\n")}},
		{"networkd by pattern", "net.iface-names", "warn/medium", "warn/medium", m{"usr/lib/systemd/system/systemd-networkd.service": text(""), "etc/systemd/system/multi-user.target.wants/systemd-networkd.service": link("/usr/lib/systemd/system/systemd-networkd.service"), "etc/cloud/cloud-init.disabled": text(""), "etc/network/interfaces": nil, "etc/systemd/network/a.network": text("[Match]\nName=en*\n[Network]\nDHCP=yes\n")}},
		{"static address", "net.addressing", "warn/high", "warn/high", m{"etc/cloud/cloud-init.disabled": text(""), "etc/network/interfaces": text("auto ens3\niface ens3 inet static\n address 10.0.0.5/24\n gateway 10.0.0.1\n")}},
		{"static address under cloud-init", "net.addressing", "warn/low", "warn/high", m{"etc/network/interfaces": text("auto ens3\niface ens3 inet static\n address 10.0.0.5/24\n gateway 10.0.0.1\n")}},

		{"no shadow", "access.accounts", "fail/high", "fail/high", m{"etc/shadow": nil}},
		{"shadow of a user", "access.accounts", "fail/high", "fail/high", m{"etc/shadow": mode(text("root:*:1::::::\n"), 0o600, 1000, 0)}},
		{"shadow for all to read", "access.accounts", "warn/medium", "warn/medium", m{"etc/shadow": mode(text("root:*:1::::::\n"), 0o644, 0, 0)}},
		{"shadow of mode 0", "access.accounts", "pass/high", "pass/high", m{"etc/shadow": mode(text("root:*:1::::::\nuser:*:1::::::\n"), 0, 0, 0)}},
		{"immutable shadow", "access.accounts", "fail/high", "fail/high", m{"etc/shadow": {Data: []byte("root:*:1::::::\n"), Mode: 0o600, Sys: &guestfs.Attr{Immutable: true}}}},
		{"passwd without an end", "access.accounts", "warn/medium", "warn/medium", m{"etc/passwd": text("root:x:0:0:root:/root:/bin/sh")}},

		{"no cloud-init", "cloudinit.installed", "fail/blocker", "fail/info", m{"usr/bin/cloud-init": nil}},
		{"cloud-init off by file", "cloudinit.enabled", "fail/high", "fail/info", m{"etc/cloud/cloud-init.disabled": text("")}},
		{"cloud-init off by argument", "cloudinit.enabled", "fail/high", "fail/info", m{"boot/grub/grub.cfg": root("root=UUID=" + rootUUID + " cloud-init=disabled")}},
		{"cloud-init masked", "cloudinit.enabled", "fail/high", "fail/info", m{"etc/systemd/system/cloud-init.service": link("/dev/null")}},
		{"the installer's datasource", "cloudinit.datasource", "fail/high", "fail/low", m{"etc/cloud/cloud.cfg.d/99-installer.cfg": text("datasource_list: [None]\n")}},
		{"another cloud's datasource", "cloudinit.datasource", "fail/high", "fail/low", m{"etc/cloud/cloud.cfg.d/95.cfg": text("datasource_list:\n- Ec2\n- None\n")}},
		{"broken cloud.cfg", "cloudinit.datasource", "unknown/high", "unknown/low", m{"etc/cloud/cloud.cfg.d/95.cfg": text("a: [\n")}},
		{"a seed", "cloudinit.datasource", "fail/high", "pass/low", m{"var/lib/cloud/seed/nocloud/user-data": text(""), "var/lib/cloud/seed/nocloud/meta-data": text("")}},

		{"open-vm-tools", "agent.conflicts", "warn/low", "warn/low", m{"usr/bin/vmtoolsd": text("")}},
		{"VMware Tools", "agent.conflicts", "fail/high", "fail/high", m{"usr/bin/vmware-uninstall-tools.pl": text("")}},
		{"Guest Additions", "agent.conflicts", "fail/high", "fail/high", m{"opt/VBoxGuestAdditions-7.0.1/init/x": text("")}},
		{"Xen tools", "agent.conflicts", "fail/high", "fail/high", m{"usr/sbin/xe-daemon": text("")}},
		{"the guest agent", "agent.conflicts", "warn/low", "pass/high", m{"usr/sbin/qemu-ga": text("")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := judge(t, disk(), with(debian(), c.change), "tencent", "kvm")
			if got := find(t, r, c.check, "tencent"); got != c.tencent {
				t.Errorf("tencent: %s, want %s: %s", got, c.tencent, summaryOf(r, c.check, "tencent"))
			}
			if got := find(t, r, c.check, "kvm"); got != c.kvm {
				t.Errorf("kvm: %s, want %s: %s", got, c.kvm, summaryOf(r, c.check, "kvm"))
			}
			var b bytes.Buffer
			if err := r.WriteJSON(&b); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(b.String(), "SECRET") || strings.Contains(b.String(), "$6$") {
				t.Error("the report holds a hash")
			}
		})
	}
}

func summaryOf(r *Report, id, target string) string {
	for _, c := range r.Checks {
		if c.ID == id {
			if s, ok := c.SummaryBy[target]; ok {
				return s
			}
			return c.Summary
		}
	}
	return ""
}

// The golden documents: one ready guest, one with a few things wrong.
func TestGolden(t *testing.T) {
	grub := strings.ReplaceAll(string(debian()["boot/grub/grub.cfg"].Data), "root=UUID="+rootUUID, "root=/dev/sda1")
	bad := with(debian(), map[string]*fstest.MapFile{
		"boot/grub/grub.cfg":      text(grub),
		"boot/initrd.img-" + kver: cpio("init", ko("ext4")),
		"etc/fstab":               text("/dev/sda1 / ext4 defaults 0 1\nLABEL=data /srv xfs defaults 0 2\n"),
		"usr/bin/vmtoolsd":        text(""),
	})
	for name, tree := range map[string]fstest.MapFS{"ready": debian(), "blocked": bad} {
		t.Run(name, func(t *testing.T) {
			var b, again bytes.Buffer
			if err := judge(t, disk(), tree, "tencent", "kvm").WriteJSON(&b); err != nil {
				t.Fatal(err)
			}
			_ = judge(t, disk(), tree, "tencent", "kvm").WriteJSON(&again)
			if !bytes.Equal(b.Bytes(), again.Bytes()) {
				t.Error("two runs differ")
			}
			golden.Check(t, "testdata/"+name+".json", b.String())
		})
	}
}

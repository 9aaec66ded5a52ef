package preflight

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"maps"
	"testing/fstest"

	"migimg/preflight/guestfs"
)

const (
	rootUUID = "11111111-2222-3333-4444-555555555555"
	kver     = "6.1.0-test-amd64"
)

func text(s string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte(s), Mode: 0o644, Sys: &guestfs.Attr{}}
}

func link(target string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777, Sys: &guestfs.Attr{}}
}

func mode(f *fstest.MapFile, m fs.FileMode, uid, gid uint32) *fstest.MapFile {
	f.Mode, f.Sys = m, &guestfs.Attr{UID: uid, GID: gid}
	return f
}

// bzImage is a file that tells its kernel's release as a bzImage does.
func bzImage(release string) *fstest.MapFile {
	b := make([]byte, 4096)
	copy(b[0x202:], "HdrS")
	binary.LittleEndian.PutUint16(b[0x206:], 0x20f)
	binary.LittleEndian.PutUint16(b[0x20e:], 0x400)
	b[0x236] = 1 // xloadflags: a 64-bit kernel
	copy(b[0x600:], release+" (somebody@somewhere) #1\x00")
	return &fstest.MapFile{Data: b, Mode: 0o644, Sys: &guestfs.Attr{}}
}

// cpio is an uncompressed initramfs with the given empty files.
func cpio(names ...string) *fstest.MapFile {
	var b bytes.Buffer
	one := func(name string, mode int) {
		fmt.Fprintf(&b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", 1, mode, 0, 0, 1, 0, 0, 0, 0, 0, 0, len(name)+1, 0)
		b.WriteString(name)
		b.WriteByte(0)
		for b.Len()%4 != 0 {
			b.WriteByte(0)
		}
	}
	for _, n := range names {
		one(n, 0o100755)
	}
	one("TRAILER!!!", 0)
	return &fstest.MapFile{Data: b.Bytes(), Mode: 0o644, Sys: &guestfs.Attr{}}
}

// superblock writes a clean ext4's counters, in blocks of 4096 bytes.
func superblock(b []byte, blocks, free, inodes, freeInodes uint32) {
	for off, v := range map[int]uint32{0: inodes, 4: blocks, 12: free, 16: freeInodes, 24: 2, 56: 0x1EF53} {
		binary.LittleEndian.PutUint32(b[off:], v)
	}
}

func ko(name string) string { return "usr/lib/modules/" + kver + "/kernel/drivers/" + name + ".ko" }

// debian is a guest as the Debian installer leaves it, ready to move: names by
// UUID, virtio in the initramfs, cloud-init.
func debian() fstest.MapFS {
	modules := []string{"virtio", "virtio_ring", "virtio_pci", "virtio_blk", "virtio_net", "virtio_scsi", "scsi_mod", "sd_mod", "ext4", "isofs"}
	m := fstest.MapFS{
		"etc/os-release": text("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\n"),
		"etc/fstab":      text("# comment\nUUID=" + rootUUID + " / ext4 errors=remount-ro 0 1\nproc /proc proc defaults 0 0\n"),
		"etc/machine-id": text("0123456789abcdef0123456789abcdef\n"),
		"etc/passwd":     text("root:x:0:0:root:/root:/bin/bash\nuser:x:1000:1000::/home/user:/bin/bash\n"),
		"etc/group":      text("root:x:0:\nshadow:x:42:\nuser:x:1000:\n"),
		"etc/shadow":     mode(text("root:$6$SECRETSALT$SECRETHASHSECRETHASH:19000:0:99999:7:::\nuser:$6$SECRETSALT$OTHERSECRETHASH:19000:0:99999:7:::\n"), 0o640, 0, 42),
		"etc/gshadow":    mode(text("root:*::\nshadow:*::\nuser:!::\n"), 0o640, 0, 42),

		"boot/vmlinuz-" + kver:    bzImage(kver),
		"boot/initrd.img-" + kver: cpio("init", ko("virtio"), ko("virtio_ring"), ko("virtio_pci"), ko("virtio_blk"), ko("ext4")),
		"boot/grub/grub.cfg": text("set default=\"0\"\nmenuentry 'Debian GNU/Linux' --id debian {\n  search --no-floppy --fs-uuid --set=root " + rootUUID +
			"\n  linux /boot/vmlinuz-" + kver + " root=UUID=" + rootUUID + " ro quiet console=tty0 console=ttyS0,115200\n  initrd /boot/initrd.img-" + kver + "\n}\n"),

		"usr/bin/growpart":                                     text("#!/bin/sh\n"),
		"usr/bin/cloud-init":                                   text("#!/usr/bin/python3\n"),
		"etc/cloud/cloud.cfg":                                  text("disable_root: true\n"),
		"etc/cloud/cloud.cfg.d/90_dpkg.cfg":                    text("datasource_list: [ NoCloud, ConfigDrive, None ]\n"),
		"usr/lib/systemd/system/cloud-init.service":            text("[Unit]\n"),
		"etc/systemd/system/a.target.wants/cloud-init.service": link("/usr/lib/systemd/system/cloud-init.service"),

		"usr/sbin/dhclient": text(""), "usr/lib/systemd/system/networking.service": text(""), "etc/systemd/system/multi-user.target.wants/networking.service": link("/usr/lib/systemd/system/networking.service"),
		"usr/bin/python3.11": text(""),
		"usr/bin/python3":    link("python3.11"),

		"usr/bin/bash":                       text(""),
		"bin":                                link("usr/bin"),
		"usr/sbin/sshd":                      text(""),
		"etc/ssh/sshd_config":                text("Include /etc/ssh/sshd_config.d/*.conf\nKbdInteractiveAuthentication no\nUsePAM yes\n"),
		"etc/ssh/ssh_host_rsa_key":           mode(text("SECRET"), 0o600, 0, 0),
		"usr/lib/systemd/system/ssh.service": text("[Service]\nExecStart=/usr/sbin/sshd -D\n"),
		"etc/systemd/system/multi-user.target.wants/ssh.service": link("/usr/lib/systemd/system/ssh.service"),

		"etc/network/interfaces": text("auto lo\niface lo inet loopback\n\nallow-hotplug ens3\niface ens3 inet dhcp\n"),
		"lib":                    link("usr/lib"),
		"usr/lib/modules/" + kver + "/modules.builtin": text("kernel/fs/nfs/x.ko\n"),
	}
	maps.Copy(m, debianState())
	dep := ""
	needs := map[string]string{"virtio_pci": "virtio_ring virtio", "virtio_blk": "virtio_ring virtio", "virtio_net": "virtio_ring virtio", "virtio_ring": "virtio",
		"virtio_scsi": "virtio_ring virtio scsi_mod", "sd_mod": "scsi_mod"}
	for _, n := range modules {
		m[ko(n)] = text("")
		dep += "kernel/drivers/" + n + ".ko:"
		for _, d := range bytes.Fields([]byte(needs[n])) {
			dep += " kernel/drivers/" + string(d) + ".ko"
		}
		dep += "\n"
	}
	m["usr/lib/modules/"+kver+"/modules.dep"] = text(dep)
	return m
}

// with returns a guest with files replaced; nil removes one.
// anyCard is debian with any network card configured by DHCP: on a hypervisor,
// where cloud-init may have nothing to go by, that matters.
func anyCard() fstest.MapFS {
	m := with(debian(), enabled("systemd-networkd.service"))
	m["etc/systemd/network/a.network"] = text("[Match]\nType=ether\n[Network]\nDHCP=yes\n")
	return m
}

func with(m fstest.MapFS, change map[string]*fstest.MapFile) fstest.MapFS {
	m = maps.Clone(m)
	for k, v := range change {
		if v == nil {
			delete(m, k)
		} else {
			m[k] = v
		}
	}
	return m
}

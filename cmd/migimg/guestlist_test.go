//go:build integration

package main

// repack takes the guest's initramfs apart in $TMP/main, runs a command there and
// packs it again with a compressor.
func repack(change, compressor string) string {
	return `initrd=$(echo "$ROOT"/boot/initrd.img-*)
unmkinitramfs "$initrd" "$TMP/ird"; main=$TMP/ird; [ ! -d "$TMP/ird/main" ] || main=$TMP/ird/main
(cd "$main"; ` + change + `; find . | cpio -o -H newc 2>/dev/null | ` + compressor + `) >"$initrd"`
}

const (
	noVirtio = `find . -name 'virtio*.ko*' -delete`
	shell    = "(initramfs)" // of initramfs-tools, where the root does not come
	// toGPT writes a GPT in the MBR's place; the swap partition makes room at the end.
	toGPT = `sfdisk -q --no-reread -N 2 "$IMG" <<<'7342080,1000000,82'; sgdisk --mbrtogpt "$IMG" >/dev/null`
	// esp turns the swap partition into an ESP whose loader is Debian's alone.
	esp = `sfdisk -q --no-reread --part-type "$IMG" 2 ef
dd if=/dev/zero of="$TMP/esp" bs=1M count=64 status=none; mformat -i "$TMP/esp" -F ::
mmd -i "$TMP/esp" ::/EFI ::/EFI/debian; head -c 100000 /dev/urandom >"$TMP/efi"
mcopy -i "$TMP/esp" "$TMP/efi" ::/EFI/debian/shimx64.efi
dd if="$TMP/esp" of="$IMG" bs=1M seek=3585 conv=notrunc status=none`
)

// guests are the broken ones.
var guests = []guest{
	// The loader's configuration.
	{name: "root=/dev/sda1", target: "tencent", fires: "boot.root-spec", status: "fail", blocked: true, console: shell,
		how: `sed -i 's|root=UUID=[^ ]*|root=/dev/sda1|' "$ROOT/boot/grub/grub.cfg"`},
	{name: "root=UUID= of another disk", fires: "boot.root-spec", status: "fail", blocked: true, console: shell,
		how: `sed -i 's|root=UUID=[^ ]*|root=UUID=11111111-2222-3333-4444-555555555555|' "$ROOT/boot/grub/grub.cfg"`},
	{name: "resume= to a disk that stays behind", fires: "boot.cmdline", status: "fail",
		how: `sed -i 's|\(vmlinuz-.* ro\)|\1 resume=UUID=11111111-2222-3333-4444-555555555555|' "$ROOT/boot/grub/grub.cfg"`},
	{name: "emergency mode on the command line", fires: "boot.cmdline", status: "fail",
		how: `sed -i 's|\(vmlinuz-.* ro\)|\1 systemd.unit=emergency.target|' "$ROOT/boot/grub/grub.cfg"`},
	{name: "grubenv is cut short", fires: "boot.grub-defaults", status: "warn",
		how: `truncate -s 1000 "$ROOT/boot/grub/grubenv"`},
	{name: "GRUB asks for ever", fires: "boot.grub-defaults", status: "warn",
		how: `sed -i 's/GRUB_TIMEOUT=.*/GRUB_TIMEOUT=-1/' "$ROOT/etc/default/grub"`},

	// Kernel and initramfs.
	{name: "no kernel", fires: "boot.kernel-files", status: "fail", blocked: true,
		also: []string{"boot.default-kernel", "driver.boot-disk", "driver.blacklist", "initramfs.readable"}, how: `rm "$ROOT"/boot/vmlinuz-*`},
	{name: "no initramfs", fires: "boot.kernel-files", status: "fail", blocked: true, also: []string{"driver.boot-disk", "initramfs.readable"}, how: `rm "$ROOT"/boot/initrd.img-*`},
	{name: "initramfs cut short", fires: "initramfs.readable", status: "fail", blocked: true, console: "not found",
		how: `f=$(echo "$ROOT"/boot/initrd.img-*); truncate -s $(($(stat -c %s "$f") / 2)) "$f"`},
	{name: "initramfs of another kernel", fires: "initramfs.readable", status: "fail", blocked: true, also: []string{"driver.boot-disk"}, console: shell,
		how: repack(`mv usr/lib/modules/* usr/lib/modules/5.10.0-1-amd64 2>/dev/null || mv lib/modules/* lib/modules/5.10.0-1-amd64`, "gzip")},
	{name: "no virtio in the initramfs, gzip", fires: "driver.boot-disk", status: "fail", blocked: true, console: shell, how: repack(noVirtio, "gzip")},
	{name: "no virtio in the initramfs, xz", fires: "driver.boot-disk", status: "fail", blocked: true, console: shell, how: repack(noVirtio, "xz --check=crc32")},
	{name: "no virtio in the initramfs, zstd", fires: "driver.boot-disk", status: "fail", blocked: true, console: shell, how: repack(noVirtio, "zstd -q")},
	{name: "no virtio in the initramfs, lz4", fires: "driver.boot-disk", status: "fail", blocked: true, console: shell, how: repack(noVirtio, "lz4 -l")},
	{name: "no virtio in the initramfs, bzip2", fires: "driver.boot-disk", status: "fail", blocked: true, console: shell, how: repack(noVirtio, "bzip2")},
	{name: "no virtio in the initramfs, lzma", fires: "driver.boot-disk", status: "fail", blocked: true, console: shell, how: repack(noVirtio, "lzma")},
	{name: "driver blacklisted in the initramfs", target: "tencent", fires: "driver.blacklist", status: "fail", blocked: true, console: shell,
		how: repack(`echo 'blacklist virtio_blk' >etc/modprobe.d/hard.conf; echo 'install virtio_blk /bin/false' >>etc/modprobe.d/hard.conf`, "gzip")},
	{name: "network driver blacklisted", fires: "driver.blacklist", status: "fail",
		how: `echo 'install virtio_net /bin/true' >"$ROOT/etc/modprobe.d/hard.conf"; echo 'blacklist virtio_net' >>"$ROOT/etc/modprobe.d/hard.conf"`},

	// Tables and loaders.
	{name: "disk: no boot code", fires: "boot.loader-present", status: "fail", blocked: true, also: []string{"boot.firmware"},
		how: `dd if=/dev/zero of="$IMG" bs=1 count=440 conv=notrunc status=none`},
	{name: "disk: GPT where BIOS starts GRUB from behind the MBR", fires: "boot.loader-present", status: "fail", blocked: true,
		how: toGPT},
	{name: "disk: GPT for a target that takes MBR", target: "tencent", fires: "disk.partition-table", status: "warn", also: []string{"boot.loader-present"},
		how: toGPT + "; sgdisk -a 1 -n 3:34:2047 -t 3:ef02 \"$IMG\" >/dev/null"},
	{name: "disk: no fallback loader on the ESP", fires: "boot.esp-fallback", status: "fail", how: esp,
		also: []string{"boot.loader-present"}}, // the program on the ESP is nobody's
	{name: "disk: errors noted in the root filesystem", fires: "fs.clean", status: "fail",
		how: `debugfs -w -R 'set_super_value state 2' "$IMG?offset=1048576" 2>/dev/null`},

	// Mounts.
	{name: "fstab: / by device name", target: "tencent", fires: "mount.fstab-device-names", status: "fail", boots: true,
		how: `sed -i 's|^UUID=[^ ]* / |/dev/sda1 / |' "$ROOT/etc/fstab"`},
	{name: "fstab: a disk that stays behind", fires: "mount.fstab-resolves", status: "fail",
		how: `mkdir "$ROOT/data"; echo 'UUID=11111111-2222-3333-4444-555555555555 /data ext4 defaults 0 2' >>"$ROOT/etc/fstab"`},
	{name: "fstab: the same with nofail", fires: "mount.fstab-resolves", status: "warn", boots: true,
		how: `mkdir "$ROOT/data"; echo 'UUID=11111111-2222-3333-4444-555555555555 /data ext4 nofail,x-systemd.device-timeout=1 0 2' >>"$ROOT/etc/fstab"`},
	{name: "fstab: NFS without nofail", fires: "mount.fstab-network", status: "warn",
		how: `mkdir "$ROOT/nfs"; echo '192.0.2.7:/export /nfs nfs defaults 0 0' >>"$ROOT/etc/fstab"`},
	{name: "fstab: a broken line", fires: "mount.fstab-syntax", status: "fail",
		how: `echo 'UUID=11111111-2222-3333-4444-555555555555 /data' >>"$ROOT/etc/fstab"`},
	{name: "crypttab: sealed to this machine's TPM", fires: "mount.crypttab", status: "fail",
		how: `echo 'data UUID=11111111-2222-3333-4444-555555555555 none tpm2-device=auto' >"$ROOT/etc/crypttab"`},
	{name: "a mount unit by device name", fires: "mount.units", status: "fail",
		how: `printf '[Mount]\nWhat=/dev/sdb1\nWhere=/data\nType=ext4\n\n[Install]\nWantedBy=multi-user.target\n' >"$ROOT/etc/systemd/system/data.mount"
mkdir -p "$ROOT/etc/systemd/system/multi-user.target.wants"; ln -s ../data.mount "$ROOT/etc/systemd/system/multi-user.target.wants/data.mount"`},

	// The network.
	{name: "static address", fires: "net.addressing", status: "warn",
		how: `printf '[Match]\nType=ether\n\n[Network]\nAddress=192.0.2.10/24\nGateway=192.0.2.1\n' >"$ROOT/etc/systemd/network/80-dhcp.network"`},
	{name: "persistent-net rule", fires: "net.persistent-names", status: "fail",
		how: `echo 'SUBSYSTEM=="net", ACTION=="add", ATTR{address}=="52:54:00:12:34:56", NAME="eth0"' >"$ROOT/etc/udev/rules.d/70-persistent-net.rules"`},
	{name: "configuration bound to a MAC address", fires: "net.mac-binding", status: "fail",
		how: `printf '[Match]\nMACAddress=52:54:00:12:34:56\n\n[Network]\nDHCP=yes\n' >"$ROOT/etc/systemd/network/80-dhcp.network"`},
	{name: "configuration for another card", fires: "net.iface-names", status: "fail",
		how: `printf '[Match]\nName=ens192\n\n[Network]\nDHCP=yes\n' >"$ROOT/etc/systemd/network/80-dhcp.network"`},
	{name: "firewall without port 22", fires: "net.firewall", status: "fail",
		how: `printf '#!/usr/sbin/nft -f\nflush ruleset\ntable inet filter {\n\tchain input {\n\t\ttype filter hook input priority 0; policy drop;\n\t\ttcp dport 443 accept\n\t}\n}\n' >"$ROOT/etc/nftables.conf"
ln -s /lib/systemd/system/nftables.service "$ROOT/etc/systemd/system/sysinit.target.wants/nftables.service"`},
	{name: "sshd listens on the old address", fires: "net.references", status: "fail",
		how: `echo 'ListenAddress 192.0.2.10' >>"$ROOT/etc/ssh/sshd_config"`},

	// Ways in.
	{name: "sshd is not started", fires: "access.ssh", status: "fail",
		how: `rm -f "$ROOT"/etc/systemd/system/multi-user.target.wants/ssh.service "$ROOT"/etc/systemd/system/sshd.service`},
	{name: "no way to log in", fires: "access.login-path", status: "fail",
		how: `sed -i 's|^root:[^:]*:|root:!*:|' "$ROOT/etc/shadow"; rm -f "$ROOT"/etc/systemd/system/multi-user.target.wants/ssh.service; touch "$ROOT/etc/cloud/cloud-init.disabled"`},
	{name: "/etc/shadow is immutable", fires: "access.accounts", status: "fail", how: `chattr +i "$ROOT/etc/shadow"`},
	{name: "/etc/shadow belongs to somebody", fires: "access.accounts", status: "fail", how: `chown 1000 "$ROOT/etc/shadow"`},
	{name: "/etc/resolv.conf and sudoers are immutable", fires: "os.immutable", status: "fail",
		how: `echo 'nameserver 192.0.2.1' >"$TMP/r"; rm "$ROOT/etc/resolv.conf"; cp "$TMP/r" "$ROOT/etc/resolv.conf"; chattr +i "$ROOT/etc/resolv.conf"; chattr +i "$ROOT/etc/passwd"`},

	// cloud-init, switched off in five ways.
	{name: "cloud-init: the file cloud-init.disabled", fires: "cloudinit.enabled", status: "fail", how: `touch "$ROOT/etc/cloud/cloud-init.disabled"`},
	{name: "cloud-init: on the command line", fires: "cloudinit.enabled", status: "fail",
		how: `sed -i 's|\(vmlinuz-.* ro\)|\1 cloud-init=disabled|' "$ROOT/boot/grub/grub.cfg"`},
	{name: "cloud-init: units masked", fires: "cloudinit.enabled", status: "fail",
		how: `for u in cloud-init-local cloud-init cloud-config cloud-final; do ln -sf /dev/null "$ROOT/etc/systemd/system/$u.service"; done`},
	{name: "cloud-init: units not enabled", fires: "cloudinit.enabled", status: "fail",
		how: `rm -f "$ROOT"/etc/systemd/system/cloud-init.target.wants/* "$ROOT"/etc/systemd/system/multi-user.target.wants/cloud-init*`},
	{name: "cloud-init: ds-identify's policy", fires: "cloudinit.enabled", status: "fail",
		how: `echo 'policy: disabled' >"$ROOT/etc/cloud/ds-identify.cfg"`},
	{name: "cloud-init: another cloud's data source", target: "tencent", fires: "cloudinit.datasource", status: "fail",
		how: `echo 'datasource_list: [Azure]' >"$ROOT/etc/cloud/cloud.cfg.d/99_ds.cfg"`},

	// The system's state.
	{name: "VMware's tools from the tarball", fires: "agent.conflicts", status: "fail",
		how: `mkdir -p "$ROOT/etc/vmware-tools" "$ROOT/usr/bin"; echo 'answer BINDIR /usr/bin' >"$ROOT/etc/vmware-tools/locations"; printf '#!/usr/bin/perl\n' >"$ROOT/usr/bin/vmware-uninstall-tools.pl"; chmod 755 "$ROOT/usr/bin/vmware-uninstall-tools.pl"`},
	{name: "boots into rescue mode", fires: "os.boot-target", status: "fail",
		how: `ln -sf /lib/systemd/system/rescue.target "$ROOT/etc/systemd/system/default.target"`},
	{name: "the hardware clock in local time", fires: "os.time", status: "warn",
		how: `printf '0.0 0 0.0\n0\nLOCAL\n' >"$ROOT/etc/adjtime"`},
	{name: "disk: two filesystems with one UUID", fires: "fs.ambiguous-ids", status: "fail",
		how: `dd if=/dev/zero of="$TMP/fs" bs=1M count=64 status=none; mkfs.ext4 -q -F -U 6d696769-6d67-4000-8000-000000000001 "$TMP/fs"
dd if="$TMP/fs" of="$IMG" bs=1M seek=3585 conv=notrunc status=none; sfdisk -q --no-reread --part-type "$IMG" 2 83`},
}

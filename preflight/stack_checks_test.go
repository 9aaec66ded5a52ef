package preflight

import (
	"testing"
	"testing/fstest"

	"migimg/blockmap"
	"migimg/blockmap/ptable"
)

// Each row is a server whose storage is stacked in some way, and what has to
// come of it.
func TestStackChecks(t *testing.T) {
	type m = map[string]*fstest.MapFile
	slash := "UUID=" + rootUUID + " / ext4 defaults 0 1\n"
	const luksUUID, lvmUUID = "22222222-2222-3333-4444-555555555555", "abcdef-0000-1111-2222-3333-4444-abcdef"
	child := func(kind, uuid, name string) func(*Source) {
		return func(s *Source) {
			s.Volumes.Children = append(s.Volumes.Children, &blockmap.VolumeInfo{Report: blockmap.Report{Type: kind, UUID: uuid}, Name: name, Start: -1})
			s.Table.Partitions = append(s.Table.Partitions, ptable.Partition{Number: 2, Start: 2 << 30, Size: 1 << 30, Type: "0x83", UUID: "deadbeef-02"})
		}
	}
	lvm, luks, md := child("LVM2_member", lvmUUID, "2"), child("crypto_LUKS", luksUUID, "2"), child("linux_raid_member", "a:b:c:d", "2")
	// The root is a logical volume.
	rootLVM := func(s *Source) {
		v := s.Volumes.Children[0]
		*v = blockmap.VolumeInfo{Report: blockmap.Report{Type: "LVM2_member", UUID: lvmUUID}, Name: "1", Start: v.Start, Size: v.Size,
			Children: []*blockmap.VolumeInfo{{Report: blockmap.Report{Type: "ext4", UUID: rootUUID}, Name: "1/vg-root", Start: -1, Size: 1 << 20}}}
	}
	rootOf := func(f func(*Source), fix func(*Source)) func(*Source) {
		return func(s *Source) {
			f(s)
			if fix != nil {
				fix(s)
			}
		}
	}
	drifting := func(d *Drift) func(*Source) {
		return func(s *Source) {
			s.Mounts, s.Consistency, s.Proc = []Mount{{Partition: "1", Point: "/nowhere", ReadWrite: true}}, "pinned", "/nowhere"
			s.Drift = d
		}
	}
	unit := func(s string) *fstest.MapFile {
		return text("[Unit]\n" + s + "\n[Install]\nWantedBy=multi-user.target\n")
	}
	enabled := func(name string) *fstest.MapFile { return link("/usr/lib/systemd/system/" + name) }
	initrd := "boot/initrd.img-" + kver
	for _, c := range []struct {
		name, check, tencent, kvm string
		disk                      func(*Source)
		change                    m
	}{
		{"no devices file", "disk.lvm-devices-file", "pass/high", "pass/high", lvm, nil},
		{"a devices file by WWID", "disk.lvm-devices-file", "warn/medium", "warn/medium", lvm, m{"etc/lvm/devices/system.devices": text("# LVM uses devices listed in this file.\nVERSION=1.1.2\nIDTYPE=sys_wwid IDNAME=naa.5000 DEVNAME=/dev/sda2 PVID=abc PART=2\n"), "etc/lvm/lvm.conf": text("devices {\n use_devicesfile=1\n}\n")}},
		{"a devices file by WWID under the root", "disk.lvm-devices-file", "fail/high", "fail/high", rootLVM, m{"etc/lvm/devices/system.devices": text("IDTYPE=sys_serial IDNAME=1 DEVNAME=/dev/sda2 PVID=abc\n"), "etc/lvm/lvm.conf": text("devices/use_devicesfile=1\n")}},
		{"a devices file that LVM refreshes", "disk.lvm-devices-file", "warn/medium", "warn/medium", rootLVM, m{"etc/lvm/devices/system.devices": text("PRODUCT_UUID=1-2-3\nIDTYPE=sys_serial IDNAME=1 DEVNAME=/dev/sda2 PVID=abc\n"), "etc/lvm/lvm.conf": text("devices/use_devicesfile=1\n")}},
		{"a devices file by name", "disk.lvm-devices-file", "pass/high", "pass/high", rootLVM, m{"etc/lvm/devices/system.devices": text("IDTYPE=devname IDNAME=/dev/sda2 DEVNAME=/dev/sda2 PVID=abc\n"), "etc/lvm/lvm.conf": text("devices/use_devicesfile=1\n")}},
		{"a devices file switched off", "disk.lvm-devices-file", "pass/high", "pass/high", rootLVM, m{"etc/lvm/devices/system.devices": text("IDTYPE=sys_serial IDNAME=1 DEVNAME=/dev/sda2 PVID=abc\n"), "etc/lvm/lvm.conf": text("devices { use_devicesfile = 0 }\n")}},
		{"a devices file by UUID", "disk.lvm-devices-file", "pass/high", "pass/high", lvm, m{"etc/lvm/devices/system.devices": text("IDTYPE=md_uuid IDNAME=1 DEVNAME=/dev/md0 PVID=abc\n")}},

		{"no LVM", "disk.lvm-config", "skip/high", "skip/high", nil, m{"etc/lvm/lvm.conf": text("devices { filter = [ \"r|.*|\" ] }")}},
		{"no filter", "disk.lvm-config", "pass/high", "pass/high", lvm, m{"etc/lvm/lvm.conf": text("devices {\n\t# filter = [ \"a|.*|\" ]\n\tdir = \"/dev\"\n}\n")}},
		{"a filter for sda", "disk.lvm-config", "fail/high", "fail/high", lvm, m{"etc/lvm/lvm.conf": text("devices {\n filter = [ \"a|^/dev/sd|\", \"r|.*|\" ]\n}\n")}},
		{"a filter for vda, too", "disk.lvm-config", "pass/high", "warn/low", lvm, m{"etc/lvm/lvm.conf": text("devices {\n global_filter = [ \"a|^/dev/vd|\", \"r|.*|\" ]\n}\n")}},
		{"a filter by path", "disk.lvm-config", "unknown/high", "unknown/high", lvm, m{"etc/lvm/lvm.conf": text("devices {\n filter = [ \"a|^/dev/disk/by-path/.*|\", \"r|.*|\" ]\n}\n")}},
		{"a filter by the volume's UUID", "disk.lvm-config", "pass/high", "pass/high", lvm, m{"etc/lvm/lvm.conf": text("devices {\n filter = [ \"a|lvm-pv-uuid-|\", \"r|.*|\" ]\n}\n")}},
		{"a filter without a pattern for it", "disk.lvm-config", "pass/high", "pass/high", lvm, m{"etc/lvm/lvm.conf": text("devices {\n filter = [ \"r|/dev/cdrom|\" ]\n}\n")}},
		{"a filter that is none", "disk.lvm-config", "unknown/high", "unknown/high", lvm, m{"etc/lvm/lvm.conf": text("devices {\n filter = [ \"x|/dev/cdrom|\" ]\n}\n")}},
		{"a filter under the root, not in the initramfs", "disk.lvm-config", "fail/high", "fail/high", rootLVM, m{"etc/lvm/lvm.conf": text("devices {\n filter = [ \"a|^/dev/sd|\", \"r|.*|\" ]\n}\n")}},
		{"a filter under the root, in an initramfs that nobody reads", "disk.lvm-config", "unknown/blocker", "unknown/blocker", rootLVM, m{initrd: text("this is no archive, whatever it is"), "etc/lvm/lvm.conf": text("devices {\n filter = [ \"a|^/dev/sd|\", \"r|.*|\" ]\n}\n")}},
		{"a filter in the initramfs under the root", "disk.lvm-config", "fail/blocker", "fail/blocker", rootLVM, m{initrd: cpioWith("etc/lvm/lvm.conf", "devices { filter = [ \"a|^/dev/sd|\", \"r|.*|\" ] }")}},
		{"a filter in the initramfs that lets it through", "disk.lvm-config", "pass/high", "warn/low", rootLVM, m{initrd: cpioWith("etc/lvm/lvm.conf", "devices { filter = [ \"a|^/dev/vd|\", \"r|.*|\" ] }")}},
		{"a devices file in the initramfs", "disk.lvm-devices-file", "fail/high", "fail/high", rootLVM, m{initrd: cpioWith("etc/lvm/devices/system.devices", "x"), "etc/lvm/devices/system.devices": text("IDTYPE=sys_wwid IDNAME=1 DEVNAME=/dev/sda2 PVID=abc\n"), "etc/lvm/lvm.conf": text("devices/use_devicesfile=1\n")}},
		{"broken lvm.conf", "disk.lvm-config", "unknown/high", "unknown/high", lvm, m{"etc/lvm/lvm.conf": text("devices {\n filter = [ \"a|^/dev/sd|\n")}},
		{"a cluster's LVM", "disk.lvm-config", "fail/high", "fail/high", lvm, m{"etc/lvm/lvm.conf": text("global {\n locking_type = 3\n}\n")}},
		{"groups of the host's name", "disk.lvm-config", "warn/medium", "warn/medium", lvm, m{"etc/lvm/lvm.conf": text("global { system_id_source = \"uname\" }")}},

		{"no array", "disk.mdraid", "skip/medium", "skip/medium", nil, nil},
		{"an array by UUID", "disk.mdraid", "pass/medium", "pass/medium", md, m{"etc/mdadm/mdadm.conf": text("DEVICE partitions\nARRAY /dev/md/0 metadata=1.2\n   UUID=a:b:c:d name=x:0\n")}},
		{"an array by devices", "disk.mdraid", "warn/medium", "warn/medium", md, m{"etc/mdadm.conf": text("ARRAY /dev/md0 devices=/dev/sda1,/dev/sdb1\n")}},
		{"DEVICE sd*", "disk.mdraid", "warn/medium", "warn/medium", md, m{"etc/mdadm.conf": text("dev /dev/sd*[0-9]\nARRAY /dev/md0 UUID=a:b:c:d\n")}},
		{"an array elsewhere", "disk.mdraid", "warn/low", "warn/low", nil, m{"etc/mdadm.conf": text("ARRAY /dev/md0 UUID=a:b:c:d\n")}},

		{"no multipath", "disk.multipath", "skip/medium", "skip/medium", nil, nil},
		{"multipath strict", "disk.multipath", "pass/medium", "pass/medium", nil, m{"etc/multipath.conf": text("defaults {\n find_multipaths yes\n}\n")}},
		{"multipath greedy", "disk.multipath", "warn/medium", "warn/medium", nil, m{"etc/multipath.conf": text("defaults {\n find_multipaths \"greedy\" # all\n}\n"), "usr/lib/systemd/system/multipathd.service": unit(""), "etc/systemd/system/sysinit.target.wants/multipathd.service": enabled("multipathd.service")}},
		{"multipath greedy, not started", "disk.multipath", "pass/medium", "pass/medium", nil, m{"etc/multipath.conf": text("defaults {\n find_multipaths greedy\n}\n"), "usr/lib/systemd/system/multipathd.service": unit("")}},
		{"a multipath name in fstab", "disk.multipath", "warn/high", "warn/high", nil, m{"etc/multipath.conf": text("multipaths {\n multipath {\n  wwid 3600\n  alias data\n }\n}\n"), "etc/fstab": text(slash + "/dev/mapper/data-part1 /data ext4 defaults 0 2\n")}},

		{"not encrypted", "disk.luks", "skip/high", "skip/high", nil, nil},
		{"encrypted, the header unreadable", "disk.luks", "unknown/high", "unknown/high", luks, nil},

		{"root last", "disk.growable", "pass/low", "pass/low", nil, nil},
		{"swap behind the root", "disk.growable", "warn/low", "warn/low", child("swap", "5", "2"), nil},
		{"no growpart", "disk.growable", "warn/low", "warn/low", nil, m{"usr/bin/growpart": nil}},
		{"RHEL 6 without growroot", "disk.growable", "warn/low", "warn/low", nil, m{"etc/os-release": nil, "etc/redhat-release": text("CentOS release 6.10 (Final)\n")}},

		{"swap on the disk", "disk.swap", "pass/medium", "pass/medium", child("swap", "5", "2"), m{"etc/fstab": text(slash + "UUID=5 none swap sw 0 0\n")}},
		{"swap elsewhere", "disk.swap", "warn/medium", "warn/medium", nil, m{"etc/fstab": text(slash + "UUID=5 none swap sw 0 0\n")}},
		{"swap elsewhere, nofail", "disk.swap", "warn/low", "warn/low", nil, m{"etc/fstab": text(slash + "UUID=5 none swap nofail 0 0\n")}},
		{"swap that is a filesystem", "disk.swap", "warn/medium", "warn/medium", child("xfs", "5", "2"), m{"etc/fstab": text(slash + "UUID=5 none swap sw 0 0\n")}},
		{"resume elsewhere", "disk.swap", "warn/medium", "warn/medium", nil, m{"etc/initramfs-tools/conf.d/resume": text("RESUME=UUID=99999999-2222-3333-4444-555555555555\n")}},
		{"resume none", "disk.swap", "pass/medium", "pass/medium", nil, m{"etc/initramfs-tools/conf.d/resume": text("RESUME=none\n")}},
		{"resume here", "disk.swap", "pass/medium", "pass/medium", child("swap", "5", "2"), m{"etc/initramfs-tools/conf.d/resume": text("RESUME=UUID=5\n")}},

		{"offline", "fs.live-consistency", "pass/high", "pass/high", nil, nil},
		{"mounted read-only", "fs.live-consistency", "pass/high", "pass/high", func(s *Source) { s.Mounts = []Mount{{Partition: "1", Point: "/nowhere"}} }, nil},
		{"live", "fs.live-consistency", "fail/high", "fail/high", func(s *Source) {
			s.Mounts, s.Consistency, s.Proc = []Mount{{Partition: "1", Point: "/nowhere", ReadWrite: true}}, "live", "/nowhere"
		}, nil},
		{"frozen", "fs.live-consistency", "pass/high", "pass/high", func(s *Source) {
			s.Mounts, s.Consistency, s.Proc = []Mount{{Partition: "1", Point: "/nowhere", ReadWrite: true}}, "frozen", "/nowhere"
		}, nil},
		{"pinned, nothing moved", "fs.live-consistency", "pass/high", "pass/high", drifting(&Drift{}), nil},
		{"pinned, files moved", "fs.live-consistency", "warn/medium", "warn/medium", drifting(&Drift{Files: []string{"/a", "/b", "/c", "/d"}}), nil},
		{"pinned, what is no file's moved", "fs.live-consistency", "warn/medium", "warn/medium", drifting(&Drift{NoFile: 4096}), nil},
		{"pinned, not tracked", "fs.live-consistency", "warn/medium", "warn/medium", drifting(&Drift{Unknown: "no BTF"}), nil},
		{"pinned, nothing known", "fs.live-consistency", "warn/medium", "warn/medium", drifting(nil), nil},

		{"full", "fs.space", "fail/medium", "fail/medium", func(s *Source) { s.View = diskWith(1<<19, 1000, 1000, 500) }, nil},
		{"nearly full", "fs.space", "warn/low", "warn/low", func(s *Source) { s.View = diskWith(1<<19, 40_000, 1000, 500) }, nil},
		{"100 MiB left", "fs.space", "warn/medium", "warn/medium", func(s *Source) { s.View = diskWith(1<<17, 10_000, 1000, 500) }, nil},
		{"no inodes", "fs.space", "fail/medium", "fail/medium", func(s *Source) { s.View = diskWith(1<<19, 1<<18, 1000, 99) }, nil},
		{"counters of nonsense", "fs.space", "unknown/medium", "unknown/medium", func(s *Source) { s.View = diskWith(1<<10, 1<<19, 1000, 99) }, nil},

		{"one UUID twice, by which the root is mounted", "fs.ambiguous-ids", "fail/high", "fail/high", child("ext4", rootUUID, "2"), nil},
		{"one UUID twice", "fs.ambiguous-ids", "warn/medium", "warn/medium", rootOf(child("xfs", "5", "2"), child("xfs", "5", "3")), nil},

		{"NFS at boot", "mount.fstab-network", "warn/high", "warn/high", nil, m{"etc/fstab": text(slash + "nas:/x /mnt nfs defaults 0 0\n")}},
		{"NFS with nofail", "mount.fstab-network", "pass/high", "pass/high", nil, m{"etc/fstab": text(slash + "nas:/x /mnt nfs nofail 0 0\n")}},
		{"NFS on demand", "mount.fstab-network", "pass/high", "pass/high", nil, m{"etc/fstab": text(slash + "nas:/x /mnt nfs4 _netdev,x-systemd.automount 0 0\n")}},
		{"a host's share", "mount.fstab-network", "fail/high", "fail/high", nil, m{"etc/fstab": text(slash + "share /mnt vboxsf defaults 0 0\n")}},
		{"a host's share, nofail", "mount.fstab-network", "warn/low", "warn/low", nil, m{"etc/fstab": text(slash + "share /mnt vboxsf nofail 0 0\n")}},
		{"a disk of the network", "mount.fstab-network", "warn/medium", "warn/medium", nil, m{"etc/fstab": text(slash + "UUID=7 /mnt ext4 _netdev 0 0\n")}},
		{"autofs", "mount.fstab-network", "warn/low", "warn/low", nil, m{"etc/auto.master": text("/misc /etc/auto.misc\n"), "etc/auto.misc": text("cd -fstype=iso9660,ro :/dev/cdrom\nhome -rw nas:/home\n"), "usr/lib/systemd/system/autofs.service": unit(""), "etc/systemd/system/multi-user.target.wants/autofs.service": enabled("autofs.service")}},
		{"autofs, not started", "mount.fstab-network", "pass/high", "pass/high", nil, m{"etc/auto.master": text("/misc /etc/auto.misc\n"), "etc/auto.misc": text("home -rw nas:/home\n"), "usr/lib/systemd/system/autofs.service": unit("")}},
		{"iSCSI at boot", "mount.fstab-network", "warn/medium", "warn/medium", nil, m{"etc/iscsi/nodes/iqn.2001:x/10.0.0.1,3260,1/default": text("node.session.auth.password = SECRET\nnode.startup = automatic\n"), "usr/lib/systemd/system/open-iscsi.service": unit(""), "etc/systemd/system/sysinit.target.wants/open-iscsi.service": enabled("open-iscsi.service")}},

		{"no crypttab", "mount.crypttab", "skip/high", "skip/high", nil, nil},
		{"crypttab by UUID", "mount.crypttab", "pass/high", "pass/high", luks, m{"etc/crypttab": text("data UUID=" + luksUUID + " none luks\n")}},
		{"crypttab by device", "mount.crypttab", "fail/medium", "fail/medium", luks, m{"etc/crypttab": text("data /dev/sdb1 none luks\n")}},
		{"crypttab by device, mounted", "mount.crypttab", "fail/high", "fail/high", luks, m{"etc/crypttab": text("data /dev/sdb1 none luks\n"), "etc/fstab": text(slash + "/dev/mapper/data /data ext4 defaults 0 2\n")}},
		{"crypttab by device, the root's", "mount.crypttab", "fail/blocker", "fail/blocker", luks, m{"etc/crypttab": text("r /dev/sdb1 none luks,initramfs\n"), "etc/fstab": text("/dev/mapper/r / ext4 defaults 0 2\n")}},
		{"crypttab by device, nofail", "mount.crypttab", "warn/low", "warn/low", luks, m{"etc/crypttab": text("data /dev/sdb1 none luks,nofail\n")}},
		{"random swap by id", "mount.crypttab", "fail/high", "fail/high", luks, m{"etc/crypttab": text("swap /dev/disk/by-id/ata-X-part2 /dev/urandom swap,offset=2048\n")}},
		{"crypttab elsewhere", "mount.crypttab", "fail/medium", "fail/medium", nil, m{"etc/crypttab": text("data UUID=" + luksUUID + " none luks\n")}},
		{"a key that is gone", "mount.crypttab", "fail/medium", "fail/medium", luks, m{"etc/crypttab": text("data UUID=" + luksUUID + " /etc/key luks\n")}},
		{"a key that is there", "mount.crypttab", "pass/high", "pass/high", luks, m{"etc/crypttab": text("data UUID=" + luksUUID + " /etc/key luks\n"), "etc/key": text("SECRET")}},
		{"a key on a stick", "mount.crypttab", "fail/medium", "fail/medium", luks, m{"etc/crypttab": text("data UUID=" + luksUUID + " /key:PARTUUID=0-1 luks\n")}},
		{"a key of the TPM", "mount.crypttab", "fail/medium", "fail/medium", luks, m{"etc/crypttab": text("data UUID=" + luksUUID + " none tpm2-device=auto\n")}},
		{"a broken crypttab", "mount.crypttab", "warn/medium", "warn/medium", luks, m{"etc/crypttab": text("data\n")}},

		{"a filesystem of a strange type", "mount.fstab-syntax", "warn/low", "warn/low", nil, m{"etc/fstab": text(slash + "UUID=7 /mnt ext44 nofail 0 0\n")}},
		{"the root's line broken", "mount.fstab-syntax", "fail/high", "fail/high", nil, m{"etc/fstab": text("UUID=" + rootUUID + " /\n")}},
		{"a child before its parent, systemd", "mount.fstab-syntax", "pass/medium", "pass/medium", nil, m{"sbin/init": link("/lib/systemd/systemd"), "etc/fstab": text(slash + "UUID=7 /srv/a ext4 nofail 0 0\nUUID=8 /srv ext4 nofail 0 0\n")}},
		{"a child before its parent, System V", "mount.fstab-syntax", "warn/medium", "warn/medium", nil, m{"etc/inittab": text("id:3:initdefault:\n"), "etc/fstab": text(slash + "UUID=7 /srv/a ext4 nofail 0 0\nUUID=8 /srv ext4 nofail 0 0\n")}},
		{"a disk of the network elsewhere", "mount.fstab-resolves", "fail/medium", "fail/medium", nil, m{"etc/fstab": text(slash + "UUID=7 /mnt ext4 _netdev 0 0\n")}},
		{"a UUID in capitals", "mount.fstab-resolves", "warn/medium", "warn/medium", child("xfs", "abcd", "2"), m{"etc/fstab": text(slash + "UUID=ABCD /mnt xfs defaults 0 0\n")}},
		{"crypttab a FIFO", "mount.crypttab", "unknown/high", "unknown/high", luks, m{"etc/crypttab": fifo()}},
		{"lvm.conf a FIFO", "disk.lvm-config", "unknown/high", "unknown/high", lvm, m{"etc/lvm/lvm.conf": fifo()}},
		{"the devices file a FIFO", "disk.lvm-devices-file", "unknown/high", "unknown/high", lvm, m{"etc/lvm/devices/system.devices": fifo()}},
		{"mdadm.conf a FIFO", "disk.mdraid", "unknown/medium", "unknown/medium", md, m{"etc/mdadm.conf": fifo()}},
		{"multipath.conf a FIFO", "disk.multipath", "unknown/medium", "unknown/medium", nil, m{"etc/multipath.conf": fifo(), "etc/multipath/wwids": text("/36/\n")}},
		{"a mount unit a FIFO", "mount.units", "unknown/high", "unknown/high", nil, m{"etc/systemd/system/x.mount": fifo()}},
		{"a crypttab of 8 MiB", "mount.crypttab", "unknown/high", "unknown/high", luks, m{"etc/crypttab": text(string(make([]byte, 8<<20)))}},
		{"no mount units", "mount.units", "pass/high", "pass/high", nil, nil},
		{"a mount unit by device", "mount.units", "fail/medium", "fail/medium", nil, m{"etc/systemd/system/data.mount": text("[Mount]\nWhat=/dev/sdb1\nWhere=/data\n[Install]\nWantedBy=local-fs.target\n"), "etc/systemd/system/local-fs.target.wants/data.mount": link("/etc/systemd/system/data.mount")}},
		{"a mount unit that is required", "mount.units", "fail/high", "fail/high", nil, m{"etc/systemd/system/data.mount": text("[Mount]\nWhat=/dev/disk/by-uuid/7\nWhere=/data\n"), "etc/systemd/system/local-fs.target.requires/data.mount": link("/etc/systemd/system/data.mount")}},
		{"a mount unit that is off", "mount.units", "pass/high", "pass/high", nil, m{"etc/systemd/system/data.mount": text("[Mount]\nWhat=/dev/sdb1\nWhere=/data\n[Install]\nWantedBy=local-fs.target\n")}},
		{"a snap", "mount.units", "pass/high", "pass/high", nil, m{"etc/systemd/system/snap-core.mount": text("[Mount]\nWhat=/var/lib/snapd/snaps/core.snap\nWhere=/snap/core\nType=squashfs\n[Install]\nWantedBy=multi-user.target\n"), "etc/systemd/system/multi-user.target.wants/snap-core.mount": link("/etc/systemd/system/snap-core.mount")}},
		{"a service without its mount", "mount.units", "warn/medium", "warn/medium", nil, m{"etc/fstab": text(slash + "UUID=7 /srv ext4 nofail 0 0\n"), "etc/systemd/system/a.service": text("[Unit]\nRequiresMountsFor=/srv/db\n[Install]\nWantedBy=multi-user.target\n"), "etc/systemd/system/multi-user.target.wants/a.service": link("/etc/systemd/system/a.service")}},
		{"fstab switched off", "mount.units", "warn/medium", "warn/medium", nil, m{"etc/systemd/system-generators/systemd-fstab-generator": link("/dev/null")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := disk()
			if c.disk != nil {
				c.disk(&s)
			}
			r := judgeRoot(t, s, with(debian(), c.change), "tencent", "kvm")
			if got := find(t, r, c.check, "tencent"); got != c.tencent {
				t.Errorf("tencent: %s, want %s: %s", got, c.tencent, summaryOf(r, c.check, "tencent"))
			}
			if got := find(t, r, c.check, "kvm"); got != c.kvm {
				t.Errorf("kvm: %s, want %s: %s", got, c.kvm, summaryOf(r, c.check, "kvm"))
			}
			noSecrets(t, r)
		})
	}
}

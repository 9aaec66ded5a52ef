package preflight

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"migimg/blockmap"
	"migimg/blockmap/ptable"
	"migimg/preflight/checks"
	"migimg/preflight/facts"
	"migimg/preflight/guestfs"
	"migimg/preflight/targets"
)

const dpkgStatus = `Package: base-files
Status: install ok installed
Architecture: amd64
Version: 12.4+deb12u5
Description: a package
 with a longer text

Package: cloud-init
Status: install ok installed
Architecture: all
Version: 22.4.2-1+deb12u2
`

// debianState is what a fresh Debian has besides what it boots with.
func debianState() fstest.MapFS {
	return fstest.MapFS{
		"var/lib/dpkg/status": text(dpkgStatus),
		"etc/machine-id":      text("0123456789abcdef0123456789abcdef\n"),
		"etc/hostname":        text("server\n"),
		"etc/adjtime":         text("0.0 0 0.0\n0\nUTC\n"),
		"etc/localtime":       link("/usr/share/zoneinfo/Europe/Berlin"),
		"usr/lib/systemd/system/systemd-timesyncd.service":                  text("[Unit]\n"),
		"etc/systemd/system/sysinit.target.wants/systemd-timesyncd.service": link("/usr/lib/systemd/system/systemd-timesyncd.service"),
		"usr/lib/systemd/system/default.target":                             link("graphical.target"),
		"etc/apt/sources.list":                                              text("deb http://deb.debian.org/debian bookworm main\ndeb http://security.debian.org/debian-security bookworm-security main\n"),
	}
}

func merge(ms ...map[string]*fstest.MapFile) map[string]*fstest.MapFile {
	all := map[string]*fstest.MapFile{}
	for _, m := range ms {
		for k, v := range m {
			all[k] = v
		}
	}
	return all
}

// gathered are the facts of a guest in memory.
func gathered(t *testing.T, s Source, tree fstest.MapFS, o facts.Options) *facts.Facts {
	t.Helper()
	if o.Now.IsZero() {
		o.Now = time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	}
	g := facts.Guest{Found: true, Backend: "test", Root: "1", RootType: "ext4", RootUUID: rootUUID}
	f, err := facts.GatherFS(context.Background(), s, o, g, guestfs.Compose(guestfs.FromFS(tree, "test")))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Each row is one thing about the guest's state, and what has to come of it on
// a KVM host; says is a part of the summary.
func TestStateChecks(t *testing.T) {
	grub := string(debian()["boot/grub/grub.cfg"].Data)
	arg := func(s string) *fstest.MapFile {
		return text(strings.ReplaceAll(grub, "root=UUID="+rootUUID, "root=UUID="+rootUUID+" "+s))
	}
	type m = map[string]*fstest.MapFile
	release := func(s string) m { return m{"etc/os-release": text(s)} }
	old := func(name, s string) m { return m{"etc/os-release": nil, name: text(s)} }
	immutable := func(s string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(s), Mode: 0o644, Sys: &guestfs.Attr{Immutable: true}}
	}
	selinux := func(mode string) m {
		return m{"etc/selinux/config": text("# c\nSELINUX=" + mode + "\nSELINUXTYPE=targeted\n"), "etc/selinux/targeted/policy/policy.33": text("x"), "etc/selinux/targeted/contexts/files/file_contexts": text("x")}
	}
	for _, c := range []struct {
		name, check, want, says string
		change                  m
	}{
		{"Debian 12", "os.supported", "pass/medium", "until 2028-06-30", nil},
		{"Debian 9", "os.supported", "warn/medium", "since 2022-07-01", release("ID=debian\nVERSION_ID=9\nPRETTY_NAME=\"Debian GNU/Linux 9\"\n")},
		{"Debian testing", "os.supported", "pass/medium", "testing", release("ID=debian\nPRETTY_NAME=\"Debian GNU/Linux forky/sid\"\n")},
		{"Ubuntu 20.04", "os.supported", "warn/low", "extended", release("ID=ubuntu\nVERSION_ID=20.04\n")},
		{"CentOS 6 by its elder file", "os.supported", "warn/medium", "CentOS release 6.10 (Final) has had no updates since 2020-11-30", old("etc/redhat-release", "CentOS release 6.10 (Final)\n")},
		{"SLES 11 by its elder file", "os.supported", "warn/medium", "2022-03-31", old("etc/SuSE-release", "SUSE Linux Enterprise Server 11 (x86_64)\nVERSION = 11\nPATCHLEVEL = 4\n")},
		{"CentOS Stream", "os.supported", "pass/medium", "2027", release("ID=centos\nVERSION_ID=9\nPRETTY_NAME=\"CentOS Stream 9\"\n")},
		{"unknown", "os.supported", "warn/info", "not in the table", release("ID=foo\nVERSION_ID=1\n")},
		{"unknown release", "os.supported", "warn/info", "no dates", release("ID=debian\nVERSION_ID=99\n")},
		{"rolling", "os.supported", "pass/medium", "", release("ID=arch\n")},
		{"no release file", "os.supported", "unknown/medium", "", m{"etc/os-release": nil}},

		{"none", "os.selinux", "pass/info", "no SELinux", nil},
		{"enforcing", "os.selinux", "warn/info", "enforcing", selinux("enforcing")},
		{"permissive", "os.selinux", "pass/info", "permissive", selinux("permissive")},
		{"disabled", "os.selinux", "pass/info", "off", selinux("disabled")},
		{"off by argument", "os.selinux", "pass/info", "off", merge(selinux("enforcing"), m{"boot/grub/grub.cfg": arg("selinux=0")})},
		{"no policy", "os.selinux", "fail/high", "not installed", merge(selinux("enforcing"), m{"etc/selinux/targeted/policy/policy.33": nil})},
		{"relabel", "os.selinux", "warn/low", "labels all files", merge(selinux("enforcing"), m{".autorelabel": text("")})},
		{"a word that is none", "os.selinux", "warn/medium", "SELINUX=on", merge(selinux("on"))},

		{"immutable resolv.conf", "os.immutable", "fail/high", "/etc/resolv.conf is immutable", m{"etc/resolv.conf": immutable("")}},
		{"immutable key", "os.immutable", "fail/high", "authorized_keys", m{"root/.ssh/authorized_keys": immutable("")}},
		{"immutable kernel", "os.immutable", "fail/high", "vmlinuz", m{"boot/vmlinuz-old": immutable("")}},
		{"unknown flags", "os.immutable", "unknown/high", "/etc/hosts", m{"etc/hosts": {Data: []byte("x")}}},
		{"resolv.conf into /run", "os.immutable", "pass/high", "", m{"etc/resolv.conf": link("/run/systemd/resolve/stub-resolv.conf")}},

		{"UTC", "os.time", "pass/low", "systemd-timesyncd", nil},
		{"local time", "os.time", "warn/medium", "/etc/adjtime", m{"etc/adjtime": text("0.0 0 0.0\n0\nLOCAL\n")}},
		{"local time of CentOS 6", "os.time", "warn/medium", "/etc/sysconfig/clock", m{"etc/adjtime": nil, "etc/sysconfig/clock": text("ZONE=\"Asia/Shanghai\"\nUTC=false\n")}},
		{"no time service", "os.time", "warn/low", "no time service", m{"etc/systemd/system/sysinit.target.wants/systemd-timesyncd.service": nil}},
		{"the old network's", "os.time", "warn/low", "10.0.0.1, ntp.corp", merge(enabled("chrony.service"), m{"etc/chrony/chrony.conf": text("server 10.0.0.1 iburst\npool ntp.corp\n")})},
		{"one of each", "os.time", "pass/low", "", merge(enabled("chrony.service"), m{"etc/chrony/chrony.conf": text("server 10.0.0.1 iburst\npool 2.debian.pool.ntp.org iburst\n")})},
		{"clocksource", "os.time", "warn/low", "acpi_pm", m{"boot/grub/grub.cfg": arg("clocksource=acpi_pm")}},

		{"moves", "os.identity", "pass/info", "", nil},
		{"a broken id", "os.identity", "warn/low", "machine-id", m{"etc/machine-id": text("x\n")}},

		{"no role", "os.cluster-roles", "pass/medium", "", nil},
		{"corosync", "os.cluster-roles", "warn/medium", "Corosync", merge(enabled("corosync.service"), m{"etc/corosync/corosync.conf": text("")})},
		{"corosync that is off", "os.cluster-roles", "warn/low", "nothing starts it", m{"etc/corosync/corosync.conf": text("")}},
		{"a swarm", "os.cluster-roles", "warn/medium", "swarm", m{"var/lib/docker/swarm/docker-state.json": text("{}")}},
		{"a DNS master", "os.cluster-roles", "warn/medium", "DNS", merge(enabled("bind9.service"), m{"etc/bind/named.conf.local": text("zone \"example.org\" {\n  type master;\n  file \"x\";\n};\n")})},
		{"a caching DNS server", "os.cluster-roles", "pass/medium", "", m{"etc/bind/named.conf.local": text("// type master;\n")}},
		{"an empty exports", "os.cluster-roles", "pass/medium", "", m{"etc/exports": text("# /srv x(ro)\n")}},
		{"exports", "os.cluster-roles", "warn/medium", "NFS", merge(enabled("nfs-server.service"), m{"etc/exports": text("/srv x(ro)\n")})},
		{"MySQL", "os.cluster-roles", "warn/low", "MySQL", m{"etc/mysql/mysql.conf.d/a.cnf": text("[mysqld]\nserver-id = 2\n")}},
		{"a DHCP server", "os.cluster-roles", "warn/medium", "DHCP", enabled("isc-dhcp-server.service")},
		{"a DHCP server that is off", "os.cluster-roles", "pass/medium", "", m{"usr/lib/systemd/system/isc-dhcp-server.service": text("")}},

		{"none", "os.licensing", "pass/low", "", nil},
		{"subscription", "os.licensing", "warn/low", "Red Hat", m{"etc/pki/consumer/cert.pem": text("SECRET")}},
		{"dongle", "os.licensing", "warn/medium", "dongle", m{"usr/sbin/aksusbd": text("")}},

		{"none", "os.secrets", "pass/info", "", m{"etc/ssh/ssh_host_rsa_key": nil}},
		{"keys", "os.secrets", "warn/info", "private SSH keys", m{"home/user/.ssh/id_ed25519": text("SECRET"), "home/user/.ssh/id_ed25519.pub": text("x")}},
		{"only public keys", "os.secrets", "pass/info", "", m{"etc/ssh/ssh_host_rsa_key": nil, "home/user/.ssh/id_ed25519.pub": text("x")}},
		{"a network password", "os.secrets", "warn/info", "network passwords", m{"etc/NetworkManager/system-connections/a": text("[wifi-security]\npsk=SECRET\n")}},
		{"no network password", "os.secrets", "pass/info", "", m{"etc/ssh/ssh_host_rsa_key": nil, "etc/NetworkManager/system-connections/a": text("[ipv4]\nmethod=auto\n")}},

		{"two packages", "os.package-state", "pass/medium", "2 packages", nil},
		{"half-configured", "os.package-state", "warn/medium", "linux-image is half-configured", m{"var/lib/dpkg/status": text(dpkgStatus + "\nPackage: linux-image\nStatus: install ok half-configured\nVersion: 1\nArchitecture: amd64\n")}},
		{"reinst-required", "os.package-state", "warn/medium", "reinstreq", m{"var/lib/dpkg/status": text(dpkgStatus + "\nPackage: a\nStatus: install reinstreq installed\nVersion: 1\nArchitecture: amd64\n")}},
		{"interrupted", "os.package-state", "warn/medium", "interrupted", m{"var/lib/dpkg/updates/0001": text("x")}},
		{"an offline update", "os.package-state", "warn/medium", "installs updates", m{"system-update": link("/var/lib/system-update")}},
		{"a restart is due", "os.package-state", "warn/low", "restart", m{"run/reboot-required": text("")}},
		{"a broken database", "os.package-state", "unknown/medium", "/var/lib/dpkg/status", m{"var/lib/dpkg/status": text("nothing\n\nPackage: x\n")}},
		{"a broken database of rpm", "os.package-state", "unknown/medium", "rpmdb", m{"var/lib/rpm/Packages": text("nothing")}},
		{"no database", "os.package-state", "skip/medium", "", m{"var/lib/dpkg/status": nil}},
		{"Python is gone", "os.package-state", "warn/medium", "python3.11, which is missing", m{"usr/bin/python3.11": nil}},

		{"public mirrors", "os.repos", "pass/low", "2 repositories", nil},
		{"a CD-ROM", "os.repos", "warn/low", "CD-ROM", m{"etc/apt/sources.list": text("deb cdrom:[Debian GNU/Linux 12 _Bookworm_ - Official amd64]/ bookworm main\n")}},
		{"a mirror of one's own", "os.repos", "warn/low", "old network", m{"etc/apt/sources.list": text("deb [signed-by=/x] http://user:SECRET@mirror.corp:3142/debian bookworm main\n")}},
		{"a cloud's mirror", "os.repos", "warn/low", "Tencent", m{"etc/apt/sources.list.d/a.sources": text("Types: deb\nURIs: http://mirrors.tencentyun.com/debian\nSuites: bookworm\nComponents: main\n")}},
		{"a cloud's time server", "os.time", "warn/low", "time1.tencentyun.com", merge(enabled("chrony.service"), m{"etc/chrony/chrony.conf": text("server time1.tencentyun.com iburst\n")})},
		{"RHUI", "os.licensing", "warn/medium", "within its own cloud", m{"var/lib/dpkg/status": text(dpkgStatus + "\nPackage: rh-amazon-rhui-client\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n")}},
		{"a proxy", "os.repos", "warn/low", "proxy of the old network", m{"etc/apt/apt.conf.d/01": text("Acquire::http::Proxy \"http://u:SECRET@10.1.1.1:3128\";\n")}},
		{"CentOS 6", "os.repos", "warn/low", "does not have", merge(old("etc/redhat-release", "CentOS release 6.10 (Final)\n"), m{"etc/apt/sources.list": nil, "etc/yum.repos.d/CentOS-Base.repo": text("[base]\nname=x\nmirrorlist=http://mirrorlist.centos.org/?release=$releasever&arch=$basearch\ngpgcheck=1\n\n[plus]\nbaseurl=http://mirror.centos.org/centos/\nenabled=0\n")})},
		{"all disabled", "os.repos", "warn/low", "disabled", m{"etc/apt/sources.list": nil, "etc/yum.repos.d/a.repo": text("[a]\nbaseurl=http://example.org/\nenabled=0\n")}},
		{"none", "os.repos", "skip/low", "", m{"etc/apt/sources.list": nil}},

		{"a server with graphical.target", "os.boot-target", "pass/high", "graphical.target", nil},
		{"a desktop", "os.boot-target", "warn/low", "desktop", m{"var/lib/dpkg/status": text(dpkgStatus + "\nPackage: gdm3\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n")}},
		{"rescue", "os.boot-target", "fail/high", "rescue.target", m{"etc/systemd/system/default.target": link("/lib/systemd/system/rescue.target")}},
		{"runlevel 1", "os.boot-target", "fail/high", "1", m{"usr/lib/systemd/system/default.target": nil, "etc/inittab": text("# c\nid:1:initdefault:\n")}},
		{"runlevel 3", "os.boot-target", "pass/high", "3", m{"usr/lib/systemd/system/default.target": nil, "etc/inittab": text("id:3:initdefault:\n")}},
		{"single", "os.boot-target", "fail/high", "single", m{"boot/grub/grub.cfg": arg("single")}},
		{"a shell", "os.boot-target", "fail/high", "shell", m{"boot/grub/grub.cfg": arg("init=/bin/bash")}},
		{"forced fsck", "os.boot-target", "warn/low", "checks all", m{"forcefsck": text("")}},
		{"a wizard", "os.boot-target", "warn/medium", "questions", m{".unconfigured": text("")}},
		{"initial-setup", "os.boot-target", "warn/medium", "first set-up", enabled("initial-setup.service")},

		{"no X", "os.xorg", "pass/low", "", nil},
		{"a card by its place", "os.xorg", "warn/low", "nvidia", m{"etc/X11/xorg.conf": text("Section \"Device\"\n  Identifier \"x\"\n  Driver \"nvidia\"\n  BusID \"PCI:1:0:0\"\nEndSection\n")}},
		{"any card", "os.xorg", "pass/low", "", m{"etc/X11/xorg.conf.d/a.conf": text("Section \"Device\"\n Driver \"modesetting\"\nEndSection\n")}},

		{"one filesystem", "os.usr-split", "pass/medium", "", nil},
		{"/usr apart", "os.usr-split", "warn/medium", "LABEL=usr", m{"etc/fstab": text("UUID=" + rootUUID + " / ext4 defaults 0 1\nLABEL=usr /usr ext4 defaults 0 2\n")}},

		{"Debian", "os.case", "pass/medium", "", nil},
		{"NixOS", "os.case", "warn/medium", "NixOS", m{"etc/NIXOS": text("")}},
		{"ostree", "os.case", "warn/medium", "ostree", m{"ostree/deploy/x/y": text("")}},
		{"Flatcar", "os.case", "warn/medium", "Ignition", m{"usr/lib/os-release": text("NAME=\"Flatcar\"\nID=flatcar\n")}},

		{"no agent", "agent.target", "warn/info", "qemu-guest-agent", nil},
		{"the agent", "agent.target", "pass/info", "qemu-guest-agent", m{"usr/sbin/qemu-ga": text("")}},
		{"nothing", "agent.hardware", "pass/low", "", nil},
		{"a broken database", "agent.hardware", "unknown/low", "/var/lib/dpkg/status", m{"var/lib/dpkg/status": text("Package: x\n")}},
		{"iSCSI", "agent.hardware", "warn/low", "iSCSI", m{"etc/iscsi/nodes/iqn/10.0.0.1/default": text("")}},
		{"smartd", "agent.hardware", "warn/low", "smartd", enabled("smartd.service")},
		{"smartd that is off", "agent.hardware", "pass/low", "", m{"usr/lib/systemd/system/smartd.service": text("")}},
		{"a watchdog", "agent.hardware", "warn/medium", "watchdog", enabled("watchdog.service")},
		{"systemd's watchdog", "agent.hardware", "warn/low", "watchdog", m{"etc/systemd/system.conf": text("[Manager]\n#RuntimeWatchdogSec=0\nRuntimeWatchdogSec=30\n")}},
		{"nothing", "agent.security", "pass/low", "", nil},
		{"Falcon", "agent.security", "warn/low", "CrowdStrike", m{"opt/CrowdStrike/falconctl": text("")}},
		{"auditd", "agent.security", "warn/low", "audit log", m{"etc/audit/rules.d/a.rules": text("-D\n-f 2\n")}},
		{"a kernel module of VMware", "agent.conflicts", "fail/high", "kernel modules", m{"var/lib/dpkg/status": text(dpkgStatus + "\nPackage: kmod-vmware-tools-vmci\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n")}},
		{"Xen in SUSE's initrd", "agent.conflicts", "fail/high", "SUSE", m{"etc/sysconfig/kernel": text("INITRD_MODULES=\"xenblk ext3\"\n")}},
		{"Xen consoles", "agent.conflicts", "fail/high", "inittab", m{"etc/inittab": text("co:2345:respawn:/sbin/agetty xvc0 9600 vt100-nav\n")}},
		{"a cloud's agent that runs", "agent.conflicts", "warn/medium", "accounts or the network", merge(enabled("waagent.service"), m{"usr/sbin/waagent": text("")})},
		{"by its package", "agent.conflicts", "warn/low", "open-vm-tools", m{"var/lib/dpkg/status": text(dpkgStatus + "\nPackage: open-vm-tools\nStatus: install ok installed\nVersion: 12\nArchitecture: amd64\n")}},
		{"removed, configuration left", "agent.conflicts", "pass/high", "", m{"var/lib/dpkg/status": text(dpkgStatus + "\nPackage: open-vm-tools\nStatus: deinstall ok config-files\nVersion: 12\nArchitecture: amd64\n")}},
	} {
		t.Run(c.check+" "+c.name, func(t *testing.T) {
			r := judge(t, disk(), with(debian(), c.change), "kvm")
			got, summary := find(t, r, c.check, "kvm"), summaryOf(r, c.check, "kvm")
			if got != c.want || !strings.Contains(summary, c.says) {
				t.Errorf("%s %q, want %s and %q", got, summary, c.want, c.says)
			}
			var b strings.Builder
			if err := r.WriteJSON(&b); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(b.String(), "SECRET") {
				t.Error("the report holds a secret")
			}
		})
	}
}

// What belongs to a cloud is of use there.
func TestCloudHosts(t *testing.T) {
	tree := with(debian(), merge(enabled("chrony.service"), map[string]*fstest.MapFile{"etc/chrony/chrony.conf": text("server time1.tencentyun.com\n"),
		"etc/apt/sources.list": text("deb http://mirrors.tencentyun.com/debian bookworm main\n")}))
	r := judge(t, disk(), tree, "kvm", "tencent")
	for _, id := range []string{"os.repos", "os.time"} {
		if a, b := find(t, r, id, "kvm"), find(t, r, id, "tencent"); a != "warn/low" || b != "pass/low" {
			t.Errorf("%s: kvm %s, tencent %s", id, a, b)
		}
	}
}

// A template must not carry one machine's identity; a machine that moves does.
func TestTemplate(t *testing.T) {
	tree := with(debian(), map[string]*fstest.MapFile{"etc/ssh/ssh_host_ed25519_key": mode(text("SECRET"), 0o600, 0, 0), "root/.bash_history": text("SECRET")})
	ts, err := targets.Load("kvm")
	if err != nil {
		t.Fatal(err)
	}
	for _, template := range []bool{false, true} {
		f := gathered(t, disk(), tree, facts.Options{Template: template})
		for id, want := range map[string][2]string{"os.identity": {"pass/info", "fail/medium"}, "os.secrets": {"warn/info", "warn/medium"}} {
			r := checks.Find(id).Judge(f, ts[0])
			if got := string(r.Status) + "/" + string(r.Severity); got != want[map[bool]int{true: 1}[template]] {
				t.Errorf("%s, template %v: %s %s", id, template, got, r.Summary)
			}
		}
	}
}

// A disk of another operating system is no data disk without a word.
func TestForeignSystems(t *testing.T) {
	ts, err := targets.Load("kvm")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, kind, fstype, want string }{
		{"Windows, MBR", "0x07", "ntfs", "Windows"}, {"Windows, GPT", "E3C9E316-0B5C-4DB8-817D-F92DF00215AE", "", "Windows"}, {"FreeBSD", "0xa5", "", "FreeBSD"}, {"a data disk", "0x83", "ext4", ""},
	} {
		s := disk()
		s.Table.Partitions = []ptable.Partition{{Number: 1, Start: 1 << 20, Size: 1 << 30, Type: c.kind, Bootable: true}}
		s.Volumes = &blockmap.VolumeInfo{Report: blockmap.Report{Type: "mbr"}, Size: 4 << 30, Children: []*blockmap.VolumeInfo{{Report: blockmap.Report{Type: c.fstype}, Name: "1", Start: 1 << 20, Size: 1 << 30}}}
		f := gathered(t, s, fstest.MapFS{}, facts.Options{})
		f.Guest.Found = false
		f.SetAbsent(facts.KeyGuest, facts.Absence{NotApplicable: true, Reason: "data disk"})
		r := checks.Find("os.case").Judge(f, ts[0])
		if c.want == "" && r.Status != checks.Skip || c.want != "" && (r.Status != checks.Warn || !strings.Contains(r.Summary, c.want)) {
			t.Errorf("%s: %s %s", c.name, r.Status, r.Summary)
		}
	}
}

// Labels are there on a real filesystem only, so the facts are made by hand.
func TestSELinuxLabels(t *testing.T) {
	ts, err := targets.Load("kvm")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, want string
		s          facts.SELinux
	}{
		{"labelled", "warn/info", facts.SELinux{Labelled: 5}},
		{"a file without", "fail/medium", facts.SELinux{Unlabelled: []string{"/etc/shadow"}, Labelled: 5}},
		{"a file without, but all are labelled anew", "warn/low", facts.SELinux{Unlabelled: []string{"/etc/shadow"}, Relabel: "/.autorelabel"}},
		{"unknown", "warn/info", facts.SELinux{LabelsUnknown: "no reader"}},
		{"enforcing=0", "pass/info", facts.SELinux{Off: "enforcing=0", Unlabelled: []string{"/etc/shadow"}}},
		{"a problem", "unknown/info", facts.SELinux{Problems: []string{"cannot be read"}}},
	} {
		f := gathered(t, disk(), debian(), facts.Options{})
		c.s.Config, c.s.Mode, c.s.Type, c.s.Policy, c.s.Contexts = "/etc/selinux/config", "enforcing", "targeted", "/p", "/c"
		f.State.SELinux = c.s
		r := checks.Find("os.selinux").Judge(f, ts[0])
		if got := string(r.Status) + "/" + string(r.Severity); got != c.want {
			t.Errorf("%s: %s %s", c.name, got, r.Summary)
		}
	}
}

package preflight

import (
	"bytes"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"migimg/preflight/guestfs"
)

// locked is the ready guest without a password and without cloud-init: the rows
// below open one way in, or close it again.
func locked(change map[string]*fstest.MapFile) fstest.MapFS {
	m := with(debian(), map[string]*fstest.MapFile{
		"usr/bin/cloud-init": nil,
		"etc/shadow":         mode(text("root:*:19000:0:99999:7:::\nuser:!:19000:0:99999:7:::\n"), 0o640, 0, 42),
	})
	return with(m, change)
}

func keyOf(s string) *fstest.MapFile {
	return mode(text(s+"ssh-ed25519 AAAASECRETKEYAAAA me@here\n"), 0o600, 0, 0)
}

const anyHash = "$6$SECRETSALT$SECRETHASHSECRETHASH"

// Each row is one guest and what has to come of one check. Where kvm is empty it
// is as tencent.
func TestAccessChecks(t *testing.T) {
	type m = map[string]*fstest.MapFile
	shadow := func(lines ...string) *fstest.MapFile {
		return mode(text(strings.Join(lines, "\n")+"\n"), 0o640, 0, 42)
	}
	config := func(s string) *fstest.MapFile { return text(s) }
	cfg := "etc/ssh/sshd_config"
	rootKey := "root/.ssh/authorized_keys"
	userKey := "home/user/.ssh/authorized_keys"
	noKeys := m{"etc/ssh/ssh_host_rsa_key": nil}
	and := func(list ...m) m {
		out := m{}
		for _, x := range list {
			for k, v := range x {
				out[k] = v
			}
		}
		return out
	}
	off := m{"etc/systemd/system/multi-user.target.wants/ssh.service": nil}
	for _, c := range []struct {
		name, check, tencent, kvm string
		guest                     fstest.MapFS
	}{
		{"ready", "access.ssh", "pass/high", "", debian()},
		{"no server", "access.ssh", "fail/high", "", locked(m{"usr/sbin/sshd": nil})},
		{"dropbear", "access.ssh", "pass/high", "", locked(m{"usr/sbin/sshd": nil, "usr/sbin/dropbear": text(""), "etc/rc2.d/S01dropbear": link("../init.d/dropbear")})},
		{"not enabled", "access.ssh", "fail/high", "", locked(off)},
		{"masked", "access.ssh", "fail/high", "", locked(m{"etc/systemd/system/ssh.service": link("/dev/null")})},
		{"by a socket", "access.ssh", "pass/high", "", locked(and(off, m{"usr/lib/systemd/system/ssh.socket": text(""), "etc/systemd/system/sockets.target.wants/ssh.socket": link("/usr/lib/systemd/system/ssh.socket")}))},
		{"by OpenRC", "access.ssh", "pass/high", "", locked(and(off, m{"etc/runlevels/default/sshd": link("/etc/init.d/sshd")}))},
		{"by System V", "access.ssh", "pass/high", "", locked(and(off, m{"etc/rc3.d/S55sshd": link("../init.d/sshd")}))},
		{"a script beside a unit that is off", "access.ssh", "fail/high", "", locked(and(off, m{"usr/lib/systemd/systemd": text(""), "etc/rc3.d/S55ssh": link("../init.d/ssh")}))},
		{"no configuration", "access.ssh", "fail/high", "", locked(m{cfg: nil})},
		{"a configuration that is a pipe", "access.ssh", "unknown/high", "", locked(m{cfg: {Mode: fs.ModeNamedPipe}})},
		{"a bad value", "access.ssh", "fail/high", "", locked(m{cfg: config("PermitRootLogin sometimes\n")})},
		{"another port", "access.ssh", "warn/info", "", locked(m{cfg: config("Port 2222\n")})},
		{"an old address", "access.ssh", "fail/high", "", locked(m{cfg: config("ListenAddress 10.1.2.3\nListenAddress [fd00::1]:22\n")})},
		{"an old address and all", "access.ssh", "pass/high", "", locked(m{cfg: config("ListenAddress 10.1.2.3\nListenAddress 0.0.0.0:22\n")})},
		{"loopback", "access.ssh", "fail/high", "", locked(m{cfg: config("ListenAddress 127.0.0.1\nListenAddress ::1\n")})},
		{"an include that cannot be read", "access.ssh", "unknown/high", "", locked(m{"etc/ssh/sshd_config.d/a.conf": {Mode: fs.ModeNamedPipe}})},

		{"host keys", "access.host-keys", "pass/high", "", debian()},
		{"none, Debian", "access.host-keys", "fail/high", "", locked(noKeys)},
		{"none, cloud-init", "access.host-keys", "pass/high", "unknown/high", with(debian(), noKeys)},
		{"none, cloud-init for another cloud", "access.host-keys", "fail/high", "", with(debian(), and(noKeys, m{"etc/cloud/cloud.cfg.d/99.cfg": text("datasource_list: [Azure]\n")}))},
		{"none, made by the unit", "access.host-keys", "pass/high", "", locked(and(noKeys, m{"usr/lib/systemd/system/ssh.service": text("[Service]\nExecStartPre=/usr/bin/ssh-keygen -A\n")}))},
		{"none, a comment names it", "access.host-keys", "fail/high", "", locked(and(noKeys, m{"usr/lib/systemd/system/ssh.service": text("[Service]\n# ssh-keygen -A\n")}))},
		{"none, RHEL's unit", "access.host-keys", "pass/high", "", locked(and(noKeys, m{"usr/lib/systemd/system/sshd.service": text("[Unit]\nWants=sshd-keygen.target\n")}))},
		{"none, RHEL's unit masked", "access.host-keys", "pass/high", "", locked(and(noKeys, m{"etc/init.d/sshd": text("ssh-keygen -A\n")}))},
		{"a missing one by name", "access.host-keys", "fail/high", "", locked(m{cfg: config("HostKey /etc/ssh/other_key\n")})},

		{"nothing", "access.login-path", "fail/high", "", locked(nil)},
		{"a password", "access.login-path", "warn/medium", "", locked(m{"etc/shadow": shadow("root:"+anyHash+":19000::::::", "user:!:1::::::"), cfg: config("PermitRootLogin no\nUsePAM yes\n")})},
		{"root's password over SSH", "access.login-path", "pass/high", "", locked(m{"etc/shadow": shadow("root:"+anyHash+":19000::::::", "user:!:1::::::"), cfg: config("PermitRootLogin yes\n")})},
		{"root's password, dead", "access.login-path", "fail/high", "", locked(m{"etc/shadow": shadow("root:"+anyHash+":15000:0:90:7:30::", "user:!:1::::::"), cfg: config("PermitRootLogin yes\n")})},
		{"a user's password, no sudo", "access.login-path", "fail/high", "", locked(m{"etc/shadow": shadow("root:*:1::::::", "user:"+anyHash+":19000::::::")})},
		{"a sudoer's password", "access.login-path", "pass/high", "", locked(m{"etc/shadow": shadow("root:*:1::::::", "user:"+anyHash+":19000::::::"), "usr/bin/sudo": text(""), "etc/sudoers": mode(text("user ALL=(ALL) ALL\n"), 0o440, 0, 0)})},
		{"a sudoer's password, passwords off", "access.login-path", "warn/medium", "", locked(m{cfg: config("PasswordAuthentication no\n"), "etc/shadow": shadow("root:*:1::::::", "user:"+anyHash+":19000::::::"), "usr/bin/sudo": text(""), "etc/sudoers": mode(text("user ALL=(ALL) ALL\n"), 0o440, 0, 0)})},
		{"a sudoer's password, account over", "access.login-path", "fail/high", "", locked(m{"etc/shadow": shadow("root:*:1::::::", "user:"+anyHash+":19000:::::19001:"), "usr/bin/sudo": text(""), "etc/sudoers": mode(text("user ALL=(ALL) ALL\n"), 0o440, 0, 0)})},
		{"root's key", "access.login-path", "pass/high", "", locked(m{rootKey: keyOf("")})},
		{"root's key, no root", "access.login-path", "fail/high", "", locked(m{rootKey: keyOf(""), cfg: config("PermitRootLogin no\n")})},
		{"root's key, a command", "access.login-path", "fail/high", "", locked(m{rootKey: keyOf("no-pty,command=\"echo no, really\" ")})},
		{"root's key, from somewhere", "access.login-path", "unknown/high", "", locked(m{rootKey: keyOf("from=\"10.*\" ")})},
		{"root's key, written by all", "access.login-path", "fail/high", "", locked(m{rootKey: mode(keyOf(""), 0o666, 0, 0)})},
		{"root's key, written by all, no StrictModes", "access.login-path", "pass/high", "", locked(m{rootKey: mode(keyOf(""), 0o666, 0, 0), cfg: config("StrictModes no\n")})},
		{"a user's key", "access.login-path", "pass/high", "", locked(m{userKey: keyOf("")})},
		{"a user's key, not allowed", "access.login-path", "fail/high", "", locked(m{userKey: keyOf(""), cfg: config("AllowGroups wheel\nUsePAM yes\n")})},
		{"a user's key elsewhere", "access.login-path", "pass/high", "", locked(m{"etc/ssh/keys/user": keyOf(""), cfg: config("AuthorizedKeysFile /etc/ssh/keys/%u\nUsePAM yes\n")})},
		{"a user's key without a shell", "access.login-path", "fail/high", "", locked(m{userKey: keyOf(""), "etc/passwd": text("root:x:0:0::/root:/bin/bash\nuser:x:1000:1000::/home/user:/usr/sbin/nologin\n")})},
		{"a user's key and nologin", "access.login-path", "fail/high", "", locked(m{userKey: keyOf(""), "etc/nologin": text("")})},
		{"a key and an address", "access.login-path", "unknown/high", "", locked(m{userKey: keyOf(""), cfg: config("PubkeyAuthentication no\nUsePAM yes\nMatch Address 10.0.0.0/8\nPubkeyAuthentication yes\n")})},
		{"a key, no sshd at boot", "access.login-path", "fail/high", "", locked(and(off, m{rootKey: keyOf("")}))},
		{"a key, no host key", "access.login-path", "fail/high", "", locked(and(noKeys, m{rootKey: keyOf("")}))},
		{"a key and access.conf", "access.login-path", "fail/high", "", locked(m{userKey: keyOf(""), "etc/pam.d/sshd": text("account required pam_access.so\n"), "etc/security/access.conf": text("- : ALL EXCEPT root : ALL\n")})},
		{"cloud-init", "access.login-path", "pass/high", "unknown/high", with(debian(), m{"etc/shadow": shadow("root:*:1::::::", "user:!:1::::::")})},
		{"cloud-init, no host key yet", "access.login-path", "pass/high", "unknown/high", with(debian(), and(noKeys, m{"etc/shadow": shadow("root:*:1::::::", "user:!:1::::::")}))},
		{"cloud-init without users", "access.login-path", "unknown/high", "", with(debian(), m{"etc/cloud/cloud.cfg": text("users: []\n"), "etc/shadow": shadow("root:*:1::::::", "user:!:1::::::")})},
		{"the guest agent", "access.login-path", "fail/high", "unknown/high", locked(m{"usr/sbin/qemu-ga": text(""), "usr/lib/systemd/system/qemu-guest-agent.service": text(""), "etc/systemd/system/a.target.wants/qemu-guest-agent.service": link("x")})},
		{"no shadow to read", "access.login-path", "unknown/high", "", locked(m{"etc/shadow": {Mode: fs.ModeNamedPipe}})},

		{"files only", "access.directory", "pass/medium", "", with(debian(), m{"etc/nsswitch.conf": text("passwd: files systemd\ngroup: files [SUCCESS=merge] systemd\n")})},
		{"sss, not set up", "access.directory", "pass/medium", "", with(debian(), m{"etc/nsswitch.conf": text("passwd: sss files systemd\n")})},
		{"sssd", "access.directory", "warn/medium", "", with(debian(), m{"etc/nsswitch.conf": text("passwd: files sss\n"), "etc/sssd/sssd.conf": text("[sssd]\n"), "etc/krb5.keytab": text("SECRET")})},
		{"LDAP", "access.directory", "warn/medium", "", with(debian(), m{"etc/nsswitch.conf": text("passwd: files ldap\n")})},

		{"no PAM", "access.pam-mfa", "pass/low", "", debian()},
		{"a code", "access.pam-mfa", "warn/low", "", with(debian(), m{"etc/pam.d/sshd": text("@include common-auth\nauth required pam_google_authenticator.so\n")})},
		{"a code, nullok", "access.pam-mfa", "warn/info", "", with(debian(), m{"etc/pam.d/sshd": text("auth required pam_google_authenticator.so nullok\n")})},
		{"Duo in an include", "access.pam-mfa", "warn/low", "", with(debian(), m{"etc/pam.d/sshd": text("auth substack password-auth\n"), "etc/pam.d/password-auth": text("auth include password-auth\nauth [success=1 default=ignore] pam_unix.so\nauth  requisite /lib64/security/pam_duo.so\n")})},
		{"faillock", "access.pam-mfa", "pass/low", "", with(debian(), m{"etc/pam.d/sshd": text("auth required pam_faillock.so preauth\n")})},
		{"faillock and root", "access.pam-mfa", "warn/low", "", with(debian(), m{"etc/pam.d/sshd": text("auth required pam_faillock.so preauth\n"), "etc/security/faillock.conf": text("even_deny_root # x\n")})},
		{"access.conf", "access.pam-mfa", "warn/low", "", with(debian(), m{"etc/pam.d/sshd": text("account required pam_access.so\n"), "etc/security/access.conf": text("+ : root : 10.0.0.0/8\n- : ALL : ALL\n")})},

		{"not in shadow", "access.accounts", "warn/medium", "", with(debian(), m{"etc/shadow": shadow("root:*:1::::::")})},
		{"read-only root", "access.accounts", "fail/high", "", with(debian(), m{"etc/fstab": text("UUID=" + rootUUID + " / ext4 ro 0 1\n")})},
		{"an old password", "access.accounts", "warn/medium", "", with(debian(), m{"etc/shadow": shadow("root:"+anyHash+":15000:0:90:7:::", "user:*:1::::::")})},
		{"an account that is over", "access.accounts", "warn/low", "", with(debian(), m{"etc/shadow": shadow("root:*:1::::::", "user:*:1:::::15000:")})},
		{"two roots", "access.accounts", "warn/info", "", with(debian(), m{"etc/passwd": text("root:x:0:0:root:/root:/bin/bash\nuser:x:1000:1000::/home/user:/bin/bash\ntoor:*:0:0::/root:/bin/bash\n")})},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := judge(t, disk(), c.guest, "tencent", "kvm")
			if c.kvm == "" {
				c.kvm = c.tencent
			}
			for target, want := range map[string]string{"tencent": c.tencent, "kvm": c.kvm} {
				if got := find(t, r, c.check, target); got != want {
					t.Errorf("%s: %s, want %s: %s", target, got, want, summaryOf(r, c.check, target))
				}
			}
			var b bytes.Buffer
			if err := r.WriteJSON(&b); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(b.String(), "SECRET") || strings.Contains(b.String(), "$6$") {
				t.Error("the report holds a key or a hash")
			}
		})
	}
}

// script is a ds-identify whose parts that are read are as upstream's.
const script = "#!/bin/sh\nDI_DEFAULT_POLICY=\"search,found=all,maybe=none,notfound=${DI_DISABLED}\"\nDI_DSLIST_DEFAULT=\"NoCloud ConfigDrive \\\nEc2 OpenStack\"\n" +
	"get_single_line_flow_sequence() {\n}\ndscheck_NoCloud() {\ndscheck_ConfigDrive() {\ndscheck_Ec2() {\ndscheck_OpenStack() {\n        ds) _rc_dsname=\"$val\" ;;\n"

func TestCloudInitChecks(t *testing.T) {
	grub := string(debian()["boot/grub/grub.cfg"].Data)
	arg := func(s string) *fstest.MapFile {
		return text(strings.ReplaceAll(grub, "root=UUID="+rootUUID, "root=UUID="+rootUUID+" "+s))
	}
	type m = map[string]*fstest.MapFile
	unit := func(wants string, names ...string) m {
		out := m{"usr/lib/systemd/system/cloud-init.service": nil, "etc/systemd/system/a.target.wants/cloud-init.service": nil}
		for _, n := range names {
			out["usr/lib/systemd/system/"+n] = text("")
			if wants != "" {
				out["etc/systemd/system/"+wants+"/"+n] = link("/usr/lib/systemd/system/" + n)
			}
		}
		return out
	}
	generated := func(x m) m {
		x["usr/lib/systemd/system-generators/cloud-init-generator"] = text("")
		return x
	}
	list := func(s string) *fstest.MapFile { return text("datasource_list: " + s + "\n") }
	ident := func(change m) m {
		out := m{"usr/lib/cloud-init/ds-identify": text(script)}
		for k, v := range change {
			out[k] = v
		}
		return out
	}
	drop := "etc/cloud/cloud.cfg.d/95.cfg"
	for _, c := range []struct {
		name, check, tencent string
		change               m
	}{
		{"ready", "cloudinit.installed", "pass/blocker", nil},
		{"its Python is gone", "cloudinit.installed", "fail/high", m{"usr/bin/python3": nil}},
		{"units of today", "cloudinit.enabled", "pass/high", generated(unit("cloud-init.target.wants", "cloud-init-main.service", "cloud-init-local.service", "cloud-init-network.service", "cloud-config.service", "cloud-final.service"))},
		{"one unit off", "cloudinit.enabled", "warn/medium", m{"usr/lib/systemd/system/cloud-final.service": text("")}},
		{"units off", "cloudinit.enabled", "fail/high", unit("", "cloud-init.service", "cloud-init-local.service")},
		{"no units", "cloudinit.enabled", "fail/high", unit("")},
		{"environment of systemd", "cloudinit.enabled", "fail/high", m{"etc/systemd/system.conf": text("[Manager]\nDefaultEnvironment=\"KERNEL_CMDLINE=cloud-init=disabled\"\n")}},
		{"environment in a drop-in", "cloudinit.enabled", "fail/high", m{"etc/systemd/system.conf.d/a.conf": text("[Manager]\nDefaultEnvironment=KERNEL_CMDLINE=cloud-init=disabled\n")}},
		{"policy", "cloudinit.enabled", "fail/high", m{"etc/cloud/ds-identify.cfg": text("policy: disabled\n")}},
		{"policy as an argument", "cloudinit.enabled", "fail/high", m{"boot/grub/grub.cfg": arg("ci.di.policy=disabled")}},
		{"another argument", "cloudinit.enabled", "pass/high", m{"boot/grub/grub.cfg": arg("xcloud-init=disabled")}},
		{"the generator masked", "cloudinit.enabled", "fail/high", m{"etc/systemd/system-generators/cloud-init-generator": link("/dev/null")}},
		{"no generator", "cloudinit.enabled", "fail/high", unit("cloud-init.target.wants", "cloud-init.service")},
		{"a generator", "cloudinit.enabled", "pass/high", generated(unit("cloud-init.target.wants", "cloud-init.service"))},
		{"no module for users", "cloudinit.enabled", "warn/medium", m{drop: text("cloud_init_modules: [ssh, bootcmd]\n")}},
		{"modules with _", "cloudinit.enabled", "pass/high", m{drop: text("cloud_init_modules: [ssh, [users_groups, always]]\ncloud_config_modules: [set_passwords]\n")}},

		{"ds-identify", "cloudinit.datasource", "pass/high", ident(nil)},
		{"ds-identify, one for all", "cloudinit.datasource", "pass/high", ident(m{drop: list("[ ConfigDrive ]")})},
		{"ds-identify, another", "cloudinit.datasource", "fail/high", ident(m{drop: list("[ Ec2, OpenStack, None ]")})},
		{"ds-identify, another alone", "cloudinit.datasource", "fail/high", ident(m{drop: list("[ Azure ]")})},
		{"ds-identify cannot read it and searches", "cloudinit.datasource", "pass/high", ident(m{drop: text("datasource_list:\n- Ec2\n- None\n")})},
		{"ds-identify told", "cloudinit.datasource", "fail/high", ident(m{"etc/cloud/ds-identify.cfg": text("datasource: Ec2\n")})},
		{"ds-identify told right", "cloudinit.datasource", "pass/high", ident(m{"etc/cloud/ds-identify.cfg": text("datasource: ConfigDrive\n")})},
		{"an argument", "cloudinit.datasource", "fail/high", ident(m{"boot/grub/grub.cfg": arg("ds=nocloud;s=http://x/")})},
		{"an argument without ds-identify", "cloudinit.datasource", "fail/high", m{"boot/grub/grub.cfg": arg("ds=nocloud-net")}},
		{"a seed in the configuration", "cloudinit.datasource", "fail/high", ident(m{drop: text("datasource:\n  NoCloud:\n    user-data: |\n      #cloud-config\n      password: SECRET\n    meta-data: |\n      instance-id: x\n")})},
		{"a seed of another", "cloudinit.datasource", "pass/high", ident(m{"var/lib/cloud/seed/ec2/user-data": text(""), "var/lib/cloud/seed/ec2/meta-data": text("")})},
		{"half a seed", "cloudinit.datasource", "pass/high", m{"var/lib/cloud/seed/nocloud/user-data": text("")}},
		{"a list that is a pipe", "cloudinit.datasource", "unknown/high", m{drop: {Mode: fs.ModeNamedPipe, Sys: &guestfs.Attr{}}}},

		{"fresh", "cloudinit.state", "pass/low", nil},
		{"it ran", "cloudinit.state", "warn/low", m{"var/lib/cloud/data/instance-id": text("i-0abc\n"), "var/lib/cloud/instance/datasource": text("DataSourceEc2: DataSourceEc2Local\n")}},
		{"manual clean", "cloudinit.state", "warn/medium", m{drop: text("manual_cache_clean: true\n")}},
		{"network off", "cloudinit.state", "warn/medium", m{drop: text("network: {config: disabled}\n")}},
		{"network off and on again", "cloudinit.state", "pass/low", m{drop: text("network: {config: disabled}\n"), "etc/cloud/cloud.cfg.d/99.cfg": text("network: {version: 2}\n")}},
		{"host name", "cloudinit.state", "warn/info", m{drop: text("preserve_hostname: true\n")}},
		{"disabled", "cloudinit.state", "skip/low", m{"etc/cloud/cloud-init.disabled": text("")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := judge(t, disk(), with(debian(), c.change), "tencent", "kvm")
			if got := find(t, r, c.check, "tencent"); got != c.tencent {
				t.Errorf("%s, want %s: %s", got, c.tencent, summaryOf(r, c.check, "tencent"))
			}
			var b bytes.Buffer
			if err := r.WriteJSON(&b); err != nil || strings.Contains(b.String(), "SECRET") {
				t.Errorf("%v, or a secret", err)
			}
		})
	}
}

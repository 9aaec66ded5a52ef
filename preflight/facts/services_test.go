package facts

import (
	"context"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"migimg/preflight/guestfs"
)

func gathered(t *testing.T, m fstest.MapFS, s Source) *Facts {
	t.Helper()
	f, err := GatherFS(context.Background(), s, Options{}, Guest{Found: true}, guestfs.Compose(guestfs.FromFS(m, "test")))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func regular(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s), Mode: 0o644} }
func to(s string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte(s), Mode: fs.ModeSymlink | 0o777}
}

// A line is a file ("PATH=text") or a link ("PATH->target").
func systemOf(lines ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for _, l := range lines {
		if p, target, ok := strings.Cut(l, "->"); ok {
			m[p] = to(target)
		} else {
			p, text, _ := strings.Cut(l, "=")
			m[p] = regular(text)
		}
	}
	return m
}

func TestServices(t *testing.T) {
	systemd := []string{"etc/machine-id=abc\n", "sbin/init->/lib/systemd/systemd", "lib->usr/lib", "etc/systemd/system/default.target->/lib/systemd/system/multi-user.target",
		"usr/lib/systemd/system/multi-user.target=[Unit]\nRequires=basic.target\n", "usr/lib/systemd/system/graphical.target=[Unit]\nWants=display.service\n"}
	const (
		unit   = "usr/lib/systemd/system/"
		etc    = "etc/systemd/system/"
		wanted = "[Unit]\n[Install]\nWantedBy=multi-user.target\n"
	)
	for _, c := range []struct {
		name, service string
		files         []string
		on            Answer
		state         UnitState
		init          string
	}{
		{"enabled", "a", []string{unit + "a.service=" + wanted, etc + "multi-user.target.wants/a.service->/lib/systemd/system/a.service"}, AnswerYes, UnitEnabled, "systemd"},
		{"by its whole name", "a.service", []string{unit + "a.service=" + wanted, etc + "multi-user.target.wants/a.service->x"}, AnswerYes, UnitEnabled, "systemd"},
		{"disabled", "a", []string{unit + "a.service=" + wanted}, AnswerNo, UnitDisabled, "systemd"},
		{"masked", "a", []string{unit + "a.service=" + wanted, etc + "a.service->/dev/null", etc + "multi-user.target.wants/a.service->x"}, AnswerNo, UnitMasked, "systemd"},
		{"masked by an empty file", "a", []string{unit + "a.service=" + wanted, etc + "a.service=", etc + "multi-user.target.wants/a.service->x"}, AnswerNo, UnitMasked, "systemd"},
		{"absent", "a", nil, AnswerNo, UnitAbsent, "systemd"},
		{"a link without a unit", "a", []string{etc + "multi-user.target.wants/a.service->/lib/systemd/system/a.service"}, AnswerNo, UnitAbsent, "systemd"},
		{"by its alias", "sshd", []string{unit + "ssh.service=" + wanted, etc + "sshd.service->/lib/systemd/system/ssh.service", etc + "multi-user.target.wants/ssh.service->x"}, AnswerYes, UnitEnabled, "systemd"},
		{"an instance", "getty@tty1", []string{unit + "getty@.service=" + wanted, etc + "getty.target.wants/getty@tty1.service->x"}, AnswerYes, UnitEnabled, "systemd"},
		{"another instance", "getty@tty2", []string{unit + "getty@.service=" + wanted, etc + "getty.target.wants/getty@tty1.service->x"}, AnswerNo, UnitDisabled, "systemd"},
		{"any instance", "getty@", []string{unit + "getty@.service=" + wanted, etc + "getty.target.wants/getty@tty1.service->x"}, AnswerYes, UnitEnabled, "systemd"},
		{"only in rescue mode", "a", []string{unit + "a.service=" + wanted, etc + "rescue.target.wants/a.service->x"}, AnswerNo, UnitEnabled, "systemd"},
		{"only with a screen", "a", []string{unit + "a.service=" + wanted, etc + "graphical.target.wants/a.service->x"}, AnswerNo, UnitEnabled, "systemd"},
		{"the distribution's own link", "a", []string{unit + "a.service=[Unit]\n", unit + "sysinit.target.wants/a.service->../a.service"}, AnswerYes, UnitEnabled, "systemd"},
		{"by a socket", "a", []string{unit + "a.service=" + wanted, unit + "a.socket=[Socket]\nListenStream=1\n[Install]\nWantedBy=sockets.target\n", etc + "sockets.target.wants/a.socket->x"}, AnswerYes, UnitDisabled, "systemd"},
		{"by a socket that is off", "a", []string{unit + "a.service=" + wanted, unit + "a.socket=[Socket]\nListenStream=1\n[Install]\nWantedBy=sockets.target\n"}, AnswerNo, UnitDisabled, "systemd"},
		{"by another socket", "a", []string{unit + "a.service=" + wanted, unit + "b.socket=[Socket]\nService=a.service\n", etc + "sockets.target.wants/b.socket->x"}, AnswerYes, UnitDisabled, "systemd"},
		{"by a timer", "a", []string{unit + "a.service=[Unit]\n", unit + "a.timer=[Timer]\nOnCalendar=daily\n", etc + "timers.target.wants/a.timer->x"}, AnswerYes, UnitDisabled, "systemd"},
		{"by another service", "a", []string{unit + "a.service=[Unit]\n", unit + "b.service=[Unit]\nWants=x.service \\\n# comment\n a.service\n", etc + "multi-user.target.wants/b.service->x"}, AnswerYes, UnitDisabled, "systemd"},
		{"by a drop-in", "a", []string{unit + "a.service=[Unit]\n", unit + "b.service=" + wanted, etc + "b.service.d/x.conf=[Unit]\nRequires=a.service\n", etc + "multi-user.target.wants/b.service->x"}, AnswerYes, UnitDisabled, "systemd"},
		{"static", "a", []string{unit + "a.service=[Unit]\n"}, AnswerUnknown, UnitDisabled, "systemd"},
		{"two that want each other", "a", []string{unit + "a.service=[Unit]\nWants=b.service\n[Install]\nAlias=x\n", unit + "b.service=[Unit]\nWants=a.service\n[Install]\nAlias=y\n"}, AnswerNo, UnitDisabled, "systemd"},
		{"aliases in a circle", "a", []string{etc + "a.service->b.service", etc + "b.service->a.service"}, AnswerNo, UnitAbsent, "systemd"},
		{"a unit from elsewhere", "a", []string{"opt/x/b.service=" + wanted, etc + "a.service->/opt/x/b.service", etc + "multi-user.target.wants/a.service->x"}, AnswerYes, UnitEnabled, "systemd"},
		{"a script without a unit", "a", []string{"etc/init.d/a=#!/bin/sh\n", "etc/rc3.d/S20a->../init.d/a"}, AnswerYes, "", "systemd"},
		{"a script under a unit", "a", []string{unit + "a.service=" + wanted, "etc/init.d/a=#!/bin/sh\n", "etc/rc3.d/S20a->../init.d/a"}, AnswerNo, UnitDisabled, "systemd"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := gathered(t, systemOf(append(append([]string{}, systemd...), c.files...)...), Source{})
			got := f.Services.Enabled(c.service)
			if got.On != c.on || got.State != c.state || f.Services.Init != c.init {
				t.Errorf("%+v, init %s; want %s, %s", got, f.Services.Init, c.on, c.state)
			}
			if got.On == AnswerYes && len(got.Where) == 0 || got.On != AnswerYes && got.Why == "" {
				t.Errorf("no reason: %+v", got)
			}
		})
	}
}

func TestServicesOfOthers(t *testing.T) {
	for _, c := range []struct {
		name, service string
		files         []string
		on            Answer
		init          string
	}{
		{"RHEL 6, runlevel 3", "sshd", []string{"etc/inittab=id:3:initdefault:\n", "sbin/initctl=", "etc/init/rc.conf=start on runlevel\n", "etc/init.d/sshd=", "etc/rc.d/rc3.d/S55sshd->../init.d/sshd"}, AnswerYes, "upstart"},
		{"RHEL 6, another runlevel", "sshd", []string{"etc/inittab=id:3:initdefault:\n", "sbin/initctl=", "etc/init/rc.conf=start on runlevel\n", "etc/init.d/sshd=", "etc/rc.d/rc5.d/S55sshd->x", "etc/rc.d/rc3.d/K55sshd->x"}, AnswerNo, "upstart"},
		{"Ubuntu 14.04", "ssh", []string{"sbin/initctl=", "etc/init/rcS.conf=x", "etc/init/ssh.conf=description x\nstart on runlevel [2345]\n"}, AnswerYes, "upstart"},
		{"Ubuntu 14.04, manual", "ssh", []string{"sbin/initctl=", "etc/init/rcS.conf=x", "etc/init/ssh.conf=start on runlevel [2345]\n", "etc/init/ssh.override=manual\n"}, AnswerNo, "upstart"},
		{"Ubuntu 14.04, overridden again", "ssh", []string{"sbin/initctl=", "etc/init/rcS.conf=x", "etc/init/ssh.conf=manual\n", "etc/init/ssh.override=start on started network\n"}, AnswerYes, "upstart"},
		{"Debian 7", "ssh", []string{"etc/debian_version=7.11\n", "etc/inittab=id:2:initdefault:\n", "etc/init.d/ssh=", "etc/rc2.d/S16ssh->x"}, AnswerYes, "sysv"},
		{"SUSE 11", "sshd", []string{"etc/inittab=id:3:initdefault:\n", "etc/init.d/sshd=", "etc/init.d/rc3.d/S10sshd->../sshd"}, AnswerYes, "sysv"},
		{"OpenRC", "sshd", []string{"sbin/openrc=", "etc/inittab=x", "etc/init.d/sshd=", "etc/runlevels/default/sshd->/etc/init.d/sshd"}, AnswerYes, "openrc"},
		{"OpenRC, off", "sshd", []string{"sbin/openrc=", "etc/init.d/sshd=", "etc/runlevels/default/x->y"}, AnswerNo, "openrc"},
		{"nobody knows which", "sshd", []string{"etc/rc3.d/S10sshd->x", "etc/init.d/sshd="}, AnswerYes, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := gathered(t, systemOf(c.files...), Source{})
			if got := f.Services.Enabled(c.service); got.On != c.on || f.Services.Init != c.init {
				t.Errorf("%+v, init %q; want %s, %q", got, f.Services.Init, c.on, c.init)
			}
		})
	}
}

// Without /etc/machine-id the presets count; what could not be read is never
// off.
func TestServicesFirstBootAndUnknown(t *testing.T) {
	base := []string{"sbin/init->/lib/systemd/systemd", "usr/lib/systemd/system/a.service=[Install]\nWantedBy=x\n", "usr/lib/systemd/system/b.service=[Install]\nWantedBy=x\n", "usr/lib/systemd/system/c.service=[Install]\nWantedBy=x\n",
		"usr/lib/systemd/system-preset/90-x.preset=enable a.service\ndisable b*\n", "etc/systemd/system-preset/10-y.preset=# comment\nenable b.socket\n"}
	s := gathered(t, systemOf(base...), Source{}).Services
	for n, want := range map[string]Answer{"a": AnswerYes, "b": AnswerNo, "c": AnswerUnknown} {
		if got := s.Enabled(n); got.On != want {
			t.Errorf("%s: %+v, want %s", n, got, want)
		}
	}
	m := systemOf(append(base, "etc/machine-id=abc\n")...)
	m["usr/lib/systemd/system/d.service"] = &fstest.MapFile{Mode: fs.ModeNamedPipe | 0o644}
	s = gathered(t, m, Source{}).Services
	if got := s.Enabled("nothing", "a"); got.On != AnswerUnknown || got.Why == "" {
		t.Errorf("%+v", got)
	}
}

func FuzzUnit(f *testing.F) {
	for _, s := range []string{"[Unit]\nWants=a.service \\\n# c\n b.service\n", "[Mount]\nWhat=/dev/sda1\nWhere=/x\n", "[Unit", "a=b\\", "\\\n\\\n", "[Install]\nAlias=unit.service\n[Unit]\nWants=unit.service unit.socket\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 16<<10 {
			return
		}
		for _, x := range ParseUnit(s) {
			if strings.ContainsAny(x.Key, "\n=") || x.Line < 1 {
				t.Errorf("%+v", x)
			}
		}
		m := systemOf("sbin/init->/lib/systemd/systemd", "etc/machine-id=x")
		for _, n := range []string{"unit.service", "unit.socket", "unit.mount", "unit@.service"} {
			m["etc/systemd/system/"+n] = regular(s)
		}
		m["etc/fstab"], m["etc/crypttab"], m["etc/lvm/lvm.conf"], m["etc/mdadm.conf"], m["etc/multipath.conf"], m["etc/auto.master"] = regular(s), regular(s), regular(s), regular(s), regular(s), regular(s)
		x := gathered(t, m, Source{})
		x.Services.Enabled("unit", "unit@x", "unit.socket")
	})
}

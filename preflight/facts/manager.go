package facts

import (
	"errors"
	"io/fs"
	"path"
	"strings"
)

// ManagerState is what package managers left unfinished.
type ManagerState struct {
	// Pending are the signs of an interrupted or a planned change.
	Pending  []Pending
	Problems []string
}

// Pending is something that a package manager has still to do.
type Pending struct {
	// Kind is "interrupted", "offline-update" (the next start installs updates),
	// "reboot", "leftover" or "broken".
	Kind, Path, What string
}

func (g *gatherer) managerState() {
	m := &g.f.State.Manager
	add := func(kind, p, what string) { m.Pending = append(m.Pending, Pending{kind, "/" + p, what}) }
	for _, x := range []struct{ kind, pattern, what string }{
		// dpkg(1): numbered files are changes of the database not yet merged.
		{"interrupted", "var/lib/dpkg/updates/[0-9]*", "dpkg was interrupted"},
		{"interrupted", "var/lib/yum/transaction-all.*", "yum was interrupted"},
		{"interrupted", "var/lib/rpmrebuilddb.*", "rebuilding RPM's database was interrupted"},
		{"interrupted", "usr/lib/sysimage/rpmrebuilddb.*", "rebuilding RPM's database was interrupted"},
		{"interrupted", "var/lib/rpm/rpmdb.sqlite-journal", "RPM's database has a change that is not finished"},
		{"interrupted", "usr/lib/sysimage/rpm/rpmdb.sqlite-journal", "RPM's database has a change that is not finished"},
		{"interrupted", "lib/apk/db/installed.new", "apk was interrupted"},
		{"interrupted", "usr/lib/apk/db/installed.new", "apk was interrupted"},
		{"interrupted", "var/lib/pacman/db.lck", "pacman is running, or was interrupted"},
		// systemd.offline-updates(7)
		{"offline-update", "system-update", "the next start installs updates"},
		{"offline-update", "etc/system-update", "the next start installs updates"},
		{"leftover", "var/lib/dnf/system-upgrade.json", "an upgrade to another release was prepared"},
		{"reboot", "run/reboot-required", "a restart is due, so that the running kernel is not the one on the disk"},
		{"reboot", "var/run/reboot-required", "a restart is due, so that the running kernel is not the one on the disk"},
		{"reboot", "run/reboot-needed", "a restart is due, so that the running kernel is not the one on the disk"},
	} {
		for _, n := range g.matching(x.pattern, &m.Problems) {
			if fi, err := g.fs.Stat(n); err == nil && fi.Mode().IsRegular() && fi.Size() == 0 && strings.HasSuffix(n, "-journal") {
				continue // SQLite's journal_mode=TRUNCATE
			}
			add(x.kind, n, x.what)
		}
	}
	g.python(m)
	for _, p := range g.f.Packages.List {
		if p.Broken != "" && p.Broken != "triggers-awaited" && p.Broken != "triggers-pending" {
			m.Pending = append(m.Pending, Pending{"broken", "", p.Name + " is " + p.Broken})
		}
	}
}

// python looks for an interpreter that is a link to nowhere: cloud-init and the
// package managers of EL are written in Python.
func (g *gatherer) python(m *ManagerState) {
	for _, n := range []string{"usr/bin/python3", "usr/libexec/platform-python"} {
		link, err := g.fs.ReadLink(n)
		if err != nil {
			continue
		}
		if _, err := g.fs.Stat(n); errors.Is(err, fs.ErrNotExist) {
			m.Pending = append(m.Pending, Pending{"broken", "/" + n, path.Base(n) + " is a link to " + link + ", which is missing"})
		}
	}
}

package facts

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"migimg/preflight/guestfs"
)

// Directory is the directory service that the guest takes accounts from besides
// its own files.
type Directory struct {
	// Databases are nsswitch.conf's lines for accounts that name another source
	// than the machine itself, as "passwd: sss".
	Databases []string
	// Services are the programs that are set up, by name ("sssd"), with the files
	// each was known by, and Running those that start at boot.
	Services map[string][]string
	Running  []string
	// Member says that the machine has an account of its own there (a Kerberos
	// keytab, winbind's secrets): a second machine with the same account clashes.
	Member   []string
	Problems []string
}

// ownSources are sources of nsswitch.conf that are on the machine.
var ownSources = []string{"files", "compat", "systemd", "db", "altfiles", "extrausers", "myhostname", "mymachines", "cache_files", "role", "usrfiles"}

var directories = []struct {
	name  string
	files []string
	units []string
}{
	{"sssd", []string{"etc/sssd/sssd.conf", "etc/sssd/conf.d/*.conf"}, []string{"sssd.service"}},
	{"winbind", []string{"usr/sbin/winbindd"}, []string{"winbind.service"}},
	{"nslcd", []string{"etc/nslcd.conf"}, []string{"nslcd.service"}},
	{"FreeIPA", []string{"etc/ipa/default.conf"}, nil},
	{"NIS", []string{"etc/yp.conf"}, []string{"ypbind.service"}},
	{"PowerBroker Identity", []string{"opt/pbis/bin/config"}, []string{"lwsmd.service"}},
	{"Centrify", []string{"usr/sbin/adclient"}, []string{"adclient.service", "centrifydc.service"}},
	{"Quest VAS", []string{"opt/quest/bin/vastool"}, []string{"vasd.service"}},
}

func (g *gatherer) directory() {
	d := &g.f.Directory
	if err := g.unreadableAt("etc", "usr", "usr/sbin"); err != nil {
		g.f.SetAbsent(KeyDirectory, Absence{Reason: err.Error()})
		return
	}
	b, err := guestfs.ReadFile(g.fs, "etc/nsswitch.conf", guestfs.MaxConfig)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.Problems = append(d.Problems, err.Error())
	}
	for line := range strings.Lines(string(b)) {
		line, _, _ = strings.Cut(line, "#")
		k, v, ok := strings.Cut(line, ":")
		if k = strings.TrimSpace(k); !ok || !slices.Contains([]string{"passwd", "group", "shadow", "initgroups"}, k) {
			continue
		}
		for _, s := range strings.Fields(v) {
			// [NOTFOUND=return] is what to do and no source.
			if !strings.HasPrefix(s, "[") && !strings.HasSuffix(s, "]") && !slices.Contains(ownSources, s) && len(d.Databases) < 20 {
				d.Databases = append(d.Databases, k+": "+s)
			}
		}
	}
	d.Services = map[string][]string{}
	for _, s := range directories {
		var found []string
		for _, f := range s.files {
			found = append(found, g.glob(f)...)
		}
		if len(found) == 0 {
			continue
		}
		d.Services[s.name] = found[:min(len(found), 5)]
		for _, u := range s.units {
			if g.unit(u) == UnitEnabled {
				d.Running = append(d.Running, s.name)
			}
		}
	}
	// Fedora and its like name sss whether or not sssd is set up.
	d.Databases = slices.DeleteFunc(d.Databases, func(line string) bool {
		_, source, _ := strings.Cut(line, ": ")
		name, daemon := map[string]string{"sss": "sssd", "winbind": "winbind", "nis": "NIS"}[source]
		return daemon && d.Services[name] == nil
	})
	for _, f := range []string{"etc/krb5.keytab", "var/lib/samba/private/secrets.tdb", "var/lib/samba/secrets.tdb", "etc/opt/quest/vas/host.keytab"} {
		if fi, err := g.fs.Stat(f); err == nil && fi.Size() > 0 {
			d.Member = append(d.Member, "/"+f)
		}
	}
}

// Configured says whether accounts come from elsewhere, or a service for it runs.
func (d *Directory) Configured() bool { return len(d.Databases) > 0 || len(d.Running) > 0 }

package facts

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"migimg/preflight/facts/sshd"
	"migimg/preflight/guestfs"
)

// SSH is the guest's SSH server.
type SSH struct {
	// Program is its guest path, "" where there is none. Other is another server
	// (dropbear), whose configuration is not read.
	Program, Other string
	// Enabled are the units and scripts that start it at boot; Masked those that
	// are masked, Disabled those that are there and start nothing. Unsure: it
	// could not be told of all.
	Enabled, Masked, Disabled []string
	Unsure                    bool
	// Config is sshd's configuration, nil where it could not be read, with
	// ConfigErr. Where there is no file sshd does not start.
	Config    *sshd.Config
	ConfigErr string
	// HostKeys are guest paths of the private host keys that are there, of those
	// that the configuration names or that are the default. Generator is what
	// makes missing ones at boot, "" where nothing does.
	HostKeys     []string
	HostKeysErr  string
	Generator    string
	MissingNamed []string
}

// sshUnits start sshd: Debian and Ubuntu, the others, and by a socket.
var sshUnits = []string{"ssh.service", "sshd.service", "ssh.socket", "sshd.socket", "openssh.service", "openssh-server.service"}

func (g *gatherer) ssh() {
	s := &g.f.SSH
	programs, err := g.exists("usr/sbin/sshd", "usr/bin/sshd", "usr/local/sbin/sshd", "sbin/sshd")
	if err == nil {
		err = g.unreadableAt("etc", "etc/ssh", "usr", "usr/sbin")
	}
	if err != nil {
		g.f.SetAbsent(KeySSH, Absence{Reason: err.Error()})
		return
	}
	if len(programs) > 0 {
		s.Program = programs[0]
	}
	if other, _ := g.exists("usr/sbin/dropbear", "usr/bin/dropbear", "usr/sbin/tinysshd"); len(other) > 0 {
		s.Other = other[0]
	}
	g.sshEnabled(s)
	if s.Program == "" {
		return
	}
	if s.Config, err = sshd.Read(g.fs); err != nil {
		s.ConfigErr = err.Error()
		if errors.Is(err, fs.ErrNotExist) {
			s.ConfigErr = "there is no /" + sshd.Main
			// openSUSE and others keep the vendor's in /usr/etc.
			if found, _ := g.exists("usr/etc/ssh/sshd_config"); len(found) > 0 {
				s.ConfigErr = found[0] + " is not read"
			}
		}
	}
	g.hostKeys(s)
	s.Generator = g.keyGenerator()
}

func (g *gatherer) sshEnabled(s *SSH) {
	units := sshUnits
	if s.Program == "" {
		units = []string{"dropbear.service", "dropbear.socket", "tinysshd.socket"}
	}
	for _, u := range units {
		switch g.unit(u) {
		case UnitEnabled:
			s.Enabled = append(s.Enabled, u)
		case UnitMasked:
			s.Masked = append(s.Masked, u)
		case UnitDisabled:
			s.Disabled = append(s.Disabled, u)
		case UnitUnknown:
			s.Unsure = true
		}
	}
	for _, n := range []string{"ssh", "sshd", "dropbear"} {
		if g.scriptRuns(n) {
			s.Enabled = append(s.Enabled, n+" (init script)")
		}
	}
}

// defaultHostKeys are those of sshd_config(5), HostKey, and the older ones.
var defaultHostKeys = []string{"/etc/ssh/ssh_host_rsa_key", "/etc/ssh/ssh_host_ecdsa_key", "/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_dsa_key"}

func (g *gatherer) hostKeys(s *SSH) {
	names, named := defaultHostKeys, false
	if s.Config != nil {
		if set := s.Config.Global("hostkey"); len(set) > 0 {
			names, named = nil, true
			for _, x := range set[:min(len(set), 20)] {
				names = append(names, x.Args[0])
			}
		}
	}
	for _, n := range names {
		name := strings.TrimPrefix(path.Clean(n), "/")
		if !fs.ValidPath(name) {
			continue
		}
		fi, err := g.fs.Stat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if named {
				s.MissingNamed = append(s.MissingNamed, n)
			}
		case err != nil:
			s.HostKeysErr = err.Error()
		case fi.Size() > 0:
			s.HostKeys = append(s.HostKeys, n)
		}
	}
}

// keyGenerator finds what makes host keys when sshd starts: a unit, or a line of
// the unit or script that starts sshd.
func (g *gatherer) keyGenerator() string {
	for _, u := range []string{"sshd-keygen.service", "sshd-keygen.target", "sshd-keygen@.service", "sshdgenkeys.service", "ssh-keygen.service", "sshd-generate-keys.service"} {
		if st := g.unit(u); st != UnitEnabled && st != UnitDisabled {
			continue
		}
		// A template, or a unit that the service itself wants, has no link.
		if g.unit(u) == UnitEnabled || g.mentioned(u) != "" {
			return u
		}
	}
	if at := g.mentioned("sshd-keygen", "ssh-keygen", "sshd-gen-keys-start", "sshd-generate"); at != "" {
		return at
	}
	return ""
}

// mentioned is the first file that starts sshd and holds one of the words.
func (g *gatherer) mentioned(words ...string) string {
	var names []string
	for _, d := range unitDirs {
		for _, u := range sshUnits {
			names = append(names, path.Join(d, u))
			for _, drop := range g.glob(path.Join(d, u+".d/*.conf")) {
				names = append(names, drop[1:])
			}
		}
	}
	names = append(names, "etc/init.d/ssh", "etc/init.d/sshd", "etc/rc.d/init.d/sshd", "etc/conf.d/sshd", "usr/sbin/sshd-gen-keys-start")
	for _, n := range names {
		b, err := guestfs.ReadFile(g.fs, n, guestfs.MaxConfig)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' || line[0] == ';' {
				continue
			}
			for _, w := range words {
				if strings.Contains(line, strings.TrimSuffix(w, ".service")) {
					return "/" + n
				}
			}
		}
	}
	return ""
}

// scriptRuns says whether an init script is started at boot: where systemd is
// the init system a unit of the same name takes its place (systemd-sysv-generator(8)).
func (g *gatherer) scriptRuns(name string) bool {
	if systemd, _ := g.exists("usr/lib/systemd/systemd", "lib/systemd/systemd"); len(systemd) > 0 && g.unit(name+".service") != UnitAbsent {
		return false
	}
	return g.initScript(name)
}

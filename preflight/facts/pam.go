package facts

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"migimg/preflight/guestfs"
)

// PAM is what of the guest's PAM configuration asks for more than a password, or
// keeps people out.
type PAM struct {
	Modules []PAMModule
	// Access are the lines of /etc/security/access.conf that count, where
	// pam_access is used.
	Access   []AccessLine
	Problems []string
}

// PAMModule is a line that brings one of the modules that are looked for.
type PAMModule struct {
	// Service is the file that a login begins with ("sshd", "login"); File and
	// Line are where the module is.
	Service, Name, File string
	Line                int
	// Optional: the login goes on where the module says no (nullok, optional,
	// sufficient). DenyRoot: failed logins lock root, too.
	Optional, DenyRoot bool
}

// AccessLine is a line of access.conf: who may, or may not, from where.
type AccessLine struct {
	Line          int
	Text          string
	Allow         bool
	Users, Places []string
}

// pamModules are what is looked for: a second factor, a lock after failures, a
// list, or another directory.
var pamModules = []string{"pam_google_authenticator", "pam_duo", "pam_yubico", "pam_u2f", "pam_oath", "pam_radius_auth", "pam_radius", "pam_otp", "pam_securid", "pam_pkcs11",
	"pam_faillock", "pam_tally2", "pam_tally", "pam_access", "pam_listfile", "pam_time", "pam_sss", "pam_winbind", "pam_ldap", "pam_krb5"}

// pamServices are those of logins over the network and on the console.
var pamServices = []string{"sshd", "login", "sudo", "su"}

// Bounds on files of PAM that include each other.
const (
	maxPAMFiles = 100
	maxPAMLines = 5_000
)

func (g *gatherer) pam() {
	p := &g.f.PAM
	if err := g.unreadableAt("etc", "etc/pam.d", "usr"); err != nil {
		g.f.SetAbsent(KeyPAM, Absence{Reason: err.Error()})
		return
	}
	for _, s := range pamServices {
		w := pamWalk{g: g, service: s, seen: map[string]bool{}}
		w.file(s)
	}
	if slices.ContainsFunc(p.Modules, func(m PAMModule) bool { return m.Name == "pam_access" }) {
		g.accessConf(p)
	}
	g.faillock(p)
}

type pamWalk struct {
	g       *gatherer
	service string
	seen    map[string]bool
	lines   int
}

// file follows includes, each file once: what a second time would bring is known.
func (w *pamWalk) file(name string) {
	if w.seen[name] || len(w.seen) >= maxPAMFiles || name == "" || strings.Contains(name, "/") {
		return
	}
	w.seen[name] = true
	p := &w.g.f.PAM
	for _, dir := range []string{"etc/pam.d", "usr/lib/pam.d", "usr/etc/pam.d"} {
		at := path.Join(dir, name)
		b, err := guestfs.ReadFile(w.g.fs, at, guestfs.MaxConfig)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			p.Problems = append(p.Problems, err.Error())
			return
		}
		n := 0
		for line := range strings.Lines(string(b)) {
			n++
			if w.lines++; w.lines > maxPAMLines {
				return
			}
			line, _, _ = strings.Cut(line, "#")
			w.line(at, n, line)
		}
		return
	}
}

// line is "type control module arguments", where the control may be a list in
// brackets (pam.d(5)).
func (w *pamWalk) line(at string, n int, line string) {
	f := strings.Fields(line)
	if len(f) >= 2 && f[0] == "@include" {
		w.file(f[1])
		return
	}
	if len(f) < 3 {
		return
	}
	control, rest := f[1], f[2:]
	if strings.HasPrefix(control, "[") {
		for len(rest) > 0 && !strings.HasSuffix(control, "]") {
			control, rest = control+" "+rest[0], rest[1:]
		}
	}
	if len(rest) == 0 {
		return
	}
	if control == "include" || control == "substack" {
		w.file(rest[0])
		return
	}
	module := strings.TrimSuffix(path.Base(rest[0]), ".so")
	if !slices.Contains(pamModules, module) {
		return
	}
	m := PAMModule{Service: w.service, Name: module, File: "/" + at, Line: n}
	m.Optional = control == "optional" || control == "sufficient" || strings.Contains(control, "default=ignore") || slices.Contains(rest, "nullok")
	m.DenyRoot = slices.Contains(rest, "even_deny_root")
	p := &w.g.f.PAM
	if !slices.ContainsFunc(p.Modules, func(o PAMModule) bool { return o.Service == m.Service && o.Name == m.Name }) {
		p.Modules = append(p.Modules, m)
	}
}

// faillock reads even_deny_root of faillock.conf(5).
func (g *gatherer) faillock(p *PAM) {
	b, err := guestfs.ReadFile(g.fs, "etc/security/faillock.conf", guestfs.MaxConfig)
	if err != nil {
		return
	}
	for line := range strings.Lines(string(b)) {
		line, _, _ = strings.Cut(line, "#")
		if strings.TrimSpace(line) != "even_deny_root" {
			continue
		}
		for i := range p.Modules {
			p.Modules[i].DenyRoot = p.Modules[i].DenyRoot || p.Modules[i].Name == "pam_faillock"
		}
	}
}

// accessConf reads access.conf(5): permission : users : origins.
func (g *gatherer) accessConf(p *PAM) {
	b, err := guestfs.ReadFile(g.fs, "etc/security/access.conf", guestfs.MaxConfig)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			p.Problems = append(p.Problems, err.Error())
		}
		return
	}
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		line = strings.TrimSpace(line)
		f := strings.SplitN(line, ":", 3)
		if line == "" || line[0] == '#' || len(f) < 3 || len(p.Access) >= 200 {
			continue
		}
		p.Access = append(p.Access, AccessLine{Line: n, Text: line, Allow: strings.TrimSpace(f[0]) == "+", Users: strings.Fields(f[1]), Places: strings.Fields(f[2])})
	}
}

package facts

import (
	"strings"

	"migimg/preflight/guestfs"
)

// SELinux is the state of SELinux on the disk.
type SELinux struct {
	// Config is the guest path of its configuration; empty where there is none.
	// Mode is "enforcing", "permissive" or "disabled", lower case; Type the
	// policy ("targeted").
	Config, Mode, Type string
	ModeLine           int
	// Policy is the binary policy's path, Contexts the file with the labels that
	// files should have; empty where they are missing.
	Policy, Contexts string
	// Relabel says that the next start labels all files anew, and why.
	Relabel string
	// Off is the argument of the default boot entry that switches it off.
	Off string
	// Unlabelled are sample files without a label, Labelled how many have one;
	// LabelsUnknown why neither could be read.
	Unlabelled    []string
	Labelled      int
	LabelsUnknown string
	Problems      []string
}

// labelSamples are files that every labelled system has a label on, and that
// hand-made copies lose it on.
var labelSamples = []string{"etc/passwd", "etc/shadow", "etc/group", "etc/fstab", "etc/hosts", "etc/resolv.conf", "etc/selinux/config", "etc/ssh/sshd_config", "usr/bin/bash", "usr/sbin/sshd"}

func (g *gatherer) selinux() {
	s := &g.f.State.SELinux
	text, ok := g.text("etc/selinux/config", &s.Problems)
	if !ok {
		return
	}
	s.Config, s.Mode, s.Type = "/etc/selinux/config", "", "targeted" // libselinux: the default
	eachLine(text, func(n int, line string) {
		k, v, _ := strings.Cut(line, "=")
		switch k {
		case "SELINUX":
			s.Mode, s.ModeLine = strings.ToLower(strings.TrimSpace(v)), n
		case "SELINUXTYPE":
			s.Type = strings.TrimSpace(v)
		}
	})
	if s.Type == "" || strings.ContainsAny(s.Type, "/*?[") {
		s.Problems = append(s.Problems, "/etc/selinux/config: the policy's name is none")
		return
	}
	for _, n := range g.matching("etc/selinux/"+s.Type+"/policy/policy.*", &s.Problems) {
		s.Policy = "/" + n
	}
	if n := "etc/selinux/" + s.Type + "/contexts/files/file_contexts"; g.there(n, &s.Problems) {
		s.Contexts = "/" + n
	}
	if g.there(".autorelabel", &s.Problems) {
		s.Relabel = "/.autorelabel"
	}
	for w := range strings.FieldsSeq(g.cmdline()) {
		switch w {
		case "selinux=0", "enforcing=0":
			s.Off = w
		case "autorelabel=1", "autorelabel":
			s.Relabel = w
		}
	}
	if s.Mode == "enforcing" || s.Mode == "permissive" {
		g.labels(s)
	}
}

func (g *gatherer) labels(s *SELinux) {
	for _, n := range labelSamples {
		if ok, err := g.exist(n); err != nil || !ok {
			continue
		}
		switch label, err := guestfs.Xattr(g.fs, n, "security.selinux"); {
		case err != nil && notThere(err) == nil: // a link into /run
		case err != nil:
			s.LabelsUnknown = err.Error()
		case len(label) == 0:
			s.Unlabelled = append(s.Unlabelled, "/"+n)
		default:
			s.Labelled++
		}
	}
}

// cmdline is the command line of the default boot entry; empty where it is not
// known.
func (g *gatherer) cmdline() string {
	e, _ := g.f.Boot.DefaultEntry()
	return e.Cmdline
}

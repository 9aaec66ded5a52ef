package facts

import (
	"errors"
	"io/fs"
	"regexp"
	"strings"
	"time"

	"migimg/preflight/guestfs"
)

// now is the time that the facts are of.
func (o Options) now() time.Time {
	if o.Now.IsZero() {
		return time.Now()
	}
	return o.Now
}

// elders are the files that systems older than os-release have, in the order of
// how much they say: a derived distribution keeps its parent's file. parse
// returns false for a text that says nothing.
var elders = []struct {
	file  string
	parse func(text string) (OS, bool)
}{
	{"etc/lsb-release", lsbRelease},
	{"etc/oracle-release", releaseLine},
	{"etc/centos-release", releaseLine},
	{"etc/fedora-release", releaseLine},
	{"etc/redhat-release", releaseLine},
	{"etc/system-release", releaseLine},
	{"etc/SuSE-release", suseRelease},
	{"etc/alpine-release", plain("alpine", "Alpine Linux")},
	{"etc/slackware-version", releaseLine},
	{"etc/gentoo-release", releaseLine},
	{"etc/arch-release", func(string) (OS, bool) { return OS{ID: "arch", Pretty: "Arch Linux"}, true }},
	{"etc/debian_version", plain("debian", "Debian")},
}

// elder finds out what a system without os-release is.
func (g *gatherer) elder() {
	for _, e := range elders {
		b, err := guestfs.ReadFile(g.fs, e.file, guestfs.MaxConfig)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			g.f.SetAbsent(KeyOS, Absence{Reason: err.Error()})
			return
		}
		if o, ok := e.parse(string(b)); ok {
			o.File = "/" + e.file
			g.f.OS = o
			return
		}
	}
	g.f.SetAbsent(KeyOS, Absence{Reason: "no os-release, nor an older file of its kind"})
}

// lsbRelease reads Ubuntu's file. Others write it as well, and say less in it
// than in their own.
func lsbRelease(text string) (OS, bool) {
	v := ParseShellVars(text)
	id := strings.ToLower(strings.ReplaceAll(v["DISTRIB_ID"], " ", ""))
	if id != "ubuntu" && id != "linuxmint" && id != "coreos" {
		return OS{}, false
	}
	o := OS{ID: id, VersionID: v["DISTRIB_RELEASE"], Pretty: v["DISTRIB_DESCRIPTION"]}
	if id == "linuxmint" {
		o.Like = []string{"ubuntu", "debian"}
	}
	return o, true
}

// releaseNames are the beginnings of release lines, and what they mean; the
// first that fits counts.
var releaseNames = []struct{ begin, id, like string }{
	{"CentOS", "centos", "rhel"}, {"Red Hat Enterprise", "rhel", ""}, {"Red Hat Linux", "redhat-linux", ""}, {"Fedora", "fedora", ""},
	{"Scientific Linux", "scientific", "rhel"}, {"Oracle", "ol", "rhel"}, {"Enterprise Linux Enterprise", "ol", "rhel"}, {"Amazon Linux", "amzn", "rhel"},
	{"Rocky", "rocky", "rhel"}, {"AlmaLinux", "almalinux", "rhel"}, {"CloudLinux", "cloudlinux", "rhel"}, {"XenServer", "xenenterprise", "rhel"},
	{"Virtuozzo", "virtuozzo", "rhel"}, {"Slackware", "slackware", ""}, {"Gentoo", "gentoo", ""},
}

var reVersion = regexp.MustCompile(`[0-9]+(\.[0-9]+)*`)

// releaseLine reads a line as "CentOS release 6.10 (Final)".
func releaseLine(text string) (OS, bool) {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	for _, n := range releaseNames {
		if !strings.HasPrefix(line, n.begin) {
			continue
		}
		o := OS{ID: n.id, Pretty: line}
		if n.like != "" {
			o.Like = []string{n.like}
		}
		_, after, ok := strings.Cut(line, "release ")
		if !ok {
			after = line
		}
		o.VersionID = reVersion.FindString(after)
		return o, true
	}
	return OS{}, false
}

// suseRelease reads a name and VERSION = 11, PATCHLEVEL = 4.
func suseRelease(text string) (OS, bool) {
	line, rest, _ := strings.Cut(strings.TrimSpace(text), "\n")
	o := OS{Pretty: line, Like: []string{"suse"}}
	switch {
	case strings.HasPrefix(line, "SUSE Linux Enterprise Desktop"):
		o.ID = "sled"
	case strings.HasPrefix(line, "SUSE Linux Enterprise"):
		o.ID = "sles"
	case strings.HasPrefix(strings.ToLower(line), "opensuse"):
		o.ID = "opensuse"
	default:
		o.ID, o.Like = "suse", nil
	}
	for l := range strings.Lines(rest) {
		k, v, _ := strings.Cut(l, "=")
		v = strings.TrimSpace(v)
		switch strings.TrimSpace(k) {
		case "VERSION":
			o.VersionID = v
		case "PATCHLEVEL":
			if v != "0" && o.VersionID != "" && !strings.Contains(o.VersionID, ".") {
				o.VersionID += "." + v
			}
		}
	}
	return o, line != ""
}

// plain reads a file that holds the version and nothing else; a testing Debian
// has names there (bookworm/sid).
func plain(id, name string) func(string) (OS, bool) {
	return func(text string) (OS, bool) {
		v, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
		o := OS{ID: id, Pretty: strings.TrimSpace(name + " " + v)}
		if reVersion.FindString(v) != "" && reVersion.FindStringIndex(v)[0] == 0 {
			o.VersionID = v
		}
		return o, true
	}
}

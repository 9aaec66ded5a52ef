package facts

import (
	"errors"
	"io/fs"
	"strings"

	"migimg/preflight/guestfs"
)

// OS is what the guest says it is.
type OS struct {
	// ID and VersionID are os-release's ("debian", "12"); Like its ID_LIKE;
	// Pretty its name for people; File where it was found.
	ID, VersionID, Pretty, File string
	Like                        []string
}

// Family is "debian", "rhel", "suse", "arch", "alpine" or "": whose paths and
// commands the guest uses.
func (o OS) Family() string {
	for _, id := range append([]string{o.ID}, o.Like...) {
		switch id {
		case "debian", "ubuntu", "linuxmint", "raspbian":
			return "debian"
		case "rhel", "centos", "fedora", "rocky", "almalinux", "ol", "amzn", "scientific", "anolis", "openEuler", "tencentos":
			return "rhel"
		case "suse", "sles", "opensuse", "sled", "opensuse-leap", "opensuse-tumbleweed":
			return "suse"
		case "arch", "archarm", "manjaro":
			return "arch"
		case "alpine":
			return "alpine"
		}
	}
	return ""
}

// oldRelease are the files that systems older than os-release have, and the ID
// each one means.
var oldRelease = []struct{ file, id string }{
	{"etc/redhat-release", "rhel"}, {"etc/SuSE-release", "suse"}, {"etc/debian_version", "debian"},
	{"etc/alpine-release", "alpine"}, {"etc/system-release", "amzn"},
}

func (g *gatherer) osRelease() {
	for _, name := range []string{"etc/os-release", "usr/lib/os-release"} {
		b, err := guestfs.ReadFile(g.fs, name, guestfs.MaxConfig)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			g.f.SetAbsent(KeyOS, Absence{Reason: err.Error()})
			return
		}
		v := ParseShellVars(string(b))
		g.f.OS = OS{ID: v["ID"], VersionID: v["VERSION_ID"], Pretty: v["PRETTY_NAME"], Like: strings.Fields(v["ID_LIKE"]), File: "/" + name}
		if g.f.OS.Pretty == "" {
			g.f.OS.Pretty = strings.TrimSpace(v["NAME"] + " " + v["VERSION"])
		}
		if g.f.OS.ID == "" {
			g.f.OS.ID = "linux" // os-release(5): the default
		}
		return
	}
	for _, o := range oldRelease {
		b, err := guestfs.ReadFile(g.fs, o.file, guestfs.MaxConfig)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			g.f.SetAbsent(KeyOS, Absence{Reason: err.Error()})
			return
		}
		line, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
		g.f.OS = OS{ID: o.id, Pretty: line, File: "/" + o.file}
		switch {
		case strings.HasPrefix(line, "CentOS"):
			g.f.OS.ID, g.f.OS.Like = "centos", []string{"rhel"}
		case o.id == "debian":
			g.f.OS.Pretty = "Debian " + line
		}
		return
	}
	g.f.SetAbsent(KeyOS, Absence{Reason: "no os-release, nor an older file of its kind"})
}

// ParseShellVars reads NAME=value lines with the quoting that os-release(5) and
// sysconfig files use: a subset of the shell's, without expansion. Later lines
// win. What is no assignment is passed over.
func ParseShellVars(s string) map[string]string {
	vars := map[string]string{}
	for len(s) > 0 {
		s = strings.TrimLeft(s, " \t\r\n")
		name, rest, ok := cutName(s)
		if !ok {
			_, s, _ = strings.Cut(s, "\n")
			continue
		}
		var v string
		v, s = shellWord(rest)
		vars[name] = v
	}
	return vars
}

func cutName(s string) (name, rest string, ok bool) {
	i := 0
	for i < len(s) && (s[i] == '_' || s[i] >= 'a' && s[i] <= 'z' || s[i] >= 'A' && s[i] <= 'Z' || i > 0 && s[i] >= '0' && s[i] <= '9') {
		i++
	}
	if i == 0 || i == len(s) || s[i] != '=' {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}

// shellWord reads one word with its quotes, and returns what follows it.
func shellWord(s string) (word, rest string) {
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && quote != '\'' && i+1 < len(s):
			i++
			if quote == '"' && !strings.ContainsRune("\\\"$`\n", rune(s[i])) {
				b.WriteByte('\\')
			}
			if s[i] != '\n' {
				b.WriteByte(s[i])
			}
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ';'):
			return b.String(), s[i:]
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}

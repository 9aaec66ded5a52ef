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
	// VariantID is os-release's ("coreos", "server"), empty for most.
	VariantID string
}

// Family is "debian", "rhel", "suse", "arch", "alpine" or "": whose paths and
// commands the guest uses.
func (o OS) Family() string {
	for _, id := range append([]string{o.ID}, o.Like...) {
		switch id {
		case "debian", "ubuntu", "linuxmint", "raspbian", "devuan", "kali", "deepin", "uos":
			return "debian"
		case "rhel", "centos", "fedora", "rocky", "almalinux", "ol", "amzn", "scientific", "anolis", "openEuler", "tencentos",
			"alinux", "opencloudos", "cloudlinux", "eurolinux", "miraclelinux", "virtuozzo", "xenenterprise", "redhat-linux", "mariner", "azurelinux", "photon":
			return "rhel"
		case "suse", "sles", "opensuse", "sled", "opensuse-leap", "opensuse-tumbleweed", "sles_sap", "sle-micro", "opensuse-microos":
			return "suse"
		case "arch", "archarm", "archlinux", "manjaro":
			return "arch"
		case "alpine":
			return "alpine"
		}
	}
	return ""
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
		g.f.OS = OS{ID: v["ID"], VersionID: v["VERSION_ID"], Pretty: v["PRETTY_NAME"], Like: strings.Fields(v["ID_LIKE"]), VariantID: v["VARIANT_ID"], File: "/" + name}
		if g.f.OS.Pretty == "" {
			g.f.OS.Pretty = strings.TrimSpace(v["NAME"] + " " + v["VERSION"])
		}
		if g.f.OS.ID == "" {
			g.f.OS.ID = "linux" // os-release(5): the default
		}
		return
	}
	g.elder()
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

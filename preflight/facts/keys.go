package facts

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"migimg/preflight/facts/answer"
	"migimg/preflight/facts/sshd"
	"migimg/preflight/guestfs"
)

// KeyFile is a file of authorized keys: how many there are, never a key.
type KeyFile struct {
	// Path is the guest's.
	Path string
	// Keys open a shell. Limited have an option that may not let this login in,
	// Options are the names of those options.
	Keys, Limited int
	Options       []string
	// Ignored is why sshd does not look at the file (StrictModes); Err why it
	// could not be read.
	Ignored, Err string
}

// keys counts a user's keys. Where sshd's configuration is not known its
// default places are looked at.
func (g *gatherer) keys(u *Login) {
	patterns := []string{".ssh/authorized_keys", ".ssh/authorized_keys2"}
	strict := true
	if c := g.f.SSH.Config; c != nil {
		q := sshd.User{Name: u.Name, Groups: u.Groups, GroupsUnsure: g.f.Logins.Elsewhere}
		patterns, _ = c.KeyFiles(q)
		for _, s := range c.Lookup("strictmodes", q) {
			strict = s.Keyword == "" || s.Args[0] != "no"
		}
	}
	for _, p := range patterns[:min(len(patterns), 10)] {
		p = strings.NewReplacer("%%", "%", "%h", u.Home, "%u", u.Name, "%U", strconv.FormatUint(uint64(u.UID), 10)).Replace(p)
		if !strings.HasPrefix(p, "/") {
			p = path.Join("/", u.Home, p)
		}
		name := strings.TrimPrefix(path.Clean(p), "/")
		if !fs.ValidPath(name) {
			continue
		}
		b, err := guestfs.ReadFile(g.fs, name, guestfs.MaxConfig)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		f := KeyFile{Path: "/" + name}
		if err != nil {
			f.Err = err.Error()
		} else {
			f.count(string(b))
			if strict {
				f.Ignored = g.loose(name, u)
			}
		}
		u.Keys = append(u.Keys, f)
	}
}

// Open says whether the file has a key that opens a shell.
func (f *KeyFile) Open() answer.Answer {
	switch {
	case f.Err != "":
		return answer.Maybe
	case f.Ignored != "":
		return answer.No
	case f.Keys > 0:
		return answer.Yes
	case f.Limited > 0 && !slices.Contains(f.Options, "command"):
		return answer.Maybe
	}
	return answer.No
}

// keyTypes are what today's sshd takes (sshd(8), AUTHORIZED_KEYS FILE FORMAT);
// ssh-dss is gone.
var keyTypes = []string{"ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"}

// limiting are options with which a key may not open a shell from everywhere.
var limiting = []string{"command", "from", "expiry-time", "cert-authority", "restrict", "no-pty", "principals"}

func (f *KeyFile) count(s string) {
	for line := range strings.Lines(s) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		first, rest := quotedWord(line)
		limited := false
		if !slices.Contains(keyTypes, first) {
			limited = f.options(first)
			first, rest = quotedWord(rest)
		}
		if !slices.Contains(keyTypes, first) || strings.TrimSpace(rest) == "" {
			continue
		}
		if limited {
			f.Limited++
		} else {
			f.Keys++
		}
	}
}

// options notes the names of options that limit a key, without their values.
func (f *KeyFile) options(list string) (limited bool) {
	for list != "" {
		name := strings.ToLower(list[:len(list)-len(strings.TrimLeft(list, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"))])
		if slices.Contains(limiting, name) {
			limited = true
			if !slices.Contains(f.Options, name) {
				f.Options = append(f.Options, name)
			}
		}
		quoted, i := false, 0
		for ; i < len(list) && (quoted || list[i] != ','); i++ {
			switch {
			case list[i] == '\\' && i+1 < len(list):
				i++
			case list[i] == '"':
				quoted = !quoted
			}
		}
		list = list[min(i+1, len(list)):]
	}
	return limited
}

// quotedWord takes a word off a line; blanks inside quotes belong to it.
func quotedWord(s string) (word, rest string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ' ' || c == '\t'):
			return s[:i], strings.TrimLeft(s[i:], " \t")
		}
	}
	return s, ""
}

// loose is why StrictModes refuses a file: it, or a folder up to the home, may
// be written by others, or belongs to somebody else (openssh auth.c,
// auth_secure_path).
func (g *gatherer) loose(name string, u *Login) string {
	home := strings.TrimPrefix(path.Clean(u.Home), "/")
	for at := name; ; at = path.Dir(at) {
		fi, err := g.fs.Stat(at)
		if err != nil {
			return ""
		}
		if fi.Mode().Perm()&0o022 != 0 {
			return "/" + at + " may be written by others"
		}
		if a, ok := guestfs.AttrOf(fi); ok && a.UID != 0 && a.UID != u.UID {
			return "/" + at + " belongs to another user"
		}
		if at == home || at == "." || path.Dir(at) == at {
			return ""
		}
	}
}

// Package sudoers reads /etc/sudoers and answers who may do everything as root.
//
// What it does not understand it says so of, and the answer is then maybe: sudo
// knows criteria (netgroups, host names, LDAP) that a disk does not tell.
//
// Source: sudoers(5), sudo 1.9.
package sudoers

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"migimg/preflight/facts/answer"
	"migimg/preflight/guestfs"
)

// Bounds on what is read.
const (
	maxFiles = 500
	maxDepth = 32
	maxLines = 20_000
	maxAlias = 16 // aliases of aliases
	// maxIncludes bounds the lines that include something, maxSteps the names that
	// are compared for one user: aliases of aliases can be many.
	maxIncludes = 200
	maxSteps    = 500_000
)

// Policy is what the files say.
type Policy struct {
	// Files are guest paths of what was read.
	Files []string
	// Problems are files and lines that could not be read or understood, by place
	// only.
	Problems []string

	rules   []rule
	aliases map[string][]string // "User_Alias NAME" -> its members
	// lines and includes count what was read, steps the comparisons of one answer.
	lines, includes, steps int
}

// rule is one user specification: users on hosts may run commands.
type rule struct {
	users, hosts []string
	specs        []spec
	file         string
	line         int
}

// spec is a command with what stands before it.
type spec struct {
	runas    []string // nil is root
	command  string
	nopasswd bool
}

// Grant is whether a user may become root through sudo.
type Grant struct {
	Admin answer.Answer
	// NoPassword: without giving the user's own password.
	NoPassword bool
	// File and Line are of the rule that decides.
	File string
	Line int
}

// Read reads the guest's files. An error that is fs.ErrNotExist says that there
// is no sudoers file.
func Read(fsys guestfs.FS) (*Policy, error) {
	p := &Policy{aliases: map[string][]string{}}
	if err := p.file(fsys, "etc/sudoers", 0); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Policy) problem(format string, a ...any) {
	if len(p.Problems) < 20 {
		p.Problems = append(p.Problems, fmt.Sprintf(format, a...))
	}
}

func (p *Policy) file(fsys guestfs.FS, name string, depth int) error {
	if len(p.Files) >= maxFiles || depth > maxDepth {
		return errors.New("sudoers includes too many files")
	}
	b, err := guestfs.ReadFile(fsys, name, guestfs.MaxConfig)
	if err != nil {
		return err
	}
	p.Files = append(p.Files, "/"+name)
	if fi, err := fsys.Stat(name); err == nil {
		// sudo takes no file that others could have written.
		if at, ok := guestfs.AttrOf(fi); ok && (at.UID != 0 || fi.Mode().Perm()&0o002 != 0 || fi.Mode().Perm()&0o020 != 0 && at.GID != 0) {
			p.problem("/%s: sudo does not trust its owner or mode", name)
		}
	}
	eachLine(string(b), func(n int, line string) bool {
		if p.lines++; p.lines > maxLines {
			p.problem("/%s: more than %d lines", name, maxLines)
			return false
		}
		p.one(fsys, name, n, line, depth)
		return true
	})
	return nil
}

// eachLine joins lines that end in a backslash.
func eachLine(s string, f func(n int, line string) bool) {
	n, first := 0, 1
	var b strings.Builder
	for line := range strings.Lines(s) {
		n++
		line = strings.TrimRight(line, "\r\n")
		if t, ok := strings.CutSuffix(line, `\`); ok {
			b.WriteString(t)
			b.WriteByte(' ')
			continue
		}
		b.WriteString(line)
		if !f(first, b.String()) {
			return
		}
		b.Reset()
		first = n + 1
	}
	if b.Len() > 0 {
		f(first, b.String())
	}
}

func (p *Policy) one(fsys guestfs.FS, name string, n int, line string, depth int) {
	line = strings.TrimSpace(line)
	for _, sign := range []string{"#", "@"} {
		for _, word := range []string{"includedir", "include"} {
			rest, ok := strings.CutPrefix(line, sign+word)
			if ok && rest != "" && (rest[0] == ' ' || rest[0] == '\t') {
				p.include(fsys, name, strings.Trim(strings.TrimSpace(rest), `"`), word == "includedir", depth)
				return
			}
		}
	}
	line = strings.TrimSpace(uncomment(line))
	word, _, _ := strings.Cut(line, " ")
	word, _, _ = strings.Cut(word, "\t")
	switch {
	case line == "", strings.HasPrefix(word, "Defaults"):
	case slices.Contains([]string{"User_Alias", "Host_Alias", "Runas_Alias", "Cmnd_Alias", "Cmd_Alias"}, word):
		rest := strings.TrimSpace(strings.TrimPrefix(line, word))
		for _, def := range cut(rest, ':') {
			if k, v, ok := strings.Cut(def, "="); ok {
				p.aliases[strings.TrimSuffix(word, "_Alias")+" "+strings.TrimSpace(k)] = cut(v, ',')
			}
		}
	default:
		r, ok := parseRule(line)
		if !ok {
			p.problem("/%s line %d is not understood", name, n)
			return
		}
		r.file, r.line = "/"+name, n
		p.rules = append(p.rules, r)
	}
}

// uncomment takes the comment off: # begins one unless digits follow, which is a
// user number, or it is quoted.
func uncomment(s string) string {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '#' && !quoted && (i+1 == len(s) || s[i+1] < '0' || s[i+1] > '9'):
			return s[:i]
		}
	}
	return s
}

func (p *Policy) include(fsys guestfs.FS, from, what string, dir bool, depth int) {
	if p.includes++; p.includes > maxIncludes {
		p.problem("/%s: more than %d lines include something", from, maxIncludes)
		return
	}
	if strings.Contains(what, "%h") {
		p.problem("/%s includes %s, which depends on the host's name", from, what)
		return
	}
	if !strings.HasPrefix(what, "/") {
		what = path.Join("/", path.Dir(from), what)
	}
	name := strings.TrimPrefix(path.Clean(what), "/")
	names := []string{name}
	if dir {
		entries, err := fsys.ReadDir(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			p.problem("%v", err)
		}
		names = names[:0]
		for _, e := range entries {
			// sudo passes over names with a dot or with ~ at the end.
			if n := e.Name(); !strings.Contains(n, ".") && !strings.HasSuffix(n, "~") && !e.IsDir() {
				names = append(names, path.Join(name, n))
			}
		}
	}
	for _, n := range names {
		if err := p.file(fsys, n, depth+1); err != nil && !errors.Is(err, fs.ErrNotExist) {
			p.problem("%v", err)
		}
	}
}

package facts

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"

	"migimg/preflight/guestfs"
)

// Accounts is the state of the account files. It holds no hash.
type Accounts struct {
	Files []AccountFile
	// RootPassword is "set", "locked" (no password fits), "empty", or "" where
	// shadow could not be read.
	RootPassword string
	// NotShadowed says that passwd holds root's password itself.
	NotShadowed bool
	// UIDZero are names besides root with user number 0.
	UIDZero []string
	// Unpaired are accounts that only one of passwd and shadow, or of group and
	// gshadow, has, in words.
	Unpaired []string
	// Errors are broken lines, by file and line only: their text may be secret.
	Errors []string
}

// AccountFile is one of passwd, shadow, group and gshadow.
type AccountFile struct {
	// Path is the guest's; Missing that it is not there; Err why that is unknown.
	Path    string
	Missing bool
	Err     string
	// Mode is the permission bits.
	Mode     fs.FileMode
	UID, GID uint32
	// Group is the group's name, empty where /etc/group does not say.
	Group     string
	Immutable bool
	NoNewline bool
}

var accountFiles = []string{"etc/passwd", "etc/shadow", "etc/group", "etc/gshadow"}

func (g *gatherer) accounts() {
	a := &g.f.Accounts
	groups := map[uint32]string{}
	contents := map[string]string{}
	for _, name := range accountFiles {
		f := AccountFile{Path: "/" + name}
		fi, b, err := g.statAndRead(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			f.Missing = true
		case err != nil:
			f.Err = err.Error()
		}
		if fi != nil {
			f.Mode = fi.Mode().Perm()
			if at, ok := guestfs.AttrOf(fi); ok {
				f.UID, f.GID, f.Immutable = at.UID, at.GID, at.Immutable
			}
		}
		if err == nil {
			contents[name] = string(b)
			f.NoNewline = len(b) > 0 && b[len(b)-1] != '\n'
		}
		a.Files = append(a.Files, f)
	}
	for _, l := range ParseColon(contents["etc/group"], 4) {
		if n, err := strconv.ParseUint(l.Fields[2], 10, 32); err == nil {
			groups[uint32(n)] = l.Fields[0]
		}
	}
	for i := range a.Files {
		a.Files[i].Group = groups[a.Files[i].GID]
	}
	a.read(contents)
	if len(contents) == 0 {
		g.f.SetAbsent(KeyAccounts, Absence{Reason: or(a.Files[0].Err, "there is no /etc/passwd")})
	}
}

// statAndRead reads a small file together with what the open file says of
// itself.
func (g *gatherer) statAndRead(name string) (fs.FileInfo, []byte, error) {
	f, err := g.fs.Open(name)
	if err != nil {
		fi, err2 := g.fs.Stat(name)
		if err2 != nil {
			fi = nil
		}
		return fi, nil, err
	}
	fi, err := f.Stat()
	_ = f.Close()
	if err != nil {
		return nil, nil, err
	}
	b, err := guestfs.ReadFile(g.fs, name, guestfs.MaxConfig)
	return fi, b, err
}

func (a *Accounts) read(contents map[string]string) {
	passwd, ok := contents["etc/passwd"]
	if ok {
		for _, l := range ParseColon(passwd, 7) {
			if l.Fields[0] == "root" && l.Fields[1] != "x" && l.Fields[1] != "*" && l.Fields[1] != "!" {
				a.NotShadowed = true
			}
			if n, err := strconv.ParseUint(l.Fields[2], 10, 32); err == nil && n == 0 && l.Fields[0] != "root" {
				a.UIDZero = append(a.UIDZero, l.Fields[0])
			}
		}
	}
	for _, l := range ParseColon(contents["etc/shadow"], 9) {
		if l.Fields[0] == "root" {
			a.RootPassword = passwordState(l.Fields[1])
		}
	}
	a.pair(contents, "etc/passwd", "etc/shadow", 7, 9)
	a.pair(contents, "etc/group", "etc/gshadow", 4, 4)
	for _, name := range accountFiles {
		n := map[string]int{"etc/passwd": 7, "etc/shadow": 9, "etc/group": 4, "etc/gshadow": 4}[name]
		for _, e := range ColonErrors(contents[name], n) {
			a.Errors = append(a.Errors, "/"+name+" line "+strconv.Itoa(e))
		}
	}
}

// pair compares the names of an open file with those of its secret one. A name
// whose password is not "x" needs no entry there.
func (a *Accounts) pair(contents map[string]string, open, secret string, n, m int) {
	plain, ok := contents[open]
	hidden, ok2 := contents[secret]
	if !ok || !ok2 {
		return
	}
	names, secrets := map[string]bool{}, map[string]bool{}
	for _, l := range ParseColon(hidden, m) {
		secrets[l.Fields[0]] = true
	}
	say := func(name, in, not string) {
		if len(a.Unpaired) < 20 {
			a.Unpaired = append(a.Unpaired, name+" is in /"+in+" and not in /"+not)
		}
	}
	for _, l := range ParseColon(plain, n) {
		names[l.Fields[0]] = true
		// group(5) entries without gshadow are common and do no harm.
		if l.Fields[1] == "x" && !secrets[l.Fields[0]] && open == "etc/passwd" {
			say(l.Fields[0], open, secret)
		}
	}
	for _, l := range ParseColon(hidden, m) {
		if !names[l.Fields[0]] {
			say(l.Fields[0], secret, open)
		}
	}
}

// passwordState tells of a shadow field only whether somebody can log in with
// it (shadow(5), crypt(5)).
func passwordState(field string) string {
	switch {
	case field == "":
		return "empty"
	case field[0] == '!' || field[0] == '*' || len(field) < 13:
		return "locked"
	}
	return "set"
}

// ColonLine is a line of a file whose fields are apart by colons.
type ColonLine struct {
	Line   int
	Fields []string
}

// maxColonLines bounds the lines of an account file that are looked at.
const maxColonLines = 100_000

// ParseColon returns the lines with exactly n fields. Comments and the lines
// of NIS (+, -) are left out.
func ParseColon(s string, n int) (lines []ColonLine) {
	eachColon(s, func(l ColonLine) {
		if len(l.Fields) == n {
			lines = append(lines, l)
		}
	})
	return lines
}

// ColonErrors returns the numbers of the lines that do not have n fields, at
// most 20 of them.
func ColonErrors(s string, n int) (lines []int) {
	eachColon(s, func(l ColonLine) {
		if len(l.Fields) != n && len(lines) < 20 {
			lines = append(lines, l.Line)
		}
	})
	return lines
}

func eachColon(s string, f func(ColonLine)) {
	n := 0
	for line := range strings.Lines(s) {
		if n++; n > maxColonLines {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		if line == "" || strings.ContainsRune("#+-", rune(line[0])) {
			continue
		}
		f(ColonLine{n, strings.SplitN(line, ":", 64)})
	}
}

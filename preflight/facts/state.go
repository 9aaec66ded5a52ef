package facts

import (
	"errors"
	"io/fs"
	"strings"

	"migimg/preflight/guestfs"
)

// State is what the operating system's own files say of how it is set up.
type State struct {
	SELinux  SELinux
	Locked   []LockedFile
	Clock    Clock
	Identity Identity
	Manager  ManagerState
	Repos    Repos
	Start    Start
	Display  Display
	Usr      UsrMount
}

func (g *gatherer) state() {
	if err := g.unreadableAt("etc", "var", "var/lib", "usr", "usr/lib"); err != nil {
		g.f.SetAbsent(KeyState, Absence{Reason: err.Error()})
		return
	}
	g.selinux()
	g.locked()
	g.clock()
	g.identity()
	g.managerState()
	g.repos()
	g.start()
	g.display()
	g.usrMount()
}

// text reads a small file; ok is false where there is none. What cannot be read
// is added to the problems.
func (g *gatherer) text(name string, problems *[]string) (s string, ok bool) {
	fi, err := g.fs.Stat(name)
	if err == nil && fi.IsDir() {
		return "", false
	}
	var b []byte
	if err == nil {
		b, err = guestfs.ReadFile(g.fs, name, guestfs.MaxConfig)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", false
	case err != nil:
		*problems = appendNew(*problems, err.Error())
		return "", false
	}
	return string(b), true
}

// there says whether a name is in the guest, links not followed. What cannot be
// told is added to the problems.
func (g *gatherer) there(name string, problems *[]string) bool {
	ok, err := g.exist(name)
	if err != nil {
		*problems = appendNew(*problems, err.Error())
	}
	return ok
}

// matching is find with its error added to the problems.
func (g *gatherer) matching(pattern string, problems *[]string) []string {
	names, err := g.find(pattern)
	if err != nil {
		*problems = appendNew(*problems, err.Error())
	}
	return names
}

// shellVars reads a file of NAME=value lines.
func (g *gatherer) shellVars(name string, problems *[]string) map[string]string {
	s, _ := g.text(name, problems)
	return ParseShellVars(s)
}

// lines calls f with each line that is neither empty nor a comment, its blanks
// trimmed.
func eachLine(text string, f func(n int, line string)) {
	n := 0
	for line := range strings.Lines(text) {
		n++
		if t := strings.TrimSpace(line); t != "" && t[0] != '#' {
			f(n, t)
		}
	}
}

// UsrMount is a /usr that is a filesystem of its own.
type UsrMount struct {
	// Spec is what fstab names, Line its line; empty where /usr is on the root.
	Spec string
	Line int
	// Merged: /bin is a link into /usr, so that nothing runs without it.
	Merged bool
}

func (g *gatherer) usrMount() {
	u := &g.f.State.Usr
	for _, l := range g.f.Fstab.Lines {
		if l.Point == "/usr" {
			u.Spec, u.Line = l.Spec, l.Line
		}
	}
	if link, err := g.fs.ReadLink("bin"); err == nil {
		u.Merged = strings.TrimPrefix(link, "/") == "usr/bin"
	}
}

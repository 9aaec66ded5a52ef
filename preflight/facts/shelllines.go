package facts

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"migimg/preflight/guestfs"
)

// Setting is an assignment in a configuration file of shell or similar syntax.
type Setting struct {
	File string
	Line int
	Key  string
	// Value has its quotes taken off. Dynamic says that only a shell would know
	// it: it has a command or variables in it.
	Value   string
	Dynamic bool
	// Append says that the operator was +=.
	Append bool
}

// ShellFile is a file of assignments.
type ShellFile struct {
	Settings []Setting
	// Problems are lines that a shell does not take.
	Problems []Line
	// Open says that the last line has no line feed.
	Open bool
}

// maxSettings bounds the assignments of one file.
const maxSettings = 2000

// ParseShellFile reads the assignments of a shell file, one after the other and
// with their lines. Commands between them are passed over: nothing is run.
func ParseShellFile(file, text string) (s ShellFile) {
	s.Open = text != "" && !strings.HasSuffix(text, "\n")
	line := 1
	for text != "" && len(s.Settings) < maxSettings && len(s.Problems) < 20 {
		end := strings.IndexByte(text, '\n')
		if end < 0 {
			end = len(text)
		}
		row := strings.TrimLeft(text[:end], " \t")
		row = strings.TrimPrefix(row, "export ")
		key, rest, ok := cutAssign(row)
		if !ok {
			text, line = text[min(end+1, len(text)):], line+1
			continue
		}
		x := Setting{File: file, Line: line, Key: key, Append: strings.HasPrefix(rest, "+")}
		start := strings.TrimPrefix(strings.TrimPrefix(rest, "+"), "=")
		// The word may go on over lines: it is read from the whole text.
		from := end - len(start)
		var n int
		var closed bool
		x.Value, n, x.Dynamic, closed = quoted(text[from:])
		if !closed {
			s.Problems = append(s.Problems, Line{file, line, "the quotes are not closed"})
			return s
		}
		s.Settings = append(s.Settings, x)
		if tail := after(text[from+n:]); tail != "" {
			s.Problems = append(s.Problems, Line{file, line, "a value with blanks and no quotes: a shell would run \"" + cutWord(tail) + "\" as a command"})
		}
		line += strings.Count(text[:from+n], "\n")
		text = text[from+n:]
		if i := strings.IndexByte(text, '\n'); i >= 0 {
			text, line = text[i+1:], line+1
		} else {
			text = ""
		}
	}
	return s
}

// cutAssign splits NAME=rest and NAME+=rest, leaving the operator in rest.
func cutAssign(s string) (key, rest string, ok bool) {
	i := strings.IndexAny(s, "=+")
	if i <= 0 || !(s[i] == '=' || strings.HasPrefix(s[i:], "+=")) {
		return "", "", false
	}
	for j := range i {
		c := s[j]
		if !(c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || j > 0 && c >= '0' && c <= '9') {
			return "", "", false
		}
	}
	return s[:i], s[i:], true
}

// quoted reads one word of a shell from the front of s: its value, how many bytes
// it takes, whether a shell would expand something in it, and whether its quotes
// are closed.
func quoted(s string) (value string, n int, dynamic, closed bool) {
	var b strings.Builder
	quote, parens, back := byte(0), 0, false
	for ; n < len(s); n++ {
		c := s[n]
		switch {
		case c == '\\' && quote != '\'' && n+1 < len(s):
			n++
			if quote == '"' && !strings.ContainsRune("\\\"$`\n", rune(s[n])) {
				b.WriteByte('\\')
			}
			if s[n] != '\n' {
				b.WriteByte(s[n])
			}
			continue
		case c == '`' && quote != '\'':
			back, dynamic = !back, true
		case c == '$' && quote != '\'':
			dynamic = true
			if n+1 < len(s) && s[n+1] == '(' {
				parens++
			}
		case c == ')' && parens > 0:
			parens--
		case back || parens > 0: // within a command, which has quotes of its own
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
			continue
		case quote != 0 && c == quote:
			quote = 0
			continue
		case quote == 0 && strings.IndexByte(" \t\r\n;", c) >= 0:
			return b.String(), n, dynamic, true
		}
		b.WriteByte(c)
	}
	return b.String(), n, dynamic, quote == 0 && !back && parens == 0
}

// after is what follows a word on its line, without comments.
func after(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	s = strings.TrimSpace(s)
	if s == "" || strings.HasPrefix(s, "#") || strings.HasPrefix(s, ";") || strings.HasPrefix(s, "&") || strings.HasPrefix(s, "|") {
		return ""
	}
	return s
}

func cutWord(s string) string {
	w, _, _ := strings.Cut(s, " ")
	return w[:min(len(w), 40)]
}

// lines reads a text file of the guest.
func (g *gatherer) lines(name string) ([]string, error) {
	b, err := guestfs.ReadFile(g.fs, guestName(name), guestfs.MaxConfig)
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n"), nil
}

// masked says that a file is a link to /dev/null: it takes the place of the file
// of its name in another folder, and is empty.
func (g *gatherer) masked(name string) bool {
	to, err := g.fs.ReadLink(name)
	return err == nil && path.Clean(to) == "/dev/null"
}

// maxDropIns bounds the files of one folder that are read.
const maxDropIns = 300

// dropIns are the files of a folder with a suffix, sorted by name. A folder that
// does not exist has none.
func (g *gatherer) dropIns(dir, suffix string) (names []string, err error) {
	entries, err := fs.ReadDir(g.fs, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), suffix) && !e.IsDir() && len(names) < maxDropIns {
			names = append(names, dir+"/"+e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

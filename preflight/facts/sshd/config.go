// Package sshd reads the configuration of OpenSSH's server and answers what it
// means for one user who logs in from an address that nobody knows yet.
//
// Two things are not as they look. Of equal keywords the first one counts, in the
// order in which files are included. And a keyword in a Match block that applies
// wins over the same one outside, wherever that stands (sshd_config(5), Match;
// openssh servconf.c reads the file once without and once with the connection).
package sshd

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"migimg/preflight/guestfs"
)

// Bounds on what is read. sshd itself allows 16 levels of Include.
const (
	maxDepth    = 16
	maxFiles    = 500
	maxIncludes = 300 // names and patterns after Include
	maxSettings = 50_000
)

// Main is the guest's main configuration file.
const Main = "etc/ssh/sshd_config"

// Config is a configuration with everything that it includes, in the order in
// which sshd reads it.
type Config struct {
	// Files are guest paths of what was read.
	Files    []string
	Settings []Setting
	// Errors are lines that sshd refuses: it does not start.
	Errors []Setting
	// Problems are files that could not be read: everything is unsure.
	Problems []string
}

// Setting is a line of the configuration.
type Setting struct {
	// Keyword is in lower case, and the name of today for an alias.
	Keyword string
	Args    []string
	File    string
	Line    int
	// Why is what is wrong with it, for Config.Errors.
	Why string

	match []condition // all must hold; none is the global section
}

// InMatch says whether the line is in a Match block.
func (s Setting) InMatch() bool { return len(s.match) > 0 }

// Text is the line as its words.
func (s Setting) Text() string {
	if s.Keyword == "" {
		return "the default"
	}
	return s.Keyword + " " + strings.Join(s.Args, " ")
}

// Read reads the configuration of a guest. An error is that the main file is
// not there or cannot be read.
func Read(fsys guestfs.FS) (*Config, error) {
	c := &Config{}
	p := parser{fsys: fsys, c: c}
	if err := p.file(Main, nil, 0); err != nil {
		return nil, err
	}
	return c, nil
}

type parser struct {
	fsys guestfs.FS
	c    *Config
	// includes counts names up to maxIncludes.
	includes int
}

func (p *parser) file(name string, outer []condition, depth int) error {
	if len(p.c.Files) >= maxFiles {
		return fmt.Errorf("sshd_config includes more than %d files", maxFiles)
	}
	b, err := guestfs.ReadFile(p.fsys, name, guestfs.MaxConfig)
	if err != nil {
		return err
	}
	p.c.Files = append(p.c.Files, "/"+name)
	match, n := outer, 0
	for line := range strings.Lines(string(b)) {
		n++
		s := Setting{File: "/" + name, Line: n, match: match}
		rest, ok := s.keyword(line)
		if !ok {
			continue
		}
		if len(p.c.Settings) >= maxSettings {
			return fmt.Errorf("sshd_config has more than %d lines", maxSettings)
		}
		args, err := split(rest)
		s.Args = args
		switch {
		case err != nil:
			p.refuse(s, err.Error())
		case len(args) == 0:
			p.refuse(s, "there is no value")
		case s.Keyword == "match":
			cond, err := parseMatch(args)
			if err != nil {
				p.refuse(s, err.Error())
			}
			// A block inside an included file counts where the Include does, too.
			match = append(slices.Clone(outer), cond)
		case s.Keyword == "include":
			p.include(s, depth)
		default:
			if why := s.wrong(); why != "" {
				p.refuse(s, why)
			}
			p.c.Settings = append(p.c.Settings, s)
		}
	}
	return nil
}

func (p *parser) refuse(s Setting, why string) {
	s.Why = why
	if len(p.c.Errors) < 100 {
		p.c.Errors = append(p.c.Errors, s)
	}
}

// include reads what a pattern names, sorted as glob(3) does; relative ones are
// below /etc/ssh. No match is no error.
func (p *parser) include(s Setting, depth int) {
	if depth+1 > maxDepth {
		p.refuse(s, "Include nests too deep")
		return
	}
	for _, pattern := range s.Args {
		if p.includes++; p.includes > maxIncludes {
			p.problem(fmt.Errorf("sshd_config has more than %d names after Include", maxIncludes))
			return
		}
		if !strings.HasPrefix(pattern, "/") {
			pattern = "/etc/ssh/" + pattern
		}
		name := strings.TrimPrefix(path.Clean(pattern), "/")
		names := []string{name}
		if strings.ContainsAny(name, "*?[") {
			var err error
			if names, err = glob(p.fsys, name); err != nil {
				p.problem(err)
			}
		}
		for _, n := range names {
			if err := p.file(n, s.match, depth+1); err != nil && !errors.Is(err, fs.ErrNotExist) {
				p.problem(err)
			}
		}
	}
}

// problem keeps the first few: an include loop has many.
func (p *parser) problem(err error) {
	if len(p.c.Problems) < 20 {
		p.c.Problems = append(p.c.Problems, err.Error())
	}
}

// glob is fs.Glob that tells a directory that cannot be read from an empty one,
// and leaves out hidden names as glob(3) does.
func glob(fsys guestfs.FS, pattern string) ([]string, error) {
	dir, last := path.Split(pattern)
	dir = strings.TrimSuffix(dir, "/")
	if !strings.ContainsAny(dir, "*?[") && fs.ValidPath(dir) {
		if _, err := fsys.ReadDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if !fs.ValidPath(pattern) {
		return nil, fmt.Errorf("%s: not a path", pattern)
	}
	names, err := fs.Glob(fsys, pattern)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pattern, err)
	}
	return slices.DeleteFunc(names, func(n string) bool {
		return strings.HasPrefix(path.Base(n), ".") && !strings.HasPrefix(last, ".")
	}), nil
}

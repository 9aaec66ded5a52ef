package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// docsTop is the top of the project, where all pages are.
const docsTop = "../.."

// page is a file of the documentation. What is to be run in it stands in fenced
// blocks of the languages console (a transcript: commands begin with "$ " or "# ",
// a line "..." stands for any) and sh (commands alone). Comments tell the tests what
// a reader need not know:
//
//	<!-- docs: page not run: REASON -->  no block of this page is run
//	<!-- docs: page disk NAME -->        what /dev/sda is: see disks in docsstage_test.go
//	<!-- docs: page s3 -->               there is an S3 server at 127.0.0.1:17070
//	<!-- docs: not run: REASON -->       the next block is not run
//	<!-- docs: exit N -->                a command of the next block ends with N
//	<!-- docs: before: COMMAND -->       runs unseen before the next block
type page struct {
	name   string // from the top
	lines  []string
	notRun string
	disk   string
	s3     bool
	blocks []*block
}

// block is a fenced block.
type block struct {
	at       int // its first line, from 0: the one after the fence
	indent   string
	language string
	lines    []string // without the indent
	notRun   string
	exit     int
	before   []string
}

var (
	fence    = regexp.MustCompile("^( *)```(.*)$")
	docsMark = regexp.MustCompile(`^ *<!-- docs: (page )?(not run|disk|s3|exit|before)[: ]*(.*?) ?-->$`)
)

// languages are those that a block may have; of the last ones nothing is run.
var languages = []string{"console", "sh", "text", "json", "yaml", "markdown"}

// readPages reads all pages of the project.
func readPages(t *testing.T) (all []*page) {
	t.Helper()
	err := filepath.WalkDir(docsTop, func(path string, d fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, docsTop+"/")
		switch {
		case err != nil:
			return err
		case d.IsDir() && (name == "build" || d.Name() == "testdata" || strings.HasPrefix(name, ".") && path != docsTop):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".md"):
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		p, err := parsePage(name, string(b))
		if err != nil {
			t.Error(err)
		}
		all = append(all, p)
		return nil
	})
	if err != nil || len(all) < 10 {
		t.Fatalf("%d pages: %v", len(all), err)
	}
	return all
}

func parsePage(name, text string) (*page, error) {
	p := &page{name: name, lines: strings.Split(strings.TrimSuffix(text, "\n"), "\n"), disk: "small"}
	next, open, marked := &block{}, (*block)(nil), false
	for i, line := range p.lines {
		if open != nil {
			if m := fence.FindStringSubmatch(line); m != nil && m[2] == "" {
				open = nil
				continue
			}
			open.lines = append(open.lines, strings.TrimPrefix(line, open.indent))
			continue
		}
		if m := docsMark.FindStringSubmatch(line); m != nil {
			if err := p.mark(next, m[1] != "", m[2], m[3]); err != nil {
				return p, fmt.Errorf("%s:%d: %w", name, i+1, err)
			}
			marked = marked || m[1] == ""
			continue
		}
		if strings.Contains(line, "<!-- docs:") {
			return p, fmt.Errorf("%s:%d: a mark that is not known: %s", name, i+1, line)
		}
		if m := fence.FindStringSubmatch(line); m != nil {
			open, next = next, &block{}
			open.at, open.indent, open.language = i+1, m[1], m[2]
			if !slices.Contains(languages, open.language) {
				return p, fmt.Errorf("%s:%d: a block of language %q: use one of %s", name, i+1, open.language, strings.Join(languages, ", "))
			}
			p.blocks = append(p.blocks, open)
			marked = false
			continue
		}
		if marked && strings.TrimSpace(line) != "" {
			return p, fmt.Errorf("%s:%d: a mark has no block", name, i+1)
		}
	}
	if open != nil || marked {
		return p, fmt.Errorf("%s: a block or a mark without an end", name)
	}
	return p, nil
}

// mark takes one mark, of the page or of the next block.
func (p *page) mark(next *block, ofPage bool, word, value string) error {
	switch {
	case word == "not run" && value != "" && ofPage:
		p.notRun = value
	case word == "disk" && ofPage:
		p.disk = value
	case word == "s3" && ofPage:
		p.s3 = true
	case word == "not run" && value != "":
		next.notRun = value
	case word == "exit" && !ofPage:
		if _, err := fmt.Sscan(value, &next.exit); err != nil || next.exit == 0 {
			return fmt.Errorf("exit %s is no code", value)
		}
	case word == "before" && !ofPage:
		next.before = append(next.before, value)
	default:
		return fmt.Errorf("the mark %q has not the form that it should have", word)
	}
	return nil
}

// command is one of a block, with what it prints.
type command struct {
	text   string // may have several lines
	at     int    // in the block's lines: the first of its own
	output []string
}

// runs says whether a block has commands.
func (b *block) runs() bool { return b.language == "console" || b.language == "sh" }

// commands are a block's. A line that ends with a backslash goes on.
func (b *block) commands() (all []command, err error) {
	for i := 0; i < len(b.lines); i++ {
		line := b.lines[i]
		if b.language == "console" {
			text, ok := strings.CutPrefix(line, "$ ")
			if !ok {
				text, ok = strings.CutPrefix(line, "# ")
			}
			if !ok {
				if len(all) == 0 {
					return nil, fmt.Errorf("line %d: output before any command: %s", b.at+i+1, line)
				}
				last := &all[len(all)-1]
				last.output = append(last.output, line)
				continue
			}
			line = text
		} else if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		c := command{text: line, at: i}
		for strings.HasSuffix(c.text, `\`) && i+1 < len(b.lines) {
			i++
			c.text += "\n" + b.lines[i]
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("line %d: a block of language %s without a command", b.at, b.language)
	}
	return all, nil
}

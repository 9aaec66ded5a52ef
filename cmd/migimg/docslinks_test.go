package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

var (
	link     = regexp.MustCompile(`\]\(<?([^)\s>]+)>?(?: "[^"]*")?\)|^ *\[[^\]]+\]: +(\S+)`)
	heading  = regexp.MustCompile(`^#{1,6} +(.*?) *#*$`)
	codeSpan = regexp.MustCompile("`[^`]*`")
	listItem = regexp.MustCompile(`^ *([-*+]|[0-9]+[.)]) `)
)

// Every link to a file or to a heading leads somewhere. What is on the network is
// only listed (-v): a test must not need it.
func TestDocsLinks(t *testing.T) {
	pages := readPages(t)
	anchors, external, linked, links := map[string][]string{}, map[string]bool{}, map[string]bool{}, 0
	for _, p := range pages {
		anchors[p.name] = p.anchors()
	}
	for _, p := range pages {
		for i, line := range p.text() {
			for _, m := range link.FindAllStringSubmatch(codeSpan.ReplaceAllString(line, "``"), -1) {
				to := m[1] + m[2]
				links++
				if strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") {
					external[to] = true
					continue
				}
				file, anchor, _ := strings.Cut(to, "#")
				name := p.name
				if file != "" {
					name = path.Join(path.Dir(p.name), file)
				}
				if p.name == "docs/README.md" || p.name == "docs/targets.md" || p.name == "README.md" {
					linked[name] = true
				}
				if _, err := os.Stat(filepath.Join(docsTop, name)); err != nil || strings.HasPrefix(name, "..") {
					t.Errorf("%s:%d: link to %s: there is no such file", p.name, i+1, to)
				} else if anchor != "" && !slices.Contains(anchors[name], anchor) {
					t.Errorf("%s:%d: link to %s: %s has the anchors %s", p.name, i+1, to, name, strings.Join(anchors[name], " "))
				}
			}
		}
	}
	for _, p := range pages {
		if strings.HasPrefix(p.name, "docs/") && !linked[p.name] {
			t.Errorf("no page of docs leads to %s: docs/README.md lists the pages", p.name)
		}
	}
	if links < 50 {
		t.Errorf("only %d links were found", links)
	}
	for to := range external {
		t.Log("not looked at:", to)
	}
}

// text is the page without its blocks, by line.
func (p *page) text() []string {
	out := slices.Clone(p.lines)
	for _, b := range p.blocks {
		for i := range b.lines {
			out[b.at+i] = ""
		}
	}
	return out
}

// anchors are the names that forges give to a page's headings: in lower case, without
// punctuation, with - for spaces; the second of a name gets -1.
func (p *page) anchors() (all []string) {
	seen := map[string]int{}
	for _, line := range p.text() {
		m := heading.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r >= 0x80 || strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789_-", r):
				return r
			}
			return -1
		}, strings.ToLower(m[1]))
		n := seen[name]
		seen[name]++
		if n > 0 {
			name += fmt.Sprintf("-%d", n)
		}
		all = append(all, name)
	}
	return all
}

// A command stands in a block that says so: in an indented one it would be seen by no
// test.
func TestDocsBlocks(t *testing.T) {
	for _, p := range readPages(t) {
		inList := false
		for i, line := range p.text() {
			switch {
			case strings.TrimSpace(line) == "":
			case strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "\t"):
				if before := p.lines[i-1]; !inList && strings.TrimSpace(before) == "" {
					t.Errorf("%s:%d: an indented block: put it between ``` with a language", p.name, i+1)
				}
			default:
				inList = listItem.MatchString(line) || inList && strings.HasPrefix(line, " ")
			}
		}
		for _, b := range p.blocks {
			if b.runs() {
				if _, err := b.commands(); err != nil {
					t.Errorf("%s: %v", p.name, err)
				}
				continue
			}
			if len(b.before) > 0 || b.exit != 0 || b.notRun != "" {
				t.Errorf("%s:%d: a block of language %s is not run, a mark makes no sense", p.name, b.at, b.language)
			}
			for j, line := range b.lines {
				if strings.HasPrefix(line, "$ ") || strings.HasPrefix(line, "# migimg ") {
					t.Errorf("%s:%d: a command in a block of language %s", p.name, b.at+j+1, b.language)
				}
			}
		}
	}
}

// Commands and options of migimg that a page names exist: in blocks, also those that
// are not run, and in sentences.
func TestDocsOptions(t *testing.T) {
	app := newApp()
	n := 0
	for _, p := range readPages(t) {
		texts := []string{}
		for _, b := range p.blocks {
			if b.runs() {
				texts = append(texts, strings.ReplaceAll(strings.Join(b.lines, "\n"), "\\\n", " "))
			}
		}
		for _, span := range codeSpan.FindAllString(strings.Join(p.text(), "\n"), -1) {
			texts = append(texts, strings.ReplaceAll(strings.Trim(span, "`"), "\n", " "))
		}
		for _, text := range texts {
			for line := range strings.Lines(text) {
				for _, part := range regexp.MustCompile(`[|;&()]+`).Split(line, -1) {
					n++
					if err := knownOptions(app, part); err != nil {
						t.Errorf("%s: %q: %v", p.name, strings.TrimSpace(part), err)
					}
				}
			}
		}
	}
	if n < 200 {
		t.Errorf("only %d commands were looked at", n)
	}
}

// knownOptions looks at the first call of migimg in a line.
func knownOptions(app *cli.App, line string) error {
	words := strings.Fields(line)
	at := slices.IndexFunc(words, func(w string) bool { return w == "migimg" || w == "build/migimg" })
	if at < 0 || at+1 == len(words) {
		return nil
	}
	word := words[at+1]
	if strings.HasPrefix(word, "-") || strings.ToLower(word) != word || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz-") != "" || word == "freeze-watchdog" {
		return nil // an option of migimg itself, a placeholder, a sentence
	}
	cmd := app.Command(word)
	if cmd == nil {
		return fmt.Errorf("there is no command %s", word)
	}
	for _, w := range words[at+2:] {
		if w == "#" || strings.HasPrefix(w, ">") {
			break
		}
		name, _, _ := strings.Cut(strings.TrimLeft(w, "-"), "=")
		if !strings.HasPrefix(w, "-") || strings.Trim(name, "-") == "" {
			continue
		}
		if !hasFlag(cmd, strings.Trim(name, ".,'\"")) && name != "help" && name != "h" {
			return fmt.Errorf("%s has no option %s", word, w)
		}
	}
	return nil
}

// notRunList is where the blocks that no test runs are listed, each with its reason,
// so that their number does not grow unseen.
const notRunList = "testdata/docs-not-run.txt"

// TestDocsNotRun: MIGIMG_UPDATE_DOCS=1 writes the list anew.
func TestDocsNotRun(t *testing.T) {
	var list strings.Builder
	run := 0
	for _, p := range readPages(t) {
		left := 0
		for _, b := range p.blocks {
			if !b.runs() {
				continue
			}
			all, err := b.commands()
			switch {
			case err != nil:
				t.Errorf("%s: %v", p.name, err)
			case p.notRun != "":
				left += len(all)
			case b.notRun != "":
				for _, c := range all {
					first, _, _ := strings.Cut(c.text, "\n")
					fmt.Fprintf(&list, "%s: %s: %s\n", p.name, first, b.notRun)
				}
			default:
				run += len(all)
			}
		}
		if p.notRun != "" {
			fmt.Fprintf(&list, "%s: %d commands: %s\n", p.name, left, p.notRun)
		}
	}
	t.Logf("%d commands are run, %d lines in the list of the others", run, strings.Count(list.String(), "\n"))
	old, err := os.ReadFile(notRunList)
	if err == nil && string(old) == list.String() {
		return
	}
	if os.Getenv("MIGIMG_UPDATE_DOCS") == "" {
		t.Fatalf("%s is not the list of the commands that are not run (%v): MIGIMG_UPDATE_DOCS=1 go test ./cmd/migimg -run TestDocsNotRun writes it anew; see git diff", notRunList, err)
	}
	if err := os.WriteFile(notRunList, []byte(list.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

//go:build integration

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"migimg/internal/need"
)

// TestDocs runs the commands of the documentation, page by page, and holds what they
// print against the pages' transcripts, but for figures, names and times that differ
// from machine to machine. MIGIMG_UPDATE_DOCS=1 writes transcripts anew that differ
// (not those with "...").
func TestDocs(t *testing.T) {
	for _, p := range readPages(t) {
		if p.notRun != "" || !slices.ContainsFunc(p.blocks, func(b *block) bool { return b.runs() && b.notRun == "" }) {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			runPage(t, p)
		})
	}
}

// TestDocsAWS: commands of the AWS CLI that no test can run have its own options, in its
// own form: it reads them, and answers with a sample.
func TestDocsAWS(t *testing.T) {
	need.Tool(t, "aws")
	n := 0
	for _, p := range readPages(t) {
		for _, b := range p.blocks {
			if !b.runs() || p.notRun == "" && b.notRun == "" {
				continue
			}
			all, err := b.commands()
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range all {
				if !strings.HasPrefix(c.text, "aws ec2 ") {
					continue
				}
				n++
				t.Run(p.name, func(t *testing.T) {
					t.Parallel()
					run(t, "sh", "-c", "AWS_DEFAULT_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true "+c.text+" --generate-cli-skeleton output")
				})
			}
		}
	}
	if n == 0 {
		t.Error("there is no such command")
	}
}

func runPage(t *testing.T, p *page) {
	s := startShell(t, p)
	changed := false
	for _, b := range p.blocks {
		if !b.runs() || b.notRun != "" {
			continue
		}
		for _, c := range b.before {
			s.must(c)
		}
		all, err := b.commands()
		if err != nil {
			t.Fatal(err)
		}
		var transcript []string
		differs, codes := false, map[int]bool{}
		for i, c := range all {
			out, code := s.run(c.text)
			codes[code] = true
			where := fmt.Sprintf("%s:%d: %s", p.name, b.at+c.at+1, c.text)
			if code != 0 && code != b.exit {
				t.Errorf("%s\nends with %d:\n%s", where, code, out)
				return
			}
			t.Logf("%s", where)
			if b.language != "console" {
				continue
			}
			end := len(b.lines)
			if i+1 < len(all) {
				end = all[i+1].at
			}
			// Blank lines between two commands are for the eye.
			got := strings.Split(strings.TrimRight(strings.TrimLeft(strings.ReplaceAll(out, "\r", "\n"), "\n"), " \n"), "\n")
			if got[0] == "" {
				got = nil
			}
			transcript = append(transcript, b.lines[c.at:c.at+1+strings.Count(c.text, "\n")]...)
			transcript = append(transcript, got...)
			want := strings.Split(strings.Trim(strings.Join(b.lines[c.at+1+strings.Count(c.text, "\n"):end], "\n"), " \n"), "\n")
			if !matches(want, got) {
				differs = true
				if os.Getenv("MIGIMG_UPDATE_DOCS") == "" || slices.Contains(want, "...") {
					t.Errorf("%s\nprints\n%s\nand not\n%s", where, strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
			}
		}
		if b.exit != 0 && !codes[b.exit] {
			t.Errorf("%s:%d: no command ends with %d", p.name, b.at, b.exit)
		}
		if differs && !slices.Contains(b.lines, "...") {
			b.lines, changed = transcript, true
		}
	}
	if changed && os.Getenv("MIGIMG_UPDATE_DOCS") != "" && !t.Failed() {
		if err := os.WriteFile(filepath.Join(docsTop, p.name), []byte(p.rewritten()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// rewritten is the page with its blocks as they are now.
func (p *page) rewritten() string {
	var out strings.Builder
	at := 0
	for _, b := range p.blocks {
		for ; at < b.at; at++ {
			out.WriteString(p.lines[at] + "\n")
		}
		for _, line := range b.lines {
			out.WriteString(strings.TrimRight(b.indent+line, " ") + "\n")
		}
		for !fence.MatchString(p.lines[at]) {
			at++
		}
	}
	return out.String() + strings.Join(p.lines[at:], "\n") + "\n"
}

package main

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// Help texts fit into 80 columns: what is indented in a description is not broken.
func TestHelpWidth(t *testing.T) {
	for _, c := range newApp().Commands {
		for line := range strings.Lines(c.Description) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 77 {
				t.Errorf("%s: %d columns of 77: %s", c.Name, n, line)
			}
		}
	}
	if got, want := reflow("one two\nthree\n\n    as it is, however long\nfour", 9), "one two\nthree\n\n    as it is, however long\nfour"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := reflow("one two three\nfour five", 9), "one two\nthree\nfour five"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestFolded(t *testing.T) {
	for _, c := range []struct {
		name, in string
		width    int
		want     string
	}{
		{"a pipe", strings.Repeat("word ", 50) + "\n", 0, strings.Repeat("word ", 50) + "\n"},
		{"fits", "exactly ten\n", 11, "exactly ten\n"},
		{"below its column", "  structure   pass  version 3, of clusters\n", 36, "  structure   pass  version 3, of\n              clusters\n"},
		{"no column", "warning: it goes on\n", 12, "warning: it\n  goes on\n"},
		{"a word too long", "x /a/very/long/path y\n", 8, "x /a/very/long/path\n  y\n"},
		{"wide characters count once", "größe größe größe\n", 11, "größe größe\n  größe\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			err := folded(&b, c.width, func(w io.Writer) error { _, err := fmt.Fprint(w, c.in); return err })
			if err != nil || b.String() != c.want {
				t.Errorf("%v\n%s\nwant\n%s", err, b.String(), c.want)
			}
		})
	}
}

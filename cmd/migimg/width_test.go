package main

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

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

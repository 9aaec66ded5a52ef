package boot

import (
	"slices"
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	for _, c := range []struct {
		name, in string
		lines    []string
		rest     string
	}{
		{"lines", "a\r\nb \n\n\x00c", []string{"a", "b"}, "c"},
		{"colours", "[\x1b[0;32m  OK  \x1b[0m] Reached\n", []string{"[  OK  ] Reached"}, ""},
		{"the cursor moves", "\x1b[2J\x1b[01;01HShell\x1b[02;01H> ", []string{"Shell"}, ">"},
		{"within the line", "a\x1b[3Cb\x1b[Kc", nil, "abc"},
		{"a title", "\x1b]0;root@demo\x07demo\x1b]3008;x\x1b\\:~# ", nil, "demo:~#"},
		{"a character set", "\x1b(Ba\x1b)0b\x1b7c\x1b=d", nil, "abcd"},
		{"a line down", "a\x1bDb\x1bMc", []string{"a", "b"}, "c"},
		{"a sequence that does not end", "\x1b[" + strings.Repeat("1", 100), nil, strings.Repeat("1", 37)},
		{"a line that does not end", strings.Repeat("x", longest+1), []string{strings.Repeat("x", longest)}, "x"},
		{"UTF-8", "Grüße\tx\n", []string{"Grüße x"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var whole, pieces text
			lines := whole.feed([]byte(c.in))
			if !slices.Equal(lines, c.lines) || whole.rest() != c.rest {
				t.Errorf("%q and %q, must be %q and %q", lines, whole.rest(), c.lines, c.rest)
			}
			var by []string
			for _, b := range []byte(c.in) {
				by = append(by, pieces.feed([]byte{b})...)
			}
			if !slices.Equal(by, c.lines) || pieces.rest() != c.rest {
				t.Errorf("byte by byte: %q and %q", by, pieces.rest())
			}
		})
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte("a\x1b[01;01Hb\r\n\x1b]0;x\x07"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var x text
		for _, line := range append(x.feed(b), x.rest()) {
			if len(line) > longest || strings.ContainsAny(line, "\x1b\n\r\x00") {
				t.Errorf("%q", line)
			}
			stageOf(line)
			signOf(line, "")
		}
		if len(x.escape) > 300 {
			t.Errorf("%d bytes of a sequence are kept", len(x.escape))
		}
	})
}

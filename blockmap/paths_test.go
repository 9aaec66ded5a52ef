package blockmap

import "testing"

func TestPlainName(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "with space": "with space", "ümlaut \\ 日本": "ümlaut \\ 日本",
		"n\xff": `n\xff`, "a\nb": `a\nb`, "\x1b[2J": `\x1b[2J`, "a/\xff": `a\x2f\xff`,
	} {
		if got := PlainName([]byte(in)); got != want {
			t.Errorf("%q: %s, must be %s", in, got, want)
		}
	}
}

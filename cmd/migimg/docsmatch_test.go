package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// matches compares lines; "..." stands for any number of any lines.
func matches(want, got []string) bool {
	if i := slices.Index(want, "..."); i >= 0 {
		for n := i; n <= len(got); n++ {
			if matches(want[:i], got[:i]) && matches(want[i+1:], got[n:]) {
				return true
			}
		}
		return false
	}
	plain := func(lines []string) string { return strings.TrimSpace(varies(strings.Join(lines, "\n"))) }
	return plain(want) == plain(got)
}

// varying are what a transcript need not have right, and what is compared in its
// place, in this order.
var varying = []struct {
	what *regexp.Regexp
	as   string
}{
	{regexp.MustCompile(`\bETA (-|\d+s)`), "ETA"}, // rclone knows none of a quick copy
	{regexp.MustCompile(`\[[ ░▒▓█]+\]`), "[PICTURE]"},
	{regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`), "UUID"},
	{regexp.MustCompile(`\b[0-9a-f]{12,128}\b`), "HASH"},
	{regexp.MustCompile(`\b(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +\d+ +[\d:]+`), "TIME"},
	{regexp.MustCompile(`\d{4}[-/]\d\d[-/]\d\d([T ][\d:.]+)?(Z| ?[-+]\d\d:?\d\d)?`), "TIME"},
	{regexp.MustCompile(`\d+(\.\d+)? ?(bytes|B|[KMGT]i?B?)\b(/s)?`), "SIZE"},
	{regexp.MustCompile(`\d+(\.\d+)?(ns|µs|ms|h|m|s)(\d+(\.\d+)?s)?\b`), "DURATION"},
	{regexp.MustCompile(`\d+(\.\d+)?`), "N"},
	{regexp.MustCompile(`[-─=]{3,}`), "RULE"},
	{regexp.MustCompile(`[ \t]+`), " "},
}

func varies(text string) string {
	for _, v := range varying {
		text = v.what.ReplaceAllString(text, v.as)
	}
	return strings.ReplaceAll(text, " \n", "\n")
}

func TestDocsMatch(t *testing.T) {
	for _, c := range []struct {
		name, want, got string
		same            bool
	}{
		{"figures", "600 MiB in 2.5s, id 0123456789abcdef", "1.2 GiB in 99ms, id fedcba9876543210", true},
		{"time left", "100%, 21.943 MiB/s, ETA 0s", "100%, 0 B/s, ETA -", true},
		{"words", "4 files: PASS", "4 files: FAIL", false},
		{"a line more", "a\nb", "a\nb\nc", false},
		{"a line less", "a\nb\nc", "a\nc", false},
		{"columns", "a   1 B   b", "a 1024 KiB b", true},
		{"dots", "a\n...\nd", "a\nb\nc\nd", true},
		{"dots for nothing", "a\n...\nd", "a\nd", true},
		{"dots are not all", "a\n...\nd", "a\nb\nc", false},
		{"a time", "-r-- 1 root Nov 27 09:36 x", "-r-- 1 root Jan  3 00:00 x", true},
	} {
		if matches(strings.Split(c.want, "\n"), strings.Split(c.got, "\n")) != c.same {
			t.Errorf("%s: %q and %q: the same is not %v", c.name, c.want, c.got, c.same)
		}
	}
}

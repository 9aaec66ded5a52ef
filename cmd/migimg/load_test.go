package main

import "testing"

func TestParseRate(t *testing.T) {
	for s, want := range map[string]int64{"20M": 20 << 20, "1.5M": 3 << 19, "100KiB/s": 100 << 10, "1g": 1 << 30, "70000": 70000, "0": 0} {
		if n, err := parseRate(s); n != want || err != nil {
			t.Errorf("%s: %d, %v, want %d", s, n, err, want)
		}
	}
	for _, s := range []string{"", "M", "-1M", "nan", "inf", "1e9", "0x10", "20T", "1M5", "99999999G", "1_000"} {
		if n, err := parseRate(s); err == nil {
			t.Errorf("%q is %d", s, n)
		}
	}
}

package main

import "testing"

func TestNearest(t *testing.T) {
	for _, c := range []struct {
		word, want string
		words      []string
	}{
		{"tencnet", "tencent", []string{"aws", "tencent", "kvm"}},
		{"kwm", "kvm", []string{"aws", "tencent", "kvm"}},
		{"formt", "format", []string{"o", "f", "format", "cluster-size"}},
		{"bogus", "", []string{"o", "f", "format", "bwlimit"}},
		{"mars", "", []string{"aws", "tencent", "kvm"}},
		{"x", "", nil},
	} {
		if got := nearest(c.word, c.words); got != c.want {
			t.Errorf("%s: %q, want %q", c.word, got, c.want)
		}
	}
}

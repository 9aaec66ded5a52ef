package verify_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"migimg/verify"
)

// TestTargets: a target's rules are an aspect of their own, and decide.
func TestTargets(t *testing.T) {
	const size = 20 << 20
	for _, c := range []struct {
		name  string
		rules verify.Rules
		want  verify.Status
		says  string
	}{
		{"nothing", verify.Rules{Name: "x"}, verify.Pass, "takes it"},
		{"all in order", verify.Rules{Name: "x", Formats: []string{"qcow2", "raw"}, MinDisk: verify.Limit{Bytes: size, Refused: true}, MaxDisk: verify.Limit{Bytes: size, Refused: true}, Multiple: verify.Limit{Bytes: 1 << 20, Refused: true}}, verify.Pass, "takes it"},
		{"format", verify.Rules{Name: "x", Formats: []string{"vhd-fixed"}}, verify.Fail, "does not take raw; it takes vhd-fixed"},
		{"too small", verify.Rules{Name: "x", MinDisk: verify.Limit{Bytes: size + 1, Refused: true}}, verify.Fail, "the least is"},
		{"too large", verify.Rules{Name: "x", MaxDisk: verify.Limit{Bytes: size - 1, Refused: true, Error: "TooLarge"}}, verify.Fail, "(TooLarge)"},
		{"odd", verify.Rules{Name: "x", MaxDisk: verify.Limit{Bytes: size - 1}}, verify.Pass, "the most is"},
		{"multiple", verify.Rules{Name: "x", Multiple: verify.Limit{Bytes: 1 << 30, Refused: true}}, verify.Fail, "no multiple"},
		{"file", verify.Rules{Name: "x", MaxFile: map[string]verify.Limit{"raw": {Bytes: 512, Refused: true}}}, verify.Fail, "a file of"},
		{"another file", verify.Rules{Name: "x", MaxFile: map[string]verify.Limit{"qcow2": {Bytes: 512, Refused: true}}}, verify.Pass, "takes it"},
		{"table", verify.Rules{Name: "x", Tables: verify.Words{Taken: []string{"mbr"}, Refused: true}}, verify.Fail, "it takes mbr"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := verify.Check(context.Background(), verify.Image{Name: "x.raw", R: bytes.NewReader(make([]byte, size)), Size: size}, verify.Options{Targets: []verify.Rules{c.rules}})
			if err != nil {
				t.Fatal(err)
			}
			a := r.Aspects[len(r.Aspects)-1]
			if a.Name != "target x" || a.Status != c.want || r.Verdict != c.want || !strings.Contains(table(t, r), c.says) {
				t.Errorf("%s", table(t, r))
			}
		})
	}
}

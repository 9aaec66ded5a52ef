package verify

import (
	"errors"
	"strings"
	"testing"
)

// A source that is written to while it is compared with: what differs there is
// undecided, what differs elsewhere a defect.
func TestMoving(t *testing.T) {
	disk := make([]byte, diskSize)
	for i := range disk {
		disk[i] = byte(i/512) | 1
	}
	copied := string(disk)
	var all []int
	for i := range diskSize / 512 {
		all = append(all, i)
	}
	disk[20<<10] ^= 1
	src := source(disk, ranges(all, 512, diskSize))
	at := func(lo, hi int64) func(Range) (bool, error) {
		return func(r Range) (bool, error) { return r.Off < hi && lo < r.End(), nil }
	}
	for _, x := range []struct {
		name    string
		written func(Range) (bool, error)
		verdict Status
		say     string
	}{
		{"there", at(20<<10, 20<<10+1), Unknown, "4096 bytes cannot be compared: they were written on the source since the image's moment; the image: exact but for x"},
		{"beside it", at(16<<10, 20<<10), Fail, "differs from the source"},
		{"nobody knows", func(Range) (bool, error) { return false, errors.New("no answer") }, Unknown, "no answer"},
	} {
		src.Moving = &Moving{Written: x.written, Words: func() string { return "exact but for x" }}
		r := check(t, image([]byte(copied), Raw), src)
		var out strings.Builder
		if err := WriteTable(&out, r); err != nil || r.Verdict != x.verdict || !strings.Contains(out.String(), x.say) {
			t.Errorf("%s: %v\n%s", x.name, err, out.String())
		}
	}
}

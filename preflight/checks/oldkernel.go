package checks

import (
	"strconv"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

// oldKernel judges the age of the kernel that boots; one whose release is not a
// number is not judged.
func oldKernel(f *facts.Facts, t *targets.Target) Result {
	if t.MinKernel == nil {
		return within
	}
	have, want := version(f.Drivers.Kernel), version(t.MinKernel.Value)
	if len(have) < 2 || !older(have, want) {
		return within
	}
	r := warn(Medium, "kernel %s is older than %s", f.Drivers.Kernel, t.MinKernel.Value).
		with(sourced(t, t.MinKernel.Fact, "kernel", f.Drivers.Kernel, "at least "+t.MinKernel.Value))
	if t.MinKernel.Note != "" {
		r = r.more(": %s", t.MinKernel.Note)
	}
	return r
}

// version is the numbers that a release begins with: 5.10.0-21-amd64 is 5 10 0.
func version(release string) (v []int) {
	end := strings.IndexFunc(release, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end >= 0 {
		release = release[:end]
	}
	for _, s := range strings.SplitN(release, ".", 5) {
		n, err := strconv.Atoi(s)
		if err != nil || len(v) == 4 {
			break
		}
		v = append(v, n)
	}
	return v
}

// older compares versions; what one does not have counts as 0.
func older(a, b []int) bool {
	for i := range max(len(a), len(b)) {
		x, y := 0, 0
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			return x < y
		}
	}
	return false
}

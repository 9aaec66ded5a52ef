package checks

import (
	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

// ofEach makes a check of a disk one of all the machine's disks, each by itself.
func ofEach(run func(*facts.Facts, *targets.Target) Result) func(*facts.Facts, *targets.Target) Result {
	return func(f *facts.Facts, t *targets.Target) Result {
		r := run(f, t)
		for _, d := range f.Disk.Others {
			one := *f
			one.Disk = d
			r = worst(r, run(&one, t).of(d.Name))
		}
		return r
	}
}

// of says which of several disks the summary is about.
func (r Result) of(disk string) Result {
	m := message("disk %s: ", disk)
	r.Summary = m.String() + r.Summary
	r.said = append([]Message{m}, r.said...)
	return r
}

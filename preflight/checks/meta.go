package checks

import (
	"fmt"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

var metaCoverage = Check{
	ID: "meta.coverage", Code: "MIG9101", Title: "Everything could be read", Category: "meta", Severity: Medium,
	Impact: "Some checks are undecided.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		ev := value("backend", f.Guest.Backend, "")
		a, absent := f.Absent(facts.KeyGuest)
		switch {
		case absent && a.NotApplicable:
			return pass("%s", a.Reason)
		case absent:
			return unknown("%s", a.Reason)
		case len(f.Guest.Problems) > 0:
			r := unknown("%s", f.Guest.Problems[0]).with(ev)
			for _, p := range f.Guest.Problems {
				r = r.with(value("not read", p, ""))
			}
			return r
		}
		return pass("read by %s", f.Guest.Backend).with(ev)
	},
}

var metaScope = Check{
	ID: "meta.scope", Code: "MIG9102", Title: "What the image holds", Category: "meta", Severity: Medium,
	Impact: "The image is not what it seems.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		d := f.Disk
		r := pass("the whole disk: %s, %d partitions, consistency %s", size(d.Size), len(d.Table.Partitions), d.Consistency)
		for _, v := range d.Volumes {
			r = r.with(Evidence{Kind: "volume", Key: v.Name, Actual: strings.TrimSpace(v.Type + " " + v.UUID), Detail: map[string]string{"start": fmt.Sprint(v.Start), "size": fmt.Sprint(v.Size)}})
		}
		if len(f.Guest.Others) > 0 {
			w := warn("", "%d more operating systems are on the disk (partition %s); the checks are about the one on %s", len(f.Guest.Others), strings.Join(f.Guest.Others, ", "), partTitle(f.Guest.Root))
			w.Evidence = r.Evidence
			return w
		}
		if d.Consistency == "live" {
			w := warn("", "filesystems are mounted read-write and not frozen: what changes during the copy may be torn")
			w.Evidence = r.Evidence
			return w
		}
		return r
	},
}

// Package preflight says whether a disk's image will be taken by a cloud or
// hypervisor, and whether it will boot there. It gathers facts of the disk and
// of the operating system on it (package facts), judges them for each target
// (packages checks and targets), and makes one [Report].
//
// It writes nothing, runs no program of the guest, and reads only metadata and
// small files (a few hundred, most of them systemd's units) besides the
// initramfs of the kernel that boots.
// The report holds no password, hash or key.
package preflight

import (
	"context"
	"fmt"
	"time"

	"migimg/preflight/checks"
	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

// The caller describes the disk in these types; see package facts.
type (
	Source     = facts.Source
	Mount      = facts.Mount
	OutputInfo = facts.Output
	Drift      = facts.Drift
	Watch      = facts.Watch
)

// Options steer Run.
type Options struct {
	// Targets are the ids to judge for, in the order of the report; none means
	// all that are known.
	Targets []string
	// Profiles are the targets themselves, where the caller has read them
	// (ReadTargets); Targets is then not looked at.
	Profiles []*targets.Target
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Template says that many machines are made of the image: what makes this one
	// itself must not be in it.
	Template bool
	// Version is the program's.
	Version string
	// Generation counts the reports that a mount has made.
	Generation int
	// Waivers are findings that the owner lives with.
	Waivers []Waiver
	// Anonymous replaces names, addresses and serial numbers.
	Anonymous bool
	// Watch, if set, is told what the report was read from.
	Watch *Watch
}

// Run gathers the facts of a disk and judges them. What cannot be read makes
// checks unknown; the error is that of the context, or of an unknown target,
// which names the known ones.
func Run(ctx context.Context, s Source, o Options) (*Report, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	ts := o.Profiles
	if ts == nil {
		var err error
		if ts, err = ReadTargets("", o.Targets...); err != nil {
			return nil, fmt.Errorf("preflight: %w", err)
		}
	}
	began := o.Now()
	f, err := facts.Gather(ctx, s, facts.Options{Modules: modules(ts), Template: o.Template, Now: began, Watch: o.Watch})
	if err != nil {
		return nil, fmt.Errorf("preflight: %s: %w", s.Device, err)
	}
	r := report(f, ts)
	r.Tool = Tool{Name: "migimg", Version: o.Version, Catalog: checks.Catalog}
	r.GeneratedAt = began.UTC().Truncate(time.Second)
	r.DurationMS = o.Now().Sub(began).Milliseconds()
	r.Generation = o.Generation
	r.Waive(o.Waivers, began)
	if o.Anonymous {
		r.Anonymise()
	}
	return r, nil
}

// modules are the kernel modules that the targets and the checks ask about.
func modules(ts []*targets.Target) []string {
	names := checks.RootModules()
	names = append(names, "ext2", "ext3")
	for _, t := range ts {
		names = append(names, t.Modules()...)
	}
	return names
}

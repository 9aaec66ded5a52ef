package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pkg/xattr"
	"github.com/urfave/cli/v2"

	"migimg/blockmap"
	"migimg/verify"
	"migimg/verify/manifest"
)

// proofFlags are those of verifying a copy by a manifest.
func proofFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "manifest", Usage: "`FILE` of migimg manifest: the copy is proven by it, without its source"},
		&cli.StringFlag{Name: "sample", Usage: "with --manifest: look at a share of the disk only, such as 5%", DefaultText: "all of it"},
		&cli.DurationFlag{Name: "max-duration", Usage: "with --manifest: stop after such a time, such as 60s; what is looked at is spread over the disk", DefaultText: "no limit"},
	}
}

// proofFrom is what the image at path is proven by; nil where no manifest was given.
func proofFrom(c *cli.Context, path string) (*verify.Proof, error) {
	name := c.String("manifest")
	if name == "" {
		for _, flag := range []string{"sample", "max-duration"} {
			if c.IsSet(flag) {
				return nil, fmt.Errorf("--%s goes with --manifest", flag)
			}
		}
		return nil, nil
	}
	if c.IsSet("source") {
		return nil, errors.New("--manifest is for when the source has gone: give it, or --source")
	}
	share, err := parseShare(c.String("sample"))
	if err != nil {
		return nil, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m, err := manifest.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p := &verify.Proof{Manifest: m, Sample: share, MaxDuration: c.Duration("max-duration"), File: originalOf(m, path)}
	if p.File != nil {
		p.Disk = p.File.Disk
	}
	root := &blockmap.VolumeInfo{}
	for _, v := range m.Volumes {
		x := &blockmap.VolumeInfo{Name: v.Name, Start: v.Start, Size: v.Size}
		x.Type = v.Type
		root.Children = append(root.Children, x)
	}
	p.Where = where(root)
	return p, nil
}

// originalOf is the file of the manifest that the one at path is a copy of: by the plan
// digest that came with it, or by its name. nil: it cannot be told, or the file is of
// another plan.
func originalOf(m *manifest.Manifest, path string) *manifest.File {
	plan, err := xattr.Get(path, "user.migimg.plan-digest")
	for i := range m.Files {
		f := &m.Files[i]
		if err == nil && f.PlanDigest == string(plan) || err != nil && filepath.Base(f.Path) == filepath.Base(path) {
			return f
		}
	}
	return nil
}

// parseShare reads a share such as 5%; empty is 0, which stands for all.
func parseShare(s string) (float64, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
	if err != nil || !strings.HasSuffix(s, "%") || n <= 0 || n > 100 {
		return 0, fmt.Errorf("--sample %s is no share such as 5%%", s)
	}
	return n / 100, nil
}

// stale says why a manifest does not speak of the copy at path any more.
func (m marker) stale(t0 time.Time) error {
	if at := m.moment(); at != "" {
		return fmt.Errorf("%s is the disk as of %s, to which a sync brought it, and the manifest is of %s: compare it with the device", m.path, at, t0.Format(time.RFC3339))
	}
	return nil
}

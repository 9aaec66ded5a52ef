package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"migimg/encoders"
	formats "migimg/encoders/all"
	"migimg/fusefs"
	"migimg/preflight/targets"
)

// targetFolder is targets/NAME of a mount: the files that the target takes, and how
// they get there. A family of targets ("azure") has one folder.
type targetFolder struct {
	name    string
	targets []targetImage
	images  []image // of all of them, each once
}

// targetImage is what a target takes best.
type targetImage struct {
	*targets.Target
	// images are none where no format that it takes holds the disk; reason says why.
	images []image
	reason string
}

// planTargets lays out the folders of the targets that were asked for.
func (s *source) planTargets(ctx context.Context, o sourceOptions) error {
	for _, t := range o.targets {
		images, reason, err := s.planTarget(ctx, t)
		if err != nil {
			return fmt.Errorf("target %s: %w", t.ID, err)
		}
		name := t.ID
		if t.Family != "" && slices.Contains(o.targetWords, t.Family) && s.folder(t.Family).fits(images) {
			name = t.Family
		}
		s.folder(name).add(t, images, reason)
	}
	return nil
}

// folder is the folder of a name; it is made where there is none.
func (s *source) folder(name string) *targetFolder {
	for _, f := range s.folders {
		if f.name == name {
			return f
		}
	}
	f := &targetFolder{name: name}
	s.folders = append(s.folders, f)
	return f
}

// fits says whether the images can be in the folder: another one's of the same name
// is the same file.
func (f *targetFolder) fits(images []image) bool {
	for _, im := range images {
		for _, x := range f.images {
			if f.file(x) == im.Path && x.digest != im.digest {
				return false
			}
		}
	}
	return true
}

// add puts a target's images into the folder, or why there are none.
func (f *targetFolder) add(t *targets.Target, images []image, reason string) {
	for i := range images {
		images[i].Path = path.Join("targets", f.name, images[i].Path)
		if !slices.ContainsFunc(f.images, func(x image) bool { return x.Path == images[i].Path }) {
			f.images = append(f.images, images[i])
		}
	}
	f.targets = append(f.targets, targetImage{t, images, reason})
}

// takers are the targets that the file at a path of the mount is for.
func (f *targetFolder) takers(path string) (ids []string) {
	for _, t := range f.targets {
		if slices.ContainsFunc(t.images, func(im image) bool { return im.Path == path }) {
			ids = append(ids, t.ID)
		}
	}
	return ids
}

// planTarget lays out what a target takes best; where nothing can be made for it, it
// says why. Several disks have a folder each.
func (s *source) planTarget(ctx context.Context, t *targets.Target) (images []image, reason string, err error) {
	for _, d := range s.bootOrder(ctx) {
		own, why, err := d.planTarget(ctx, t)
		if err != nil || why != "" {
			return nil, strings.TrimPrefix(d.name+": "+why, ": "), err
		}
		for _, im := range own {
			im.Path = d.inFolder(im.Path)
			images = append(images, im)
		}
	}
	whole, err := s.wholeFor(ctx, t)
	return append(images, whole...), "", err
}

// wholeFor is the file with all of several disks, where a target takes one.
func (s *source) wholeFor(ctx context.Context, t *targets.Target) ([]image, error) {
	if len(s.disks) == 1 {
		return nil, nil
	}
	for _, word := range t.Formats.Values {
		e, _ := format(word)
		c, ok := e.(encoders.Container)
		if !ok {
			continue
		}
		im, err := s.planMachine(ctx, c, func(d *disk) (planner, error) { return d.rounded(t) })
		if errors.Is(err, encoders.ErrLimit) {
			continue
		}
		return []image{im}, err
	}
	return nil, nil
}

// planTarget lays out what a target takes best of one disk.
func (d *disk) planTarget(ctx context.Context, t *targets.Target) (images []image, reason string, err error) {
	p, err := d.rounded(t)
	if err != nil {
		return nil, "", err
	}
	reason = "no format that it takes can be made"
	for _, word := range t.FormatsFor(p.disk.Map.Size()) {
		e, ok := format(word)
		if !ok {
			continue
		}
		images, err := p.plan(ctx, e)
		if !errors.Is(err, encoders.ErrLimit) {
			return images, "", err
		}
		reason = err.Error()
	}
	return nil, reason, nil
}

// format finds the encoder for a word of the targets' files.
func format(word string) (encoders.Encoder, bool) {
	for _, e := range formats.Formats() {
		if e.Name() == word {
			return e, true
		}
	}
	return nil, false
}

// rounded is the planner for a target: of a disk whose size is a multiple of what it
// wants, with the partition table that belongs to that.
func (d *disk) rounded(t *targets.Target) (planner, error) {
	p := d.planners[0]
	if t.Multiple == nil || d.blocks.Size()%t.Multiple.Value == 0 {
		return p, nil
	}
	round := t.Multiple.Value
	if r := d.scoped.Round; r > 0 && r%round != 0 && round%r != 0 {
		round *= r
	} else {
		round = max(round, r)
	}
	if known, ok := d.planners[round]; ok {
		return known, nil
	}
	scope := d.scoped
	scope.Round = round
	e, err := d.table.Scope(d.dev, scope)
	if err != nil {
		return p, err
	}
	blocks, err := e.Map(d.mapped)
	if err != nil {
		return p, err
	}
	table, err := d.readBack(e, d.seen(d.src.lower(), blocks, e))
	if err != nil {
		return p, err
	}
	d.planners[round] = d.planner(&imageDisk{edit: e, table: table, blocks: blocks, path: fmt.Sprintf(".migimg/map-%d.json", round)}, d.seen(d.src.throttle, blocks, e), p.o)
	return d.planners[round], nil
}

// document is the folder's UPLOAD.md, for a mount at point.
func (f *targetFolder) document(point string) fusefs.Document {
	text := f.upload(point)
	return fusefs.Document{Path: path.Join("targets", f.name, "UPLOAD.md"), Bytes: func() ([]byte, error) { return text, nil }}
}

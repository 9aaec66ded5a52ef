package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path"
	"time"

	"migimg/blockmap"
	scanners "migimg/blockmap/all"
	"migimg/blockmap/device"
	"migimg/blockmap/ptable"
	"migimg/encoders"
	"migimg/encoders/layout"
	"migimg/fusefs"
	"migimg/preflight/targets"
)

// source is what is exported: the disks of a machine, as a rule one, that have been
// opened, mapped at one moment, and planned. It is the whole way from block devices to
// image files that can be read.
type source struct {
	disks []*disk // as they were given
	// base reads the space in which the disks lie, each in its place; a disk alone is its
	// own space. Volumes, files, pins and drift are in bytes of it.
	base        blockmap.Layer
	places      []blockmap.Place // nil for a disk alone
	size        int64
	uses        []device.Use // of all disks
	consistency consistency
	moment      *moment // nil unless the disks are held at T0
	t0          time.Time

	mapped  *blockmap.Map // of the space
	volumes *blockmap.VolumeInfo

	throttle *device.Throttle // readers of the mount may be slowed down
	digest   bool             // images are hashed while they are read
	ionice   *device.IOPriority
	tell     func(level slog.Level, text string) // nil for tellPeople

	order   []*disk // in which a machine has the disks; see bootOrder
	machine []image // of all disks at once
	// folders are those of the targets that were asked for.
	folders []*targetFolder
}

// disk is one of the disks, on the same way. What it has is in bytes of the disk, but for
// its place.
type disk struct {
	src    *source
	name   string // of its folder in a mount; empty alone, when there is none
	at     blockmap.Place
	dev    *device.Device
	path   string // of the device, from the root: a daemon changes directory
	faults *device.Faults
	uses   []device.Use

	table   *ptable.Table // the device's
	mapped  *blockmap.Map // the device's
	blocks  *blockmap.Map // that of the images' disk
	volumes *blockmap.VolumeInfo
	scoped  ptable.Scope // with what was chosen
	edit    *ptable.Edit
	view    io.ReaderAt // the disk as the images have it
	served  io.ReaderAt // the same for readers of the mount
	// imageTable is the table of the images' disk.
	imageTable *ptable.Table

	planned  []*imageDisk      // those that there are images of
	planners map[int64]planner // of them, by what the size is rounded up to a multiple of
	images   []image
	absent   []absence
}

// sourceOptions are the user's choices up to the plan.
type sourceOptions struct {
	consistency string
	pin         bool // auto may freeze
	moment      momentOptions
	clusterSize int64
	version     int // of qcow2; 0 is the usual one
	compress    compressOptions
	formats     []encoders.Encoder // nil: those that every mount shows
	machine     encoders.Container // what holds all disks at once; nil: nothing
	zeroFill    bool
	digest      bool
	scope       scopeOptions
	load        loadOptions
	targets     []*targets.Target // those that get a folder
	targetWords []string          // their names as they were given
	progress    *progress
	// usable is called when the mount is; nil where the process has other things to do.
	usable func() error
	tell   func(level slog.Level, text string) // what there is to say meanwhile, and at the end
	log    logOptions                          // of a mount
}

// open goes from devices' paths to plans: device -> map -> view -> layouts.
// Nothing but filesystem metadata has been read when it returns.
func open(ctx context.Context, paths []string, o sourceOptions) (s *source, err error) {
	s = &source{digest: o.digest, ionice: o.load.ionice, tell: o.tell}
	defer func(opened *source) {
		if err != nil {
			opened.Close()
		}
	}(s)
	if err := s.openDisks(paths, o); err != nil {
		return nil, err
	}
	if s.consistency, err = chooseConsistency(o.consistency, s.uses, o.pin); err != nil {
		return nil, fmt.Errorf("%s: %w", s.named(), err)
	}
	if err := s.mapDisks(ctx, o); err != nil {
		return nil, fmt.Errorf("%s: %w", s.named(), err)
	}
	s.throttle = device.NewThrottle(s.lower(), o.load.bwlimit)
	for _, d := range s.disks {
		// Choosing what the system needs to boot means reading it.
		d.mapped = s.mapped.Slice(d.at)
		d.blocks, d.view = d.mapped, d.seen(s.lower(), d.mapped, &ptable.Edit{})
		if err := d.scope(ctx, o.scope); err != nil {
			return nil, fmt.Errorf("%s: %w", d.path, err)
		}
		d.view, d.served = d.seen(s.lower(), d.blocks, d.edit), d.seen(s.throttle, d.blocks, d.edit)
		if d.imageTable, err = d.readBack(d.edit, d.view); err != nil {
			return nil, fmt.Errorf("%s: %w", d.path, err)
		}
	}
	s.volumes.Count(s.carriedIn)
	for _, d := range s.disks {
		d.volumes = d.node().Alone(d.at)
		if err := d.plan(ctx, o); err != nil {
			return nil, fmt.Errorf("%s: %w", d.path, err)
		}
	}
	if o.machine != nil {
		im, err := s.planMachine(ctx, o.machine, func(d *disk) (planner, error) { return d.planners[0], nil })
		if err != nil {
			return nil, err
		}
		s.machine = []image{im}
	}
	return s, s.planTargets(ctx, o)
}

// mapDisks finds out what is free: at one moment, if the disks are in use and can be
// held there, or as it comes.
func (s *source) mapDisks(ctx context.Context, o sourceOptions) error {
	if l := s.consistency.Level; l == levelPinned || l == levelFrozen {
		err := s.takeT0(ctx, o)
		if err == nil || ctx.Err() != nil || o.consistency == l {
			return err
		}
		live, _ := chooseConsistency(levelLive, s.uses, false) // always possible
		s.consistency = live
		s.consistency.Detail += "; it could not be frozen: " + err.Error()
	}
	if s.consistency.Level == levelLive {
		device.Sync(s.uses)
	}
	s.t0 = time.Now()
	so := s.scanOptions(o)
	so.Progress = o.progress.scanning
	var err error
	s.mapped, s.volumes, err = blockmap.Scan(ctx, s.space(s.unaccounted()), scanners.Scanners(), so)
	return err
}

// scanOptions are those of every scan of the disks.
func (s *source) scanOptions(o sourceOptions) blockmap.ScanOptions {
	return blockmap.ScanOptions{ClusterSize: min(o.clusterSize, blockmap.DefaultClusterSize), Still: s.still, Disks: s.places}
}

// seen is the disk through a layer of the space, as images with the map and the edit have
// it.
func (d *disk) seen(below blockmap.Layer, blocks *blockmap.Map, e *ptable.Edit) io.ReaderAt {
	return e.View(blockmap.NewView(blockmap.Shift(below, d.at.Off), blocks))
}

// Close gives the devices back. What has to be undone is undone even where that
// fails.
func (s *source) Close() {
	if err := s.moment.Close(); err != nil {
		s.say(slog.LevelWarn, err.Error())
	}
	for _, d := range s.disks {
		d.dev.Close()
	}
}

// tree is what a mount of the source at point shows.
func (s *source) tree(docs *documents, perm permissions, point string) fusefs.Tree {
	t := fusefs.Tree{
		Documents: docs.list(),
		ModTime:   s.t0,
		UID:       perm.uid, GID: perm.gid, Mode: perm.mode,
		Xattrs: map[string]string{"user.migimg.source": s.named(), "user.migimg.consistency": s.consistency.Level},
	}
	for _, im := range s.images() {
		f := fusefs.File{
			Path:      im.Path,
			Size:      im.Layout.Size(),
			Allocated: im.Layout.Allocated(),
			Reader:    layout.NewReader(im.Layout, im.view),
			Extent:    im.Layout.Extent,
			Xattrs: map[string]string{
				"user.migimg.format":        im.encoder,
				"user.migimg.virtual-size":  fmt.Sprint(im.VirtualSize),
				"user.migimg.carried-bytes": fmt.Sprint(im.carried()),
				"user.migimg.plan-digest":   im.digest,
				"user.migimg.consistency":   s.consistency.Level,
			},
		}
		if len(s.disks) > 1 {
			f.Xattrs["user.migimg.source"] = im.sources()
		}
		if s.digest {
			f.Digest = fusefs.NewDigest(f.Reader, f.Size, f.Extent)
			f.Reader = f.Digest
		}
		t.Files = append(t.Files, f)
	}
	for _, f := range s.folders {
		t.Documents = append(t.Documents, f.document(point))
	}
	s.addVolumes(&t)
	return t
}

// inFolder is where a mount has a file of the disk.
func (d *disk) inFolder(file string) string { return path.Join(d.name, file) }

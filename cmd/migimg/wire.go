package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
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

// source is a device that has been opened, mapped and planned: the whole way
// from a block device to image files that can be read.
type source struct {
	dev         *device.Device
	path        string // of the device, from the root: a daemon changes directory
	faults      *device.Faults
	uses        []device.Use
	consistency consistency
	moment      *moment // nil unless the device is held at T0
	t0          time.Time

	table   *ptable.Table // the device's
	mapped  *blockmap.Map // the device's
	blocks  *blockmap.Map // that of the images' disk
	volumes *blockmap.VolumeInfo
	scoped  ptable.Scope // with what was chosen
	edit    *ptable.Edit
	view    io.ReaderAt // the disk as the images have it
	// served is the same for readers of the mount: it may be slowed down.
	served   io.ReaderAt
	throttle *device.Throttle
	digest   bool // images are hashed while they are read
	ionice   *device.IOPriority
	tell     func(level slog.Level, text string) // nil for tellPeople
	// imageTable is the table of the images' disk.
	imageTable *ptable.Table

	disks  []*imageDisk // those that there are images of
	images []image
	absent []absence
	// folders are those of the targets that were asked for.
	folders []*targetFolder
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

// open goes from a device's path to plans: device -> map -> view -> layouts.
// Nothing but filesystem metadata has been read when it returns.
func open(ctx context.Context, path string, o sourceOptions) (s *source, err error) {
	dev, err := device.Open(path)
	if err != nil {
		return nil, err
	}
	s = &source{dev: dev, faults: &device.Faults{Dev: dev, ZeroFill: o.zeroFill}, tell: o.tell}
	defer func(opened *source) {
		if err != nil {
			opened.Close()
		}
	}(s)
	if s.path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	if s.uses, err = dev.Uses(device.Roots{}); err != nil {
		return nil, err
	}
	if s.consistency, err = chooseConsistency(o.consistency, s.uses, o.pin); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if s.table, err = ptable.Read(dev); err != nil {
		return nil, fmt.Errorf("%s: reading the partition table: %w", path, err)
	}
	if err := s.mapDevice(ctx, o); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	// Choosing what the system needs to boot means reading it.
	s.view = blockmap.NewView(s.lower(), s.blocks)
	if err := s.scope(ctx, o.scope); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s.view = s.edit.View(blockmap.NewView(s.lower(), s.blocks))
	s.digest = o.digest
	s.throttle, s.ionice = device.NewThrottle(s.lower(), o.load.bwlimit), o.load.ionice
	s.served = s.edit.View(blockmap.NewView(s.throttle, s.blocks))
	if s.imageTable, err = s.readBack(s.edit, s.view); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}

	if err := s.plan(ctx, o); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// mapDevice finds out what is free: at one moment, if the device is in use and can be
// held there, or as it comes.
func (s *source) mapDevice(ctx context.Context, o sourceOptions) error {
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
	s.blocks, s.volumes, err = blockmap.Scan(ctx, s.dev, scanners.Scanners(), so)
	return err
}

// scanOptions are those of every scan of the device.
func (s *source) scanOptions(o sourceOptions) blockmap.ScanOptions {
	return blockmap.ScanOptions{ClusterSize: min(o.clusterSize, blockmap.DefaultClusterSize), Still: s.still}
}

// Close gives the device back. What has to be undone is undone even where that
// fails.
func (s *source) Close() {
	if err := s.moment.Close(); err != nil {
		s.say(slog.LevelWarn, err.Error())
	}
	s.dev.Close()
}

// identity stands for a disk and its map, of which sum is the digest: what every id in
// an image is derived from. It depends on nothing that changes between two mounts of an
// unchanged disk, nor on the machine that the disk is in.
func (s *source) identity(e *ptable.Edit, sum [32]byte) (id [32]byte) {
	h := sha256.New()
	fmt.Fprintf(h, "migimg identity 1\n%d %d %s\n", s.dev.Size(), s.dev.SectorSize(), s.table.ID)
	for v := range s.volumes.All() {
		fmt.Fprintf(h, "%s %d %d %s %s\n", v.Name, v.Start, v.Size, v.Type, v.UUID)
	}
	for _, p := range e.Patches {
		fmt.Fprintf(h, "%d %x\n", p.Off, p.Bytes)
	}
	h.Write(sum[:])
	h.Sum(id[:0])
	return id
}

// tree is what a mount of the source at point shows.
func (s *source) tree(docs *documents, perm permissions, point string) fusefs.Tree {
	t := fusefs.Tree{
		Documents: docs.list(),
		ModTime:   s.t0,
		UID:       perm.uid, GID: perm.gid, Mode: perm.mode,
		Xattrs: map[string]string{"user.migimg.source": s.path, "user.migimg.consistency": s.consistency.Level},
	}
	for _, im := range s.images {
		f := fusefs.File{
			Path:      im.Path,
			Size:      im.Layout.Size(),
			Allocated: im.Layout.Allocated(),
			Reader:    layout.NewReader(im.Layout, im.disk.view),
			Extent:    im.Layout.Extent,
			Xattrs: map[string]string{
				"user.migimg.format":        im.encoder,
				"user.migimg.virtual-size":  fmt.Sprint(im.VirtualSize),
				"user.migimg.carried-bytes": fmt.Sprint(s.blocks.Bytes()),
				"user.migimg.plan-digest":   im.digest,
				"user.migimg.consistency":   s.consistency.Level,
			},
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

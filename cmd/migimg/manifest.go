package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"migimg/verify/manifest"
)

// manifestPath is where a mount has its manifest.
const manifestPath = ".migimg/manifest.json"

func manifestCommand() *cli.Command {
	return &cli.Command{
		Name:      "manifest",
		Usage:     "print what copies of a mount's images can be verified with later",
		ArgsUsage: "MOUNTPOINT",
		Description: `The manifest has a sum of each MiB of the disk that has been read from the mount:
take it when the copies are done. With it migimg verify needs neither the mount nor
the disk. What nobody has read yet has no sum: it says how much that is.

    cp /mnt/migimg/disk.qcow2 /mnt/sdb/server.qcow2
    migimg manifest /mnt/migimg > /mnt/sdb/server.manifest.json
    migimg verify --manifest server.manifest.json server.qcow2`,
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "MOUNTPOINT")
			if err != nil {
				return err
			}
			point, ok := isMountpoint(args[0])
			if !ok {
				return noMount(point)
			}
			f, err := os.Open(filepath.Join(point, manifestPath))
			if err != nil {
				return err
			}
			defer f.Close()
			m, err := manifest.Read(io.TeeReader(f, c.App.Writer))
			if err != nil {
				return err
			}
			if _, err := io.Copy(c.App.Writer, f); err != nil { // what follows the object
				return err
			}
			warnUnknown(m)
			return nil
		},
	}
}

// warnUnknown says how much of the disks a manifest does not know.
func warnUnknown(m *manifest.Manifest) {
	for i := range m.Disks {
		n := int64(0)
		for _, c := range m.Disks[i].Unknown {
			n += c.Count
		}
		if n > 0 {
			fmt.Fprintf(os.Stderr, "migimg: %d MiB of a disk of %s have not been read and have no sum: this manifest proves nothing of them\n", n, human(m.Disks[i].Size))
		}
	}
}

// manifest is what is known now of what was read of the disk.
func (d *disk) manifest() *manifest.Manifest {
	s := d.src
	c := s.consistencyNow()
	m := &manifest.Manifest{
		SchemaVersion: manifest.SchemaVersion, Version: versionString(), Algorithm: manifest.Algorithm,
		Created: time.Now(), T0: s.t0, Consistency: manifest.Consistency{Level: c.Level, Detail: c.Detail},
		Source:  manifest.Source{Device: d.path, Size: d.dev.Size(), SectorSize: d.dev.SectorSize(), Table: string(d.table.Kind)},
		OnError: s.onError(), Disks: make([]manifest.Disk, len(d.planned)),
	}
	for _, im := range s.images() {
		if len(im.disks) != 1 || im.disks[0].of != d {
			continue
		}
		own, _ := below(d.name, im.Path)
		m.Files = append(m.Files, manifest.File{
			Path: own, Format: im.encoder, QemuFormat: im.Format, Size: im.Layout.Size(), VirtualSize: im.VirtualSize,
			PlanDigest: im.digest, Disk: slices.Index(d.planned, im.disks[0]),
		})
	}
	for v := range d.volumes.All() {
		if v.Start >= 0 {
			m.Volumes = append(m.Volumes, manifest.Volume{Name: v.Name, Type: v.Type, Start: v.Start, Size: v.Size})
		}
	}
	ranges, _ := d.faults.Ranges()
	for _, r := range ranges {
		m.Unreadable = append(m.Unreadable, manifest.Range(r))
	}
	now := d.drifted(context.Background())
	m.Drift = now.words()
	for i, p := range d.planned {
		x := &m.Disks[i]
		x.Size, x.MapDigest = p.blocks.Size(), p.digest
		x.Fill(p.view)
		x.SetMoved(d.servedLate())
		x.MovedUnknown = s.untracked()
	}
	return m
}

// untracked is why it is not known what of what was served is newer than T0; empty where
// it is.
func (s *source) untracked() string {
	m := s.moment
	switch l := s.consistency.Level; {
	case l == levelOffline || l == levelFrozen:
		return ""
	case l == levelLive || m == nil:
		return s.consistency.Detail
	case m.tracker == nil:
		return or(s.consistency.Untracked, "writes are not tracked")
	}
	if err := m.tracker.Lost(); err != nil {
		return err.Error()
	}
	return ""
}

// servedLate are the ranges of the disk that were served after they had been written,
// as far as that is known.
func (d *disk) servedLate() iter.Seq2[int64, int64] {
	return func(yield func(int64, int64) bool) {
		m := d.src.moment
		if m == nil || m.tracker == nil {
			return
		}
		for r := range m.drift.Served() {
			lo, hi := max(r.Off, d.at.Off), min(r.End(), d.at.End())
			if lo < hi && !yield(lo-d.at.Off, hi-lo) {
				return
			}
		}
	}
}

package main

import (
	"context"
	"os"
	"path"
	"strings"
	"time"

	"migimg/blockmap"
	"migimg/blockmap/device"
	"migimg/encoders/layout"
)

// status is the document .migimg/status.json.
type status struct {
	Version     string       `json:"version"`
	PID         int          `json:"pid"`
	Started     time.Time    `json:"started"`
	T0          time.Time    `json:"t0"`
	Source      sourceStatus `json:"source"`
	Consistency consistency  `json:"consistency"`
	Map         mapStatus    `json:"map"`
	Files       []fileStatus `json:"files"`
	Volumes     []volumeFile `json:"volumes,omitempty"`
	// Disks are those of a mount with several, each of which has a folder with a status
	// of its own. Source and Map are then sums.
	Disks  []diskStatus `json:"disks,omitempty"`
	Absent []absence    `json:"absent,omitempty"`
	Reads  readsStatus  `json:"reads"`
	// Readers are those who read now, Finished who has read: the newest last.
	Readers  []readerStatus    `json:"readers"`
	Finished []finishedReading `json:"finished,omitempty"`
	Drift    string            `json:"drift"`
	// Drifted is the same in figures.
	Drifted  driftFigures `json:"drifted"`
	Load     loadStatus   `json:"load"`
	Warnings []string     `json:"warnings,omitempty"`
}

type sourceStatus struct {
	Device     string       `json:"device"`
	Size       int64        `json:"size"`
	SectorSize int64        `json:"sector_size,omitempty"`
	Block      bool         `json:"block_device"`
	Direct     bool         `json:"direct_io"`
	Uses       []device.Use `json:"uses,omitempty"`
}

// diskStatus is one of several disks.
type diskStatus struct {
	// Folder is the disk's name, and where its images are.
	Folder string       `json:"folder"`
	Source sourceStatus `json:"source"`
	Map    mapStatus    `json:"map"`
}

type mapStatus struct {
	Digest string `json:"digest"`
	// DiskSize is that of the disk in the images, in bytes: the device's, unless it
	// was shrunk or rounded up.
	DiskSize        int64 `json:"disk_size"`
	ClusterSize     int64 `json:"cluster_size"`
	Clusters        int64 `json:"clusters"`
	CarriedClusters int64 `json:"carried_clusters"`
	CarriedBytes    int64 `json:"carried_bytes"`
}

type fileStatus struct {
	Path        string `json:"path"`
	Format      string `json:"format"`
	QemuFormat  string `json:"qemu_format"`
	Size        int64  `json:"size"`
	Allocated   int64  `json:"allocated"`
	VirtualSize int64  `json:"virtual_size"`
	Note        string `json:"note,omitempty"`
	// Targets are those that the file is for.
	Targets []string `json:"targets,omitempty"`
	// Map is the document with the map of the disk in it, where that is not map.json's.
	Map string `json:"map,omitempty"`
	// Maps are those of several disks in it, in their order.
	Maps       []string             `json:"maps,omitempty"`
	PlanDigest string               `json:"plan_digest"`
	Segments   []layout.SegmentInfo `json:"segments"`
}

type readsStatus struct {
	Open        int64        `json:"open_files"`
	ServedBytes int64        `json:"served_bytes"`
	Device      device.Stats `json:"device"`
	Failed      int64        `json:"failed_reads"`
	OnError     string       `json:"on_read_error"`
	// Files are those of which something has been read.
	Files      []fileReads  `json:"files,omitempty"`
	Errors     []unreadable `json:"unreadable,omitempty"`
	MoreErrors int64        `json:"unreadable_bytes_not_listed,omitempty"`
}

// unreadable is a range of a device that could not be read.
type unreadable struct {
	blockmap.Range
	Disk   string `json:"disk,omitempty"` // of several
	Volume string `json:"volume,omitempty"`
	Type   string `json:"type,omitempty"`
}

// base is what is said of all disks alike.
func (d *documents) base() status {
	s := d.src
	d.events.look(false)
	return status{
		Version: versionString(), PID: os.Getpid(), Started: d.events.started, T0: s.t0, Consistency: s.consistencyNow(), Load: s.loadStatus(),
		Reads:   readsStatus{Open: d.events.stats.Open(), ServedBytes: d.events.stats.Served(), Failed: d.events.stats.Errors(), OnError: s.onError()},
		Readers: []readerStatus{},
	}
}

// addReaders adds who reads or has read what is in a folder, with paths below it.
func (d *documents) addReaders(st *status, folder string) {
	for _, r := range d.events.readers.list() {
		if name, ok := below(folder, r.File); ok {
			r.File = name
			st.Readers = append(st.Readers, r)
		}
	}
	for _, f := range d.events.readers.done() {
		if name, ok := below(folder, f.File); ok {
			f.File = name
			st.Finished = append(st.Finished, f)
		}
	}
	for _, f := range d.events.readers.read() {
		if name, ok := below(folder, f.Path); ok {
			f.Path = name
			st.Reads.Files = append(st.Reads.Files, f)
		}
	}
}

// below is the path from the folder, and whether it is in it; the empty one has them all.
func below(folder, file string) (string, bool) {
	if folder == "" {
		return file, true
	}
	return strings.CutPrefix(file, folder+"/")
}

// status is that of the mount.
func (d *documents) status() status {
	st, s := d.base(), d.src
	st.Files, st.Volumes = s.fileStatus(s.images(), ""), s.volumeFiles()
	d.addReaders(&st, "")
	now := s.drifted(context.Background())
	st.Drift, st.Drifted, st.Warnings = now.words(), now.figures(), s.warnings()
	for i, x := range s.disks {
		one := diskStatus{x.name, x.sourceStatus(), x.planned[0].mapStatus()}
		st.Disks = append(st.Disks, one)
		st.Source.add(i == 0, one.Source)
		st.Map.add(one.Map)
		st.Absent = append(st.Absent, x.absent...)
		x.addReads(&st.Reads)
		st.Source.Uses = append(st.Source.Uses, x.now(&st)...)
	}
	d.stale(&st)
	return st
}

// diskStatus is that of a disk's folder, with paths below it; of a mount of one disk the
// mount's own.
func (d *documents) diskStatus(x *disk) status {
	st, s := d.base(), d.src
	st.Source, st.Map, st.Absent = x.sourceStatus(), x.planned[0].mapStatus(), x.absent
	images := x.images
	if x.name == "" {
		images = s.images()
	}
	st.Files = s.fileStatus(images, x.name)
	for _, v := range s.volumeFiles() {
		if own, mine := x.own(v.Volume); mine {
			v.Path, _ = below(x.name, v.Path)
			v.Volume = own
			st.Volumes = append(st.Volumes, v)
		}
	}
	x.addReads(&st.Reads)
	d.addReaders(&st, x.name)
	now := x.drifted(context.Background())
	st.Drift, st.Drifted, st.Warnings = now.words(), now.figures(), append(s.ownWarnings(), x.warnings()...)
	d.stale(&st)
	st.Source.Uses = x.now(&st)
	return st
}

// stale adds that the images cannot be read any more.
func (d *documents) stale(st *status) {
	if st.Consistency.Level == levelStale {
		st.Warnings = append(st.Warnings, st.Consistency.Detail)
	}
}

// now is how the disk is used now.
func (x *disk) now(st *status) []device.Use {
	uses, err := x.dev.Uses(device.Roots{})
	if err != nil {
		st.Warnings = append(st.Warnings, "cannot tell how the device is used now: "+err.Error())
	}
	if c, err := chooseConsistency("auto", uses, false); err == nil && x.src.consistency.Level == levelOffline && c.Level != levelOffline {
		st.Warnings = append(st.Warnings, "the device was offline when it was mapped and is no longer: "+c.Detail+"; unmount it or mount migimg again")
	}
	return uses
}

func (x *disk) sourceStatus() sourceStatus {
	return sourceStatus{Device: x.path, Size: x.dev.Size(), SectorSize: x.dev.SectorSize(), Block: x.dev.Block(), Direct: x.dev.Direct()}
}

// add makes it the sum of several.
func (s *sourceStatus) add(first bool, x sourceStatus) {
	if first {
		*s = x
		return
	}
	s.Device += ", " + x.Device
	s.Size += x.Size
	s.Block, s.Direct = s.Block && x.Block, s.Direct && x.Direct
	if s.SectorSize != x.SectorSize {
		s.SectorSize = 0
	}
}

func (m *mapStatus) add(x mapStatus) {
	m.ClusterSize = x.ClusterSize
	m.DiskSize += x.DiskSize
	m.Clusters += x.Clusters
	m.CarriedClusters += x.CarriedClusters
	m.CarriedBytes += x.CarriedBytes
}

// addReads adds what was read from the disk.
func (x *disk) addReads(r *readsStatus) {
	stats := x.dev.Stats()
	r.Device.Bytes += stats.Bytes
	r.Device.Requests += stats.Requests
	ranges, more := x.faults.Ranges()
	r.MoreErrors += more
	for _, f := range ranges {
		v := volumeAt(x.volumes, f.Off)
		r.Errors = append(r.Errors, unreadable{Range: f, Disk: x.name, Volume: v.Name, Type: v.Type})
	}
}

// onError is what readers get where a device cannot be read.
func (s *source) onError() string {
	if s.disks[0].faults.ZeroFill {
		return "zero"
	}
	return "eio"
}

func (d *imageDisk) mapStatus() mapStatus {
	m := d.blocks
	return mapStatus{Digest: d.digest, DiskSize: m.Size(), ClusterSize: m.ClusterSize(), Clusters: m.Clusters(), CarriedClusters: m.Count(), CarriedBytes: m.Bytes()}
}

// fileStatus is that of images, with paths from the folder.
func (s *source) fileStatus(images []image, folder string) []fileStatus {
	var out []fileStatus
	for _, im := range images {
		own, _ := below(folder, im.Path)
		f := fileStatus{
			Path: own, Format: im.encoder, QemuFormat: im.Format, Size: im.Layout.Size(), Allocated: im.Layout.Allocated(),
			VirtualSize: im.VirtualSize, PlanDigest: im.digest, Segments: im.Layout.Segments(),
		}
		d := im.disks[0]
		if im.VirtualSize != d.blocks.Size() && len(im.disks) == 1 {
			f.Note = "rounded up from " + human(d.blocks.Size()) + " to the format's unit; the rest is zeros"
		}
		for _, folder := range s.folders {
			f.Targets = append(f.Targets, folder.takers(im.Path)...)
		}
		for _, d := range im.disks {
			if p := path.Join(d.of.name, d.path); folder == "" && p != mapPath {
				f.Maps = append(f.Maps, p)
			}
		}
		if len(f.Maps) == 1 {
			f.Map, f.Maps = f.Maps[0], nil
		}
		out = append(out, f)
	}
	return out
}

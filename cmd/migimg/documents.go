package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"migimg/blockmap"
	"migimg/blockmap/device"
	"migimg/blockmap/ptable"
	"migimg/encoders/layout"
	"migimg/fusefs"
)

// documents are the files of a mount that describe it.
type documents struct {
	src     *source
	stats   *fusefs.Stats
	started time.Time

	reports *reports
	maps    []fusefs.Document
}

// mapPath is where a mount has the map of the disk in its images.
const mapPath = ".migimg/map.json"

func newDocuments(ctx context.Context, s *source, stats *fusefs.Stats, o reportOptions) *documents {
	d := &documents{src: s, stats: stats, started: time.Now(), reports: newReports(ctx, s, o)}
	for _, disk := range s.disks {
		d.maps = append(d.maps, fusefs.Document{Path: disk.path, Bytes: sync.OnceValues(func() ([]byte, error) { return marshal(s.mapDocument(disk, true)) })})
	}
	return d
}

func (d *documents) list() []fusefs.Document {
	return append([]fusefs.Document{
		{Path: "preflight.json", Bytes: d.reports.jsonBytes},
		{Path: "report.html", Bytes: d.reports.htmlBytes},
		{Path: ".migimg/status.json", Bytes: func() ([]byte, error) { return marshal(d.status()) }},
		{Path: writtenPath, Bytes: func() ([]byte, error) { return marshal(d.src.written()) }},
		{Path: ".migimg/drift.json", Bytes: func() ([]byte, error) { return marshal(d.src.drifted(context.Background())) }},
		{Path: manifestPath, Bytes: func() ([]byte, error) { return marshal(d.src.manifest()) }},
	}, d.maps...)
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	err := writeJSON(&b, v)
	return b.Bytes(), err
}

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
	Absent      []absence    `json:"absent,omitempty"`
	Reads       readsStatus  `json:"reads"`
	Drift       string       `json:"drift"`
	Load        loadStatus   `json:"load"`
	Warnings    []string     `json:"warnings,omitempty"`
}

type sourceStatus struct {
	Device     string       `json:"device"`
	Size       int64        `json:"size"`
	SectorSize int64        `json:"sector_size,omitempty"`
	Block      bool         `json:"block_device"`
	Direct     bool         `json:"direct_io"`
	Uses       []device.Use `json:"uses,omitempty"`
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
	Map        string               `json:"map,omitempty"`
	PlanDigest string               `json:"plan_digest"`
	Segments   []layout.SegmentInfo `json:"segments"`
}

type readsStatus struct {
	Open        int64        `json:"open_files"`
	ServedBytes int64        `json:"served_bytes"`
	Device      device.Stats `json:"device"`
	Failed      int64        `json:"failed_reads"`
	OnError     string       `json:"on_read_error"`
	Errors      []unreadable `json:"unreadable,omitempty"`
	MoreErrors  int64        `json:"unreadable_bytes_not_listed,omitempty"`
}

// unreadable is a range of the device that could not be read.
type unreadable struct {
	blockmap.Range
	Volume string `json:"volume,omitempty"`
	Type   string `json:"type,omitempty"`
}

func (d *documents) status() status {
	s := d.src
	st := status{
		Version: versionString(), PID: os.Getpid(), Started: d.started, T0: s.t0,
		Consistency: s.consistencyNow(), Absent: s.absent,
		Source: sourceStatus{Device: s.path, Size: s.dev.Size(), SectorSize: s.dev.SectorSize(), Block: s.dev.Block(), Direct: s.dev.Direct()},
		Map:    s.disks[0].mapStatus(),
		Files:  s.fileStatus(), Volumes: s.volumeFiles(),
		Reads: readsStatus{Open: d.stats.Open(), ServedBytes: d.stats.Served(), Device: s.dev.Stats(), Failed: d.stats.Errors(), OnError: s.onError()},
		Load:  s.loadStatus(),
	}
	ranges, more := s.faults.Ranges()
	st.Reads.MoreErrors = more
	for _, r := range ranges {
		v := volumeAt(s.volumes, r.Off)
		st.Reads.Errors = append(st.Reads.Errors, unreadable{Range: r, Volume: v.Name, Type: v.Type})
	}
	now := s.drifted(context.Background())
	st.Drift = now.words()
	st.Warnings = s.warnings()
	if st.Consistency.Level == levelStale {
		st.Warnings = append(st.Warnings, st.Consistency.Detail)
	}
	uses, err := s.dev.Uses(device.Roots{})
	if err != nil {
		st.Warnings = append(st.Warnings, "cannot tell how the device is used now: "+err.Error())
	}
	st.Source.Uses = uses
	if c, err := chooseConsistency("auto", uses, false); err == nil && s.consistency.Level == levelOffline && c.Level != levelOffline {
		st.Warnings = append(st.Warnings, "the device was offline when it was mapped and is no longer: "+c.Detail+"; unmount it or mount migimg again")
	}
	return st
}

// onError is what readers get where the device cannot be read.
func (s *source) onError() string {
	if s.faults.ZeroFill {
		return "zero"
	}
	return "eio"
}

func (d *imageDisk) mapStatus() mapStatus {
	m := d.blocks
	return mapStatus{Digest: d.digest, DiskSize: m.Size(), ClusterSize: m.ClusterSize(), Clusters: m.Clusters(), CarriedClusters: m.Count(), CarriedBytes: m.Bytes()}
}

func (s *source) fileStatus() []fileStatus {
	var out []fileStatus
	for _, im := range s.images {
		f := fileStatus{
			Path: im.Path, Format: im.encoder, QemuFormat: im.Format, Size: im.Layout.Size(), Allocated: im.Layout.Allocated(),
			VirtualSize: im.VirtualSize, PlanDigest: im.digest, Segments: im.Layout.Segments(),
		}
		if im.VirtualSize != im.disk.blocks.Size() {
			f.Note = "rounded up from " + human(im.disk.blocks.Size()) + " to the format's unit; the rest is zeros"
		}
		for _, folder := range s.folders {
			f.Targets = append(f.Targets, folder.takers(im.Path)...)
		}
		if im.disk.path != mapPath {
			f.Map = im.disk.path
		}
		out = append(out, f)
	}
	return out
}

// warnings are what the owner of the disk should know about the map.
func (s *source) warnings() (out []string) {
	if s.consistency.Level == levelLive {
		out = append(out, s.consistency.Detail)
	}
	if p, err := s.dev.Place(device.Roots{}); err == nil && p.Name != "" {
		out = append(out, fmt.Sprintf("%s is a partition: its images have no partition table and no boot loader, and no machine starts from them; to export all of the disk, name it (%s)", s.dev.Path(), p.Name))
	}
	out = append(out, s.consistency.Notes...)
	out = append(out, s.table.Problems...)
	out = append(out, s.edit.Notes...)
	for v := range s.volumes.All() {
		name := "the device"
		if v.Name != "" {
			name = volumeWord(v.Name)
		}
		for _, w := range v.Warnings {
			out = append(out, name+": "+w)
		}
		if v.Whole != "" && v.Type != "" && !v.LeftOut {
			out = append(out, name+" ("+v.Type+") is carried whole: "+v.Whole)
		}
	}
	if n := s.blocks.Unmasked(); n > 0 {
		out = append(out, human(n*s.blocks.ClusterSize())+" of partly free clusters are carried with their free blocks: there are too many to keep account of")
	}
	return out
}

// warn prints the warnings.
func (s *source) warn() {
	for _, w := range s.warnings() {
		fmt.Fprintln(os.Stderr, "migimg: warning:", w)
	}
}

// volumeWord is what people call a volume.
func volumeWord(name string) string {
	if _, err := strconv.Atoi(name); err != nil {
		return "volume " + name
	}
	return "partition " + name
}

// volumeAt is the innermost volume that holds the device offset.
func volumeAt(root *blockmap.VolumeInfo, off int64) *blockmap.VolumeInfo {
	found := root
	for v := range root.All() {
		if v.Start >= 0 && off >= v.Start && off-v.Start < v.Size {
			found = v
		}
	}
	return found
}

// mapDocument is .migimg/map.json, and what `migimg map` prints.
type mapDocument struct {
	Source  sourceStatus         `json:"source"`
	Table   any                  `json:"partition_table"`
	Map     mapStatus            `json:"map"`
	Volumes *blockmap.VolumeInfo `json:"volumes"`
	// Patches are the bytes of the images' partition table that are not the
	// device's.
	Patches []ptable.Patch `json:"patches,omitempty"`
	// Ranges are the carried ranges to the sector, in bytes: [offset, length].
	Ranges [][2]int64 `json:"ranges,omitempty"`
}

func (s *source) mapDocument(disk *imageDisk, ranges bool) mapDocument {
	d := mapDocument{
		Source: sourceStatus{Device: s.path, Size: s.dev.Size(), SectorSize: s.dev.SectorSize(), Block: s.dev.Block(), Direct: s.dev.Direct(), Uses: s.uses},
		Table:  disk.table, Map: disk.mapStatus(), Volumes: s.volumes, Patches: disk.edit.Patches,
	}
	if ranges {
		for r := range disk.blocks.Ranges(0, disk.blocks.Size()) {
			d.Ranges = append(d.Ranges, [2]int64{r.Off, r.Len})
		}
	}
	return d
}

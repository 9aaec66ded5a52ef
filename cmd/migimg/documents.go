package main

import (
	"bytes"
	"context"
	"strconv"
	"sync"

	"migimg/blockmap"
	"migimg/blockmap/ptable"
	"migimg/fusefs"
)

// documents are the files of a mount that describe it.
type documents struct {
	src     *source
	events  *events
	reports *reports
}

// mapPath is where the folder of a disk, which is a mount itself where there is one, has
// the map of the disk in its images; driftPath where it says what is newer than T0.
const (
	mapPath   = ".migimg/map.json"
	driftPath = ".migimg/drift.json"
)

func newDocuments(ctx context.Context, s *source, e *events, o reportOptions) *documents {
	return &documents{src: s, events: e, reports: newReports(ctx, s, o)}
}

// list is all of them. The folder of each of several disks has what a mount of it alone
// has, but for the report, which is the machine's.
func (d *documents) list() []fusefs.Document {
	list := []fusefs.Document{
		{Path: "preflight.json", Bytes: d.reports.jsonBytes},
		{Path: "report.html", Bytes: d.reports.htmlBytes},
	}
	if len(d.src.disks) > 1 {
		list = append(list,
			fusefs.Document{Path: statusPath, Bytes: func() ([]byte, error) { return marshal(d.status()) }},
			fusefs.Document{Path: driftPath, Bytes: func() ([]byte, error) { return marshal(d.src.drifted(context.Background())) }})
	}
	for _, x := range d.src.disks {
		list = append(list, d.ofDisk(x)...)
	}
	return list
}

func (d *documents) ofDisk(x *disk) []fusefs.Document {
	list := []fusefs.Document{
		{Path: x.inFolder(statusPath), Bytes: func() ([]byte, error) { return marshal(d.diskStatus(x)) }},
		{Path: x.inFolder(writtenPath), Bytes: func() ([]byte, error) { return marshal(x.written()) }},
		{Path: x.inFolder(driftPath), Bytes: func() ([]byte, error) { return marshal(x.drifted(context.Background())) }},
		{Path: x.inFolder(manifestPath), Bytes: func() ([]byte, error) { return marshal(x.manifest()) }},
	}
	for _, p := range x.planned {
		list = append(list, fusefs.Document{Path: x.inFolder(p.path), Bytes: sync.OnceValues(func() ([]byte, error) { return marshal(x.mapDocument(p, true)) })})
	}
	return list
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	err := writeJSON(&b, v)
	return b.Bytes(), err
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

func (d *disk) mapDocument(p *imageDisk, ranges bool) mapDocument {
	m := mapDocument{Source: d.sourceStatus(), Table: p.table, Map: p.mapStatus(), Volumes: d.volumes, Patches: p.edit.Patches}
	m.Source.Uses = d.uses
	if ranges {
		for r := range p.blocks.Ranges(0, p.blocks.Size()) {
			m.Ranges = append(m.Ranges, [2]int64{r.Off, r.Len})
		}
	}
	return m
}

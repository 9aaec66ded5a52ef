package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"migimg/blockmap"
	scanners "migimg/blockmap/all"
	"migimg/preflight"
)

// drift is the document .migimg/drift.json: what of the images is newer than T0.
type drift struct {
	T0 time.Time `json:"t0"`
	// State is "none" where nothing can drift, "tracked" where all of it is known,
	// "compared" where writes are not tracked and what the filesystems say of their files
	// was compared, and "unknown"; Detail says why.
	State  string `json:"state"`
	Detail string `json:"detail"`
	// Bytes is how much was served after it had been written, to 4 KiB.
	Bytes int64       `json:"bytes"`
	Files []driftFile `json:"files"`
	// NoFile is what of it belongs to no file of T0 that is known, in bytes.
	NoFile int64 `json:"no_file_bytes"`

	bytes, noFile map[*disk]int64 // of each of several disks
}

// driftFile is a file some of whose contents are not T0's.
type driftFile struct {
	Volume string `json:"volume"`
	// Path is from the volume's root; empty where it could not be found.
	Path  string `json:"path,omitempty"`
	Inode uint64 `json:"inode"`
	Tree  uint64 `json:"tree,omitempty"`
	Bytes int64  `json:"bytes"`
	// Ranges are of the file, in bytes.
	Ranges []blockmap.Range `json:"ranges"`
	// Kind is what is known of such files: "database", "log".
	Kind string `json:"kind,omitempty"`
}

// fileKey names a file on the whole device.
type fileKey struct {
	volume string
	file   blockmap.FileID
}

// drifted says what of what has been served so far is not T0's.
func (s *source) drifted(ctx context.Context) drift {
	d := drift{T0: s.t0, State: "none", Detail: s.consistency.Detail, Files: []driftFile{}}
	m := s.moment
	switch {
	case s.consistency.Level == levelOffline || s.consistency.Level == levelFrozen:
		return d
	case m == nil:
		d.State = "unknown"
		return d
	case m.tracker == nil:
		return m.compare(ctx, s)
	}
	files := map[fileKey]*driftFile{}
	d.bytes, d.noFile = map[*disk]int64{}, map[*disk]int64{}
	for r := range m.drift.Served() {
		for c := range s.carried(r.Off, r.Len) {
			bytes, noFile := d.Bytes, d.NoFile
			d.add(s.firstCopy(c), m.files, files)
			at := s.diskAt(c.Off)
			d.bytes[at] += d.Bytes - bytes
			d.noFile[at] += d.NoFile - noFile
		}
	}
	d.State, d.Detail = "tracked", "what is not listed is exactly T0's"
	if err := m.tracker.Lost(); err != nil { // it has the last word
		d.State, d.Detail = "unknown", err.Error()
	} else if s.consistency.Level == levelLive {
		d.State, d.Detail = "unknown", s.consistency.Detail
	}
	d.list(ctx, s, files)
	return d
}

// drifted is what of the disk that is, with the names that its volumes have there.
func (d *disk) drifted(ctx context.Context) drift {
	all := d.src.drifted(ctx)
	if d.name == "" || all.State == "none" {
		return all
	}
	own := all
	own.Files, own.Bytes, own.NoFile = []driftFile{}, all.bytes[d], all.noFile[d]
	if all.State != "tracked" { // whose the bytes of no file are, nobody knows
		own.NoFile = all.NoFile
		own.Bytes = own.NoFile
	}
	for _, f := range all.Files {
		name, mine := d.own(f.Volume)
		if mine {
			f.Volume = name
		}
		if mine || d.src.lies(f.Volume, d) {
			own.Files = append(own.Files, f)
			if all.State != "tracked" {
				own.Bytes += f.Bytes
			}
		}
	}
	return own
}

// lies says that a volume over several disks lies on d as well.
func (s *source) lies(volume string, d *disk) bool {
	for _, v := range s.across() {
		for x := range v.All() {
			for r := range x.Device() {
				if x.Name == volume && s.diskAt(r.Off) == d {
					return true
				}
			}
		}
	}
	return false
}

// list names the files and sorts them.
func (d *drift) list(ctx context.Context, s *source, files map[fileKey]*driftFile) {
	s.nameFiles(ctx, files)
	for _, f := range files {
		f.Kind = kindOf(f.Path)
		d.Files = append(d.Files, *f)
	}
	slices.SortFunc(d.Files, func(a, b driftFile) int {
		return cmp.Or(cmp.Compare(a.Volume, b.Volume), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Inode, b.Inode), cmp.Compare(a.Tree, b.Tree))
	})
}

// add accounts for a carried range that was served late.
func (d *drift) add(r blockmap.Range, all *blockmap.Files, files map[fileKey]*driftFile) {
	d.Bytes += r.Len
	at := r.Off
	for x := range all.In(r.Off, r.Len) {
		if x.File == (blockmap.FileID{}) {
			continue // some file's, the scanner cannot tell whose
		}
		note(x, files)
		if x.Off > at {
			d.NoFile += x.Off - at
		}
		at = max(at, x.End())
	}
	if at < r.End() {
		d.NoFile += r.End() - at
	}
}

// note adds an extent to its file.
func note(x blockmap.FileExtent, files map[fileKey]*driftFile) {
	k := fileKey{x.Volume, x.File}
	f := files[k]
	if f == nil {
		f = &driftFile{Volume: x.Volume, Inode: x.File.Inode, Tree: x.File.Tree}
		files[k] = f
	}
	f.Bytes += x.Len
	f.Ranges = append(f.Ranges, blockmap.Range{Off: x.At, Len: x.Len})
}

// nameFiles finds the files' paths at T0. One that is not found keeps its number.
// Finding them walks directories, and every stat(2) of the documents asks for them:
// what was found is kept.
func (s *source) nameFiles(ctx context.Context, files map[fileKey]*driftFile) {
	m := s.moment
	view := s.imagesSpace(func(d *disk) io.ReaderAt { return d.view })
	m.mu.Lock()
	defer m.mu.Unlock()
	byVolume := map[string][]blockmap.FileID{}
	for k := range files {
		if _, ok := m.names[k]; !ok {
			byVolume[k.volume] = append(byVolume[k.volume], k.file)
		}
	}
	for v := range s.volumes.All() {
		ids := byVolume[v.Name]
		if len(ids) == 0 {
			continue
		}
		paths, _ := blockmap.Paths(ctx, scanners.Scanners(), v, view, ids) // what it found counts
		for id, path := range paths {
			m.names[fileKey{v.Name, id}] = path
		}
	}
	for k, f := range files {
		f.Path = m.names[k]
	}
}

// kinds are what files in such places, or of such names, are.
var kinds = []struct{ part, kind string }{
	{"/var/lib/mysql/", "database"}, {"/var/lib/postgresql/", "database"}, {"/var/lib/pgsql/", "database"},
	{"/var/lib/mongodb/", "database"}, {"/var/lib/redis/", "database"}, {"/var/lib/ldap/", "database"},
	{".sqlite", "database"}, {".db", "database"}, {".ibd", "database"}, {"-wal", "database"},
	{"/log/", "log"}, {".log", "log"}, {".journal", "log"},
}

func kindOf(path string) string {
	for _, k := range kinds {
		if strings.HasPrefix(k.part, "/") && strings.Contains(path, k.part) || !strings.HasPrefix(k.part, "/") && strings.Contains(path[strings.LastIndexByte(path, '/')+1:], k.part) {
			return k.kind
		}
	}
	return ""
}

// driftFacts is what preflight is told of it; nil where nothing can drift.
func (s *source) driftFacts(ctx context.Context) *preflight.Drift {
	d := s.drifted(ctx)
	switch d.State {
	case "none":
		return nil
	case "unknown":
		return &preflight.Drift{Unknown: d.Detail}
	}
	out := &preflight.Drift{NoFile: d.NoFile}
	for _, f := range d.Files {
		out.Files = append(out.Files, f.name())
		if f.Kind == "database" {
			out.Databases = append(out.Databases, f.name())
		}
	}
	return out
}

// name is the file's for people.
func (f *driftFile) name() string { return or(f.Path, fmt.Sprintf("inode %d", f.Inode)) }

// driftFigures are a drift in numbers.
type driftFigures struct {
	// State is that of [drift]. With "unknown" the numbers say nothing.
	State string `json:"state"`
	Bytes int64  `json:"bytes"`
	Files int    `json:"files"`
}

func (d *drift) figures() driftFigures {
	return driftFigures{State: d.State, Bytes: d.Bytes, Files: len(d.Files)}
}

// words sums it up in a line.
func (d *drift) words() string {
	switch {
	case d.State == "none":
		return "none: what is read is exactly T0's"
	case d.State == "unknown":
		return "unknown: " + d.Detail
	case d.State == "compared" && len(d.Files) == 0:
		return "none so far, by what the filesystems say of their files"
	case d.Bytes == 0:
		return "none so far: what was read is exactly T0's"
	case len(d.Files) == 0:
		return fmt.Sprintf("%d bytes of what was read are newer than T0, and no file's that is known", d.NoFile)
	}
	var names []string
	for _, f := range d.Files {
		if len(names) == 3 {
			names = append(names, fmt.Sprintf("and %d more", len(d.Files)-3))
			break
		}
		names = append(names, f.name())
	}
	return fmt.Sprintf("what was read is exactly T0's but for %d files: %s", len(d.Files), strings.Join(names, ", "))
}

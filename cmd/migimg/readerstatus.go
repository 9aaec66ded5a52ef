package main

import (
	"cmp"
	"slices"
	"time"

	"migimg/fusefs"
)

// readerStatus is a process that reads a file, as status tells it.
type readerStatus struct {
	File string `json:"file"`
	// PID is 0, and Command empty, for processes that cannot be seen: those of other
	// process namespaces are all one.
	PID     int       `json:"pid,omitempty"`
	Command string    `json:"command,omitempty"`
	Started time.Time `json:"started"`
	Handles int       `json:"open_handles"`
	Bytes   int64     `json:"read_bytes"`
	// Furthest is the end of the last byte of the file that was read.
	Furthest int64 `json:"furthest"`
	Size     int64 `json:"size"`
	// Share is how much of the file that is, from 0 to 1: up to Furthest for one who goes
	// from front to back, by bytes for all others.
	Share float64 `json:"share"`
	// Rate is that of the last seconds, or for a reading that is over of all of it.
	Rate int64 `json:"bytes_per_second"`
	// Pattern is "sequential", "parallel" (by several handles at once) or "random"; empty
	// before anything is read.
	Pattern   string `json:"pattern,omitempty"`
	Errors    int64  `json:"read_errors"`
	LastError string `json:"last_error,omitempty"`
}

// finishedReading is one that is over.
type finishedReading struct {
	readerStatus
	Ended   time.Time `json:"ended"`
	Seconds float64   `json:"seconds"`
	// Drift is what was known of it then, of all that was read from the mount.
	Drift string `json:"drift,omitempty"`
	// SHA256 is the file's, with --digest, once all of it was read by anybody.
	SHA256 string `json:"sha256,omitempty"`
}

// fileReads is what has been read of a file by all together.
type fileReads struct {
	Path   string `json:"path"`
	Bytes  int64  `json:"read_bytes"`
	Errors int64  `json:"read_errors"`
}

// rate is how many bytes a second more than its oldest sample has it come to.
func (x *reading) rate(now time.Time, bytes int64) int64 {
	return perSecond(bytes-x.samples[0].bytes, now.Sub(x.samples[0].at))
}

func perSecond(bytes int64, took time.Duration) int64 {
	if took <= 0 {
		return 0
	}
	return int64(float64(bytes) / took.Seconds())
}

func (x *reading) status(now time.Time) readerStatus {
	c := x.counts()
	s := readerStatus{
		File: x.readerKey.file, PID: x.process.PID, Command: x.command, Started: x.started, Handles: len(x.open),
		Bytes: c.Bytes, Furthest: c.Furthest, Size: x.size, Rate: x.rate(now, c.Bytes), Errors: c.Errors,
	}
	if x.failure != nil {
		s.LastError = x.failure.Error()
	}
	gone := c.Bytes
	switch {
	case c.Bytes == 0:
	case x.most > 1:
		s.Pattern = "parallel"
	case c.Forward > c.Bytes/4*3:
		s.Pattern, gone = "sequential", c.Furthest
	default:
		s.Pattern = "random"
	}
	if x.size > 0 {
		s.Share = float64(min(gone, x.size)) / float64(x.size)
	}
	return s
}

// list is who reads now, those that began first before the others.
func (r *readers) list() []readerStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all(func(*reading) bool { return true })
}

// begun is who began to read since it was last asked for.
func (r *readers) begun() []readerStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all(func(x *reading) bool {
		if x.announced || x.counts().Bytes == 0 {
			return false
		}
		x.announced = true
		return true
	})
}

func (r *readers) all(match func(*reading) bool) []readerStatus {
	out := []readerStatus{}
	now := r.now()
	for _, x := range r.reading {
		if match(x) {
			out = append(out, x.status(now))
		}
	}
	slices.SortFunc(out, func(a, b readerStatus) int {
		return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.File, b.File), cmp.Compare(a.PID, b.PID))
	})
	return out
}

// done are the newest of the readings that are over, the oldest first.
func (r *readers) done() []finishedReading {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.finished)
}

// read is what has been read of each file so far.
func (r *readers) read() (out []fileReads) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[string]fusefs.Counts{}
	for f, c := range r.files {
		all[f] = c
	}
	for k, x := range r.reading {
		c := all[k.file]
		c.Add(x.counts())
		all[k.file] = c
	}
	for f, c := range all {
		out = append(out, fileReads{Path: f, Bytes: c.Bytes, Errors: c.Errors})
	}
	slices.SortFunc(out, func(a, b fileReads) int { return cmp.Compare(a.Path, b.Path) })
	return out
}

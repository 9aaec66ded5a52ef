package main

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"migimg/fusefs"
)

const (
	// lingers is how long a process that has closed a file may take to open it again and
	// still be at the same copy: uploads open a file once for each part.
	lingers = 2 * time.Second
	// rateWindow is over how much time a rate is an average.
	rateWindow = 5 * time.Second
	// mostFinished bounds how many copies that are done are remembered.
	mostFinished = 100
)

// readers keeps account of who reads the images of a mount: a process and a file at a
// time, by however many handles.
type readers struct {
	now   func() time.Time
	alive func(fusefs.Process) bool

	mu       sync.Mutex
	images   map[string]*fusefs.File
	reading  map[readerKey]*reading
	finished []finishedReading // the oldest first
	files    map[string]fusefs.Counts
}

// handle is what [fusefs.Reader] is.
type handle interface {
	File() string
	Process() fusefs.Process
	Opened() time.Time
	Command() string
	Counts() fusefs.Counts
	Failure() error
}

type readerKey struct {
	file    string
	process fusefs.Process
}

// reading is a process at a file.
type reading struct {
	readerKey
	command   string
	failure   error
	started   time.Time
	left      time.Time // when its last handle was closed, if it has none
	size      int64
	open      map[handle]bool
	most      int           // handles open at once
	closed    fusefs.Counts // of handles that are closed
	samples   []sample
	announced bool
}

type sample struct {
	at    time.Time
	bytes int64
}

func newReaders() *readers {
	return &readers{
		now: time.Now, alive: fusefs.Process.Alive,
		images: map[string]*fusefs.File{}, reading: map[readerKey]*reading{}, files: map[string]fusefs.Counts{},
	}
}

// expect says what files there are to be read.
func (r *readers) expect(files []fusefs.File) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range files {
		r.images[files[i].Path] = &files[i]
	}
}

func (r *readers) opened(h handle) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := readerKey{h.File(), h.Process()}
	x := r.reading[k]
	if x == nil {
		x = &reading{readerKey: k, started: h.Opened(), open: map[handle]bool{}}
		if f := r.images[h.File()]; f != nil {
			x.size = f.Size
		}
		x.samples = []sample{{at: r.now()}}
		r.reading[k] = x
	}
	x.command = cmp.Or(x.command, h.Command())
	x.open[h] = true
	x.most = max(x.most, len(x.open))
}

func (r *readers) closed(h handle) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x := r.reading[readerKey{h.File(), h.Process()}]
	if x == nil || !x.open[h] {
		return
	}
	x.look(h)
	x.closed.Add(h.Counts())
	delete(x.open, h)
	if len(x.open) == 0 {
		x.left = r.now()
	}
}

// look takes in what a handle has found out since.
func (x *reading) look(h handle) {
	if c := h.Command(); c != "" {
		x.command = c
	}
	if err := h.Failure(); err != nil {
		x.failure = err
	}
}

// counts are those of all its handles.
func (x *reading) counts() fusefs.Counts {
	c := x.closed
	for h := range x.open {
		x.look(h)
		c.Add(h.Counts())
	}
	return c
}

// tick takes samples for the rates; it is called about once a second.
func (r *readers) tick() {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	for _, x := range r.reading {
		x.samples = append(x.samples, sample{now, x.counts().Bytes})
		// The oldest is as old as the window, or the beginning.
		for len(x.samples) > 2 && now.Sub(x.samples[1].at) >= rateWindow {
			x.samples = x.samples[1:]
		}
	}
}

// ended takes out who has closed a file for good: its process has ended, or has not
// come back; at the end of the mount it is everybody. drift says what is known of that
// now; it is asked only if there is something to say it of.
func (r *readers) ended(all bool, drift func() string) (out []finishedReading) {
	r.mu.Lock()
	now := r.now()
	for k, x := range r.reading {
		back := now.Sub(x.left) < lingers && (k.process.PID == 0 || r.alive(k.process)) // it may come
		if !all && (len(x.open) > 0 || back) {
			continue
		}
		delete(r.reading, k)
		c := x.counts()
		total := r.files[k.file]
		total.Add(c)
		r.files[k.file] = total
		if c.Bytes == 0 && c.Errors == 0 {
			continue // it only looked
		}
		if len(x.open) > 0 {
			x.left = now
		}
		f := finishedReading{readerStatus: x.status(now), Ended: x.left, Seconds: x.left.Sub(x.started).Seconds()}
		f.Rate = perSecond(c.Bytes, x.left.Sub(x.started))
		if im := r.images[k.file]; im != nil && im.Digest != nil {
			f.SHA256 = im.Digest.SHA256()
		}
		out = append(out, f)
	}
	r.mu.Unlock()
	if len(out) == 0 {
		return nil
	}
	slices.SortFunc(out, func(a, b finishedReading) int { return a.Ended.Compare(b.Ended) })
	words := drift() // without the lock: it may read the device
	for i := range out {
		out[i].Drift = words
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finished = append(r.finished, out...)
	r.finished = slices.Clone(r.finished[max(0, len(r.finished)-mostFinished):])
	return out
}

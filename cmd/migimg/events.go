package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"migimg/fusefs"
)

// lookAround is how often a mount looks for what is worth a line in its log.
const lookAround = time.Second

// mostUnreadable bounds how many lines about unreadable ranges are logged at a time;
// status has them all.
const mostUnreadable = 16

// events logs what happens to a mount, each thing once.
type events struct {
	log     *logger
	src     *source
	stats   *fusefs.Stats
	readers *readers
	started time.Time

	mu                       sync.Mutex
	unreadable               map[*disk]spans // that were logged
	more                     map[*disk]int64 // bytes beyond those that the device remembers one by one
	drifted, untracked, torn bool
}

// newEvents begins with how T0 was taken.
func newEvents(s *source, stats *fusefs.Stats, log *logger) *events {
	e := &events{log: log, src: s, stats: stats, readers: newReaders(), started: time.Now(), unreadable: map[*disk]spans{}, more: map[*disk]int64{}}
	e.logT0()
	return e
}

// logT0 says how the disk came to stand still, if it had to.
func (e *events) logT0() {
	s := e.src
	switch c := s.consistency; {
	case c.Pins != nil:
		e.log.Info("frozen and thawed", "frozen_ms", c.Pins.Frozen, "kernel_ms", c.Pins.Kernel, "tries", c.Pins.Tries,
			"pinned_bytes", c.Pins.Memory+c.Pins.Spool, "tracked", c.Tracked)
	case c.Level == levelFrozen:
		var points []string
		for _, f := range c.Filesystems {
			points = append(points, f.Point)
		}
		e.log.Warn("frozen", "filesystems", strings.Join(points, ","), "until", "this mount ends")
	}
}

// begin says that images can be read, and looks around until end is called, when they
// no longer can.
func (e *events) begin() (end func()) {
	s := e.src
	var size, carried int64
	for _, d := range s.disks {
		size += d.dev.Size()
		carried += d.blocks.Bytes()
	}
	e.log.Info("mounted", "device", s.named(), "size", size, "carried_bytes", carried,
		"t0", s.t0.Format(time.RFC3339Nano), "consistency", s.consistency.Level, "files", len(s.images()), "version", versionString())
	stop := make(chan struct{})
	go e.keep(stop)
	return func() {
		close(stop)
		e.unmounted()
	}
}

func (e *events) keep(stop <-chan struct{}) {
	t := time.NewTicker(lookAround)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
			e.readers.tick()
			e.look(false)
		}
	}
}

// look logs what has happened since it last did. At the end, whoever still reads has
// finished.
func (e *events) look(end bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, d := range e.src.disks {
		ranges, more := d.faults.Ranges()
		e.lookUnreadable(d, ranges, more)
	}
	e.lookMoment()
	for _, f := range e.readers.ended(end, e.driftWords) {
		e.summary(f)
	}
	for _, r := range e.readers.begun() { // who was fast has only a summary
		e.log.Info("reading", "file", r.File, "pid", r.PID, "command", r.Command)
	}
}

// summary is the line about somebody who has read a file.
func (e *events) summary(f finishedReading) {
	level := slog.LevelInfo
	args := []any{"file", f.File, "pid", f.PID, "command", f.Command, "bytes", f.Bytes, "seconds", fmt.Sprintf("%.3f", f.Seconds),
		"bytes_per_second", f.Rate, "share", fmt.Sprintf("%.4f", f.Share), "pattern", f.Pattern, "read_errors", f.Errors}
	if f.LastError != "" {
		level = slog.LevelError
		args = append(args, "last_error", f.LastError)
	}
	if f.Drift != "" {
		args = append(args, "drift", f.Drift)
	}
	if f.SHA256 != "" {
		args = append(args, "sha256", f.SHA256)
	}
	e.log.Log(context.Background(), level, "read", args...)
}

// driftWords is what is known of the drift.
func (e *events) driftWords() string {
	d := e.src.drifted(context.Background())
	return d.words()
}

// lookUnreadable logs what of the disk could not be read so far, each byte once.
func (e *events) lookUnreadable(d *disk, ranges spans, more int64) {
	fresh := ranges.without(e.unreadable[d])
	for i, r := range fresh {
		if i == mostUnreadable {
			e.log.Error("unreadable", "device", d.path, "further_ranges", len(fresh)-i, "bytes", fresh[i:].bytes())
			break
		}
		v := volumeAt(d.volumes, r.Off)
		e.log.Error("unreadable", "device", d.path, "offset", r.Off, "bytes", r.Len, "partition", v.Name, "type", v.Type, "readers_get", e.src.onError())
	}
	if more > e.more[d] {
		e.log.Error("unreadable", "device", d.path, "bytes", more-e.more[d], "offset", "not listed: there are too many ranges")
	}
	e.unreadable[d], e.more[d] = ranges, more
}

// lookMoment logs the first time that the images are not what they were at T0.
func (e *events) lookMoment() {
	s := e.src
	if c := s.consistencyNow(); c.Level == levelStale && !e.torn {
		e.torn = true
		e.log.Error("stale", "reason", c.Detail)
	}
	m := s.moment
	if m == nil || m.tracker == nil {
		return
	}
	if err := m.tracker.Lost(); err != nil && !e.untracked {
		e.untracked = true
		e.log.Warn("drift is unknown from now on", "reason", err.Error())
	}
	if e.drifted || e.untracked || !m.servedAny() {
		return
	}
	if d := s.drifted(context.Background()); d.Bytes > 0 {
		e.drifted = true
		e.log.Warn("drift", "bytes", d.Bytes, "files", len(d.Files), "drift", d.words())
	}
}

// servedAny says whether anything was served after it had been written.
func (m *moment) servedAny() bool {
	for range m.drift.Served() {
		return true
	}
	return false
}

// unmounted is the last word.
func (e *events) unmounted() {
	e.look(true)
	var read, unreadable int64
	for _, d := range e.src.disks {
		ranges, more := d.faults.Ranges()
		unreadable += spans(ranges).bytes() + more
		read += d.dev.Stats().Bytes
	}
	e.log.Info("unmounted", "seconds", int64(time.Since(e.started).Seconds()), "served_bytes", e.stats.Served(), "device_bytes", read,
		"failed_reads", e.stats.Errors(), "unreadable_bytes", unreadable, "drift", e.driftWords())
}

// close gives the device back, and thaws what was to stay frozen.
func (e *events) close() {
	frozen := e.src.consistencyNow().Level == levelFrozen
	e.src.Close()
	if frozen {
		e.log.Info("thawed", "frozen_seconds", int64(time.Since(e.src.t0).Seconds()))
	}
}

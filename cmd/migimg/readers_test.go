package main

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"migimg/fusefs"
)

// clocked are readers of a file of 1000 bytes whose time and processes are the test's.
func clocked() (r *readers, now *time.Time, dead map[int]bool) {
	r, dead = newReaders(), map[int]bool{}
	at := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	now = &at
	r.now = func() time.Time { return at }
	r.alive = func(p fusefs.Process) bool { return p.PID != 0 && !dead[p.PID] }
	r.expect([]fusefs.File{{Path: "disk.raw", Size: 1000}, {Path: "sda/disk.qcow2", Size: 500}})
	return r, now, dead
}

// unchanged is what nothing is known to have drifted is called.
func unchanged() string { return "none" }

func TestReadersSumUpHandles(t *testing.T) {
	r, now, dead := clocked()
	one := newFake("disk.raw", 7, *now)
	two := newFake("disk.raw", 7, *now)
	other := newFake("sda/disk.qcow2", 8, now.Add(time.Second))
	r.opened(one)
	r.opened(two)
	r.opened(other)
	*now = now.Add(time.Second)
	one.read(0, 100)
	two.read(500, 200)
	other.read(0, 50)
	r.tick()
	*now = now.Add(time.Second)
	one.read(100, 100)
	l := r.list()
	if len(l) != 2 {
		t.Fatalf("%+v", l)
	}
	a, b := l[0], l[1]
	if a.File != "disk.raw" || a.PID != 7 || a.Handles != 2 || a.Bytes != 400 || a.Furthest != 700 || a.Share != 0.4 || a.Pattern != "parallel" || a.Rate != 200 {
		t.Errorf("parallel: %+v", a)
	}
	if b.File != "sda/disk.qcow2" || b.Share != 0.1 || b.Pattern != "sequential" || b.Rate != 25 {
		t.Errorf("sequential: %+v", b)
	}
	if x := r.begun(); len(x) != 2 {
		t.Errorf("%d have begun, want 2", len(x))
	}
	if x := r.begun(); len(x) != 0 {
		t.Errorf("%d have begun twice", len(x))
	}

	// One handle of two is no end, and its bytes stay counted.
	r.closed(one)
	dead[7] = true
	if x := r.ended(false, unchanged); len(x) != 0 {
		t.Errorf("ended: %+v", x)
	}
	if l := r.list(); l[0].Bytes != 400 || l[0].Handles != 1 {
		t.Errorf("%+v", l[0])
	}
	*now = now.Add(2 * time.Second)
	r.closed(two)
	*now = now.Add(500 * time.Millisecond)
	x := r.ended(false, unchanged)
	if len(x) != 1 || x[0].Bytes != 400 || x[0].Seconds != 4 || x[0].Rate != 100 || x[0].Drift != "none" || x[0].Handles != 0 {
		t.Errorf("ended: %+v", x)
	}
	if files := r.read(); len(files) != 2 || files[0] != (fileReads{Path: "disk.raw", Bytes: 400}) || files[1].Bytes != 50 {
		t.Errorf("%+v", files)
	}
	if d := r.done(); len(d) != 1 || d[0].File != "disk.raw" {
		t.Errorf("%+v", d)
	}
}

// An upload opens a file once for each part: that is one reading.
func TestReadersComeBack(t *testing.T) {
	r, now, _ := clocked()
	for part := range int64(5) {
		h := newFake("disk.raw", 7, *now)
		r.opened(h)
		h.read(part*200, 200)
		r.closed(h)
		*now = now.Add(lingers - time.Millisecond)
		if x := r.ended(false, unchanged); len(x) != 0 {
			t.Fatalf("part %d: ended: %+v", part, x)
		}
	}
	*now = now.Add(time.Millisecond)
	x := r.ended(false, unchanged)
	if len(x) != 1 || x[0].Bytes != 1000 || x[0].Share != 1 || x[0].Pattern != "sequential" {
		t.Errorf("%+v", x)
	}
}

// Who opens a file and reads nothing is not worth a word; who fails is.
func TestReadersWhoOnlyLook(t *testing.T) {
	r, now, dead := clocked()
	look, fail := newFake("disk.raw", 7, *now), newFake("disk.raw", 8, *now)
	for _, h := range []*fakeHandle{look, fail} {
		r.opened(h)
	}
	fail.counts.Errors, fail.err = 1, syscall.EIO
	for _, h := range []*fakeHandle{look, fail} {
		r.closed(h)
	}
	dead[7], dead[8] = true, true
	asked := 0
	x := r.ended(false, func() string { asked++; return "" })
	if len(x) != 1 || x[0].PID != 8 || x[0].Errors != 1 || !strings.Contains(x[0].LastError, "input/output error") || asked != 1 {
		t.Errorf("%+v, asked for the drift %d times", x, asked)
	}
	if r.ended(false, func() string { t.Error("asked for nothing"); return "" }) != nil {
		t.Error("ended twice")
	}
}

// What is remembered has a bound, and the rate is that of the last seconds.
func TestReadersAreBounded(t *testing.T) {
	r, now, dead := clocked()
	for pid := range 3 * mostFinished {
		h := newFake("disk.raw", pid+1, *now)
		r.opened(h)
		h.read(0, 1)
		r.closed(h)
		dead[pid+1] = true
		r.ended(false, unchanged)
		*now = now.Add(time.Second)
	}
	if d := r.done(); len(d) != mostFinished || d[len(d)-1].PID != 3*mostFinished {
		t.Errorf("%d are remembered, the last is %d", len(d), d[len(d)-1].PID)
	}
	h := newFake("disk.raw", 9999, *now)
	r.opened(h)
	for range 100 {
		h.read(0, 500)
		*now = now.Add(time.Second)
		r.tick()
	}
	for range 10 {
		*now = now.Add(time.Second)
		r.tick()
	}
	if l := r.list(); l[0].Rate != 0 || len(r.reading[readerKey{"disk.raw", h.Process()}].samples) > 8 {
		t.Errorf("%+v", l)
	}
}

// At the end of the mount everybody has finished, whoever lives.
func TestReadersAtTheEnd(t *testing.T) {
	r, now, _ := clocked()
	h := newFake("disk.raw", 7, *now)
	r.opened(h)
	h.read(0, 100)
	*now = now.Add(2 * time.Second)
	if x := r.ended(true, unchanged); len(x) != 1 || x[0].Seconds != 2 || x[0].Rate != 50 {
		t.Errorf("%+v", x)
	}
}

// fakeHandle is one of a process that there need not be.
type fakeHandle struct {
	file    string
	process fusefs.Process
	at      time.Time
	counts  fusefs.Counts
	end     int64
	err     error
}

func newFake(file string, pid int, at time.Time) *fakeHandle {
	return &fakeHandle{file: file, process: fusefs.Process{PID: pid, Started: 1}, at: at}
}

func (h *fakeHandle) File() string            { return h.file }
func (h *fakeHandle) Process() fusefs.Process { return h.process }
func (h *fakeHandle) Opened() time.Time       { return h.at }
func (h *fakeHandle) Command() string         { return "fake" }
func (h *fakeHandle) Counts() fusefs.Counts   { return h.counts }
func (h *fakeHandle) Failure() error          { return h.err }

// read counts n bytes at off as fusefs does.
func (h *fakeHandle) read(off, n int64) {
	c := fusefs.Counts{Bytes: n, Furthest: off + n}
	if off >= h.end {
		c.Forward = n
	}
	h.counts.Add(c)
	h.end = off + n
}

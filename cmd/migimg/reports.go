package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"migimg/preflight"
	"migimg/preflight/render"
)

// lookEvery is how often, at most, a mount looks whether the report's sources
// have changed.
const lookEvery = 3 * time.Second

// reports are the preflight documents of a mount. They are made once, and anew
// when somebody looks at one and what they were read from has changed, or after
// a SIGHUP. The bytes of one generation never change: who has it open keeps it.
type reports struct {
	// make makes a report and tells the watch what it was read from.
	make func(generation int, w *preflight.Watch) (*preflight.Report, error)
	// device is the state of the device; nil where it changes all the time.
	device func() string
	opts   render.Options

	// mu is held while a report is made: whoever wants one waits for it.
	mu      sync.Mutex
	now     *generation
	count   int
	looked  time.Time
	refresh bool
}

// generation is one report in all its forms.
type generation struct {
	json, html []byte
	watch      *preflight.Watch
	device     string
}

func newReports(ctx context.Context, s *source, o reportOptions) *reports {
	r := &reports{opts: render.Options{Texts: o.texts}, device: s.deviceState()}
	r.make = func(n int, w *preflight.Watch) (*preflight.Report, error) {
		return runPreflight(ctx, s, o, n, w)
	}
	return r
}

// keep makes the first report, and a new one at each SIGHUP, so that as a rule
// it is ready when somebody asks. It ends with the context.
func (r *reports) keep(ctx context.Context) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	debug.FreeOSMemory() // what planning took is of no use while images are served
	for {
		_, _ = r.current() // an error is for the one who opens the document
		debug.FreeOSMemory()
		select {
		case <-ctx.Done():
			return
		case <-hup:
			r.again()
		}
	}
}

// again makes the next look find that a new report is wanted.
func (r *reports) again() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh = true
}

func (r *reports) jsonBytes() ([]byte, error) {
	g, err := r.current()
	if err != nil {
		return nil, err
	}
	return g.json, nil
}

func (r *reports) htmlBytes() ([]byte, error) {
	g, err := r.current()
	if err != nil {
		return nil, err
	}
	return g.html, nil
}

// current is the newest report. An error is not kept: the next one who asks
// tries again.
func (r *reports) current() (*generation, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now != nil && !r.refresh && !r.changed() {
		return r.now, nil
	}
	g := &generation{watch: &preflight.Watch{}}
	if r.device != nil {
		g.device = r.device()
	}
	report, err := r.make(r.count+1, g.watch)
	if err != nil {
		return nil, err
	}
	var j, h bytes.Buffer
	if err := report.WriteJSON(&j); err != nil {
		return nil, err
	}
	if err := render.HTML(&h, report, r.opts); err != nil {
		return nil, err
	}
	g.json, g.html = j.Bytes(), h.Bytes()
	r.now, r.count, r.refresh, r.looked = g, r.count+1, false, time.Now()
	return g, nil
}

// changed looks, now and then, whether the newest report is out of date.
func (r *reports) changed() bool {
	if time.Since(r.looked) < lookEvery {
		return false
	}
	r.looked = time.Now()
	return r.now.watch.Changed() || r.device != nil && r.device() != r.now.device
}

// deviceState returns a function that tells whether a device that nobody writes
// to, as it was mounted, was written to after all, or what moved of one that is
// tracked; nil for one of which that is not known.
func (s *source) deviceState() func() string {
	if s.consistency.Tracked {
		return func() string {
			d := s.drifted(context.Background())
			return d.words()
		}
	}
	if s.consistency.Level != levelOffline {
		return nil
	}
	return func() string {
		var all []string
		for _, d := range s.disks {
			all = append(all, deviceState(d.path))
		}
		return strings.Join(all, "\n")
	}
}

func deviceState(path string) string {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return err.Error()
	}
	if st.Mode&unix.S_IFMT == unix.S_IFREG {
		return fmt.Sprint(st.Size, st.Mtim, st.Ctim)
	}
	name := fmt.Sprintf("/sys/dev/block/%d:%d/stat", unix.Major(st.Rdev), unix.Minor(st.Rdev))
	b, err := os.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	// Linux, Documentation/block/stat.rst: the seventh field is the sectors
	// written.
	f := strings.Fields(string(b))
	if len(f) < 7 {
		return ""
	}
	return f[6]
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// logger is what a mount logs to. Nobody who logs waits for the log: requests are
// served, and filesystems frozen, by those who do.
type logger struct {
	*slog.Logger
	opts  logOptions
	queue *logQueue
	once  sync.Once
	sink  logSink
	// people says that whoever started the mount reads what it says before it is ready
	// by itself, and not in the log.
	people bool
}

// logSink takes lines, each with its end.
type logSink interface {
	write(level slog.Level, line []byte) error
}

// newLogger opens what is logged to. A file is written to from begin on.
func newLogger(o logOptions) (*logger, error) {
	l := &logger{opts: o, queue: newLogQueue(), people: o.to != logStderr}
	bare := false
	switch o.to {
	case logNone:
		l.Logger = slog.New(slog.DiscardHandler)
		return l, nil
	case logStderr:
		p := &prefixed{w: os.Stderr}
		p.priority = journalled(os.Stderr)
		l.sink, bare = p, p.priority
		l.begin()
	case logSyslog:
		s, err := dialSyslog("", "")
		switch {
		case err != nil && o.must:
			return nil, fmt.Errorf("--log-to syslog: nobody takes system messages on this machine (no /dev/log): %w", err)
		case err != nil:
			l.Logger = slog.New(slog.DiscardHandler)
			return l, nil
		}
		l.sink, bare = s, true
		l.begin()
	default:
		f := &logFile{path: o.to}
		if err := f.open(); err != nil { // now, while there is somebody to be told
			return nil, fmt.Errorf("--log-to: %w", err)
		}
		f.close()
		l.sink = f
	}
	l.handle(bare)
	return l, nil
}

// handle sets the form of the lines; bare is for a log that has the time and the level
// by itself.
func (l *logger) handle(bare bool) {
	ho := &slog.HandlerOptions{Level: l.opts.level}
	if bare {
		ho.ReplaceAttr = l.opts.bare
	}
	h := &queueing{queue: l.queue, mu: &sync.Mutex{}, buf: &bytes.Buffer{}}
	h.inner = slog.NewTextHandler(h.buf, ho)
	if l.opts.json {
		h.inner = slog.NewJSONHandler(h.buf, ho)
	}
	l.Logger = slog.New(h)
}

// begin lets a log file be written to. It must not be before T0: a file that is open
// for writing keeps its filesystem from being frozen, and who writes to a frozen one
// cannot be killed.
func (l *logger) begin() {
	if l.sink != nil {
		l.once.Do(func() { go l.queue.run(l.sink) })
	}
}

// end writes out what is waiting, if that is possible in good time.
func (l *logger) end() {
	if l.sink != nil {
		l.begin()
		l.queue.end()
	}
}

// with returns a logger whose lines all have these attributes.
func (l *logger) with(args ...any) { l.Logger = l.With(args...) }

// tell says something to whoever started the mount, and to the log.
func (l *logger) tell(level slog.Level, text string) {
	if l.people {
		tellPeople(level, text)
	}
	l.Log(context.Background(), level, text)
}

// fail logs why the mount ends and returns what is left to be said of it: nothing, if
// standard error has it already, in a form for programs.
func (l *logger) fail(err error) error {
	if err == nil {
		return nil
	}
	p, ok := l.sink.(*prefixed)
	if ok && !p.priority && !l.opts.json {
		return err
	}
	l.Error(err.Error())
	if ok {
		code, _ := exitCode(err)
		return exitWith(code)
	}
	return err
}

// say tells something that is found out while a device is opened, read or given back.
func (s *source) say(level slog.Level, text string) {
	if s.tell == nil {
		tellPeople(level, text)
		return
	}
	s.tell(level, text)
}

// tellPeople says something on standard error.
func tellPeople(level slog.Level, text string) {
	word := ""
	if level >= slog.LevelWarn {
		word = "warning: "
	}
	fmt.Fprintf(os.Stderr, "migimg: %s%s\n", word, text)
}

// queueing is a handler whose lines are written by somebody else.
type queueing struct {
	inner slog.Handler
	queue *logQueue
	mu    *sync.Mutex // of buf
	buf   *bytes.Buffer
}

var _ slog.Handler = (*queueing)(nil)

func (h *queueing) Enabled(ctx context.Context, l slog.Level) bool { return h.inner.Enabled(ctx, l) }

func (h *queueing) Handle(ctx context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := h.queue.lost.Swap(0); n > 0 {
		lost := slog.NewRecord(time.Now(), slog.LevelWarn, "lines of this log were lost", 0)
		lost.Add("lines", n)
		if err := h.put(ctx, lost, n); err != nil {
			return err
		}
	}
	return h.put(ctx, r, 1)
}

// put hands a line on; where that is impossible, n lines are lost.
func (h *queueing) put(ctx context.Context, r slog.Record, n int64) error {
	h.buf.Reset()
	if err := h.inner.Handle(ctx, r); err != nil {
		return err
	}
	if !h.queue.put(logLine{level: r.Level, text: bytes.Clone(h.buf.Bytes())}) {
		h.queue.lost.Add(n)
	}
	return nil
}

func (h *queueing) WithAttrs(attrs []slog.Attr) slog.Handler {
	n := *h
	n.inner = h.inner.WithAttrs(attrs)
	return &n
}

func (h *queueing) WithGroup(name string) slog.Handler {
	n := *h
	n.inner = h.inner.WithGroup(name)
	return &n
}

package main

import (
	"fmt"
	"io"
	"log/slog"
	"log/syslog"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// mostLines bounds what waits to be written; what is more is lost, and counted.
	mostLines = 1024
	// flushTime is how long the end of a mount waits for its log.
	flushTime = 2 * time.Second
)

// logQueue is between those who log and a log that may take its time: a full disk, a
// stopped terminal, a frozen filesystem.
type logQueue struct {
	lines chan logLine
	lost  atomic.Int64
}

type logLine struct {
	level   slog.Level
	text    []byte
	written chan struct{} // not nil for the last one, which is none
}

func newLogQueue() *logQueue { return &logQueue{lines: make(chan logLine, mostLines)} }

// put never waits; it is false where there is no room.
func (q *logQueue) put(l logLine) bool {
	select {
	case q.lines <- l:
		return true
	default:
		return false
	}
}

// run writes what is put, until the end.
func (q *logQueue) run(to logSink) {
	for l := range q.lines {
		if l.written != nil {
			close(l.written)
			return
		}
		if to.write(l.level, l.text) != nil {
			q.lost.Add(1)
		}
	}
}

// end returns when all that was put is written, or after flushTime. What is put later
// is not written any more.
func (q *logQueue) end() {
	late := time.After(flushTime)
	mark := make(chan struct{})
	select {
	case q.lines <- logLine{written: mark}:
	case <-late:
		return
	}
	select {
	case <-mark:
	case <-late:
	}
}

// priority is the level as syslog(3) and sd-daemon(3) number it.
func priority(l slog.Level) syslog.Priority {
	switch {
	case l >= slog.LevelError:
		return syslog.LOG_ERR
	case l >= slog.LevelWarn:
		return syslog.LOG_WARNING
	case l >= slog.LevelInfo:
		return syslog.LOG_INFO
	}
	return syslog.LOG_DEBUG
}

// prefixed writes lines, with their priorities before them if they go to the journal
// (sd-daemon(3)). Its own protocol would add fields; but a prefix is enough for
// `journalctl -p`, goes the way on which systemd knows the unit, and with --log-format
// json the message has the fields.
type prefixed struct {
	w        io.Writer
	priority bool
}

func (p *prefixed) write(level slog.Level, line []byte) error {
	if p.priority {
		line = append(fmt.Appendf(nil, "<%d>", priority(level)), line...)
	}
	_, err := p.w.Write(line)
	return err
}

// journalled says whether the file is a connection to the journal: systemd.exec(5),
// $JOURNAL_STREAM.
func journalled(f *os.File) bool {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return false
	}
	return os.Getenv("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// system is the system's log. One protocol reaches systemd's journal, rsyslog and
// busybox's syslogd.
type system struct{ w *syslog.Writer }

// dialSyslog connects to the system's log, or for tests to another.
func dialSyslog(network, address string) (*system, error) {
	w, err := syslog.Dial(network, address, syslog.LOG_DAEMON|syslog.LOG_INFO, "migimg")
	if err != nil {
		return nil, err
	}
	return &system{w}, nil
}

func (s *system) write(level slog.Level, line []byte) error {
	switch priority(level) {
	case syslog.LOG_ERR:
		return s.w.Err(string(line))
	case syslog.LOG_WARNING:
		return s.w.Warning(string(line))
	case syslog.LOG_INFO:
		return s.w.Info(string(line))
	}
	return s.w.Debug(string(line))
}

// logFile is a file that lines are appended to. It may be moved away at any time
// (logrotate(8)): the next line begins a new one.
type logFile struct {
	path string
	f    *os.File
}

func (l *logFile) open() (err error) {
	// Paths of the disk may be in it.
	l.f, err = os.OpenFile(l.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	return err
}

func (l *logFile) close() {
	l.f.Close()
	l.f = nil
}

func (l *logFile) write(_ slog.Level, line []byte) error {
	if l.f != nil && l.moved() {
		l.close()
	}
	if l.f == nil {
		if err := l.open(); err != nil {
			return err
		}
	}
	_, err := l.f.Write(line)
	return err
}

// moved says whether the path is another file by now, or none.
func (l *logFile) moved() bool {
	there, err := os.Stat(l.path)
	if err != nil {
		return true
	}
	ours, err := l.f.Stat()
	return err != nil || !os.SameFile(there, ours)
}

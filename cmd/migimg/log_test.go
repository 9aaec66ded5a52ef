package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"
)

// loggerTo logs to a sink of the test's.
func loggerTo(t *testing.T, sink logSink, o logOptions, bare bool) *logger {
	t.Helper()
	l := &logger{opts: o, queue: newLogQueue(), sink: sink}
	l.handle(bare)
	l.begin()
	return l
}

// TestJournalPrefix: sd-daemon(3) numbers priorities so, and the journal has the time
// and the level by itself.
func TestJournalPrefix(t *testing.T) {
	var b bytes.Buffer
	l := loggerTo(t, &prefixed{w: &b, priority: true}, logOptions{level: slog.LevelDebug}, true)
	l.Debug("a")
	l.Info("b", "file", "disk.raw")
	l.Warn("c\nd")
	l.Error("e")
	l.end()
	if want := "<7>msg=a\n<6>msg=b file=disk.raw\n<4>msg=\"c\\nd\"\n<3>msg=e\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

// TestJournalled: systemd says which file is the journal's; what was inherited and
// redirected is not.
func TestJournalled(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	t.Setenv("JOURNAL_STREAM", "8:12345")
	if journalled(w) {
		t.Error("another file is taken for the journal")
	}
	t.Setenv("JOURNAL_STREAM", streamOf(t, w))
	if !journalled(w) {
		t.Error("the journal is not seen")
	}
}

func TestJSONLog(t *testing.T) {
	var b bytes.Buffer
	l := loggerTo(t, &prefixed{w: &b}, logOptions{json: true}, false)
	l.with("mount", "/mnt/migimg")
	l.Debug("not this")
	l.Info("read", "bytes", int64(7))
	l.end()
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil {
		t.Fatalf("%v: %s", err, b.String())
	}
	at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(line["time"]))
	if err != nil || time.Since(at) > time.Minute || line["level"] != "INFO" || line["msg"] != "read" || line["bytes"] != 7.0 || line["mount"] != "/mnt/migimg" {
		t.Errorf("%v", line)
	}
}

// TestSyslog is told on a socket as /dev/log is one.
func TestSyslog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	c, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := dialSyslog("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	l := loggerTo(t, s, logOptions{level: slog.LevelDebug}, true)
	l.Debug("a")
	l.Info("b", "file", "disk.raw")
	l.Warn("c")
	l.Error("d")
	l.end()
	// The facility is daemon, 3; RFC 3164 4.1.1 has its number times 8.
	for _, want := range []string{"<31>|msg=a\n", "<30>|msg=b file=disk.raw\n", "<28>|msg=c\n", "<27>|msg=d\n"} {
		p := make([]byte, 1000)
		if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, _, err := c.ReadFrom(p)
		if err != nil {
			t.Fatal(err)
		}
		pri, msg, _ := strings.Cut(want, "|")
		if got := string(p[:n]); !strings.HasPrefix(got, pri) || !strings.HasSuffix(got, fmt.Sprintf(" migimg[%d]: %s", os.Getpid(), msg)) {
			t.Errorf("%q, want %s", got, want)
		}
	}
}

// TestLogFileIsRotated as logrotate(8) does it, without being told.
func TestLogFileIsRotated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "migimg.log")
	f := &logFile{path: path}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"moved", func() error { return os.Rename(path, path+".1") }},
		{"removed", func() error { return os.Remove(path) }},
		{"emptied", func() error { return os.Truncate(path, 0) }},
	} {
		if err := f.write(slog.LevelInfo, []byte("before\n")); err != nil {
			t.Fatal(err)
		}
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if err := f.write(slog.LevelInfo, []byte("after\n")); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil || string(b) != "after\n" {
			t.Errorf("%s: %q, %v", step.name, b, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.write(slog.LevelInfo, []byte("x\n")); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
}

// A log that hangs holds nobody up, and says later what was lost.
func TestLogNeverWaits(t *testing.T) {
	s := &stuck{free: make(chan struct{}), entered: make(chan struct{}, 1)}
	l := loggerTo(t, s, logOptions{}, false)
	l.Info("first")
	<-s.entered
	const more = 100
	for i := range mostLines + more {
		l.Info("line", "n", i)
	}
	close(s.free)
	for len(l.queue.lines) > 0 {
		time.Sleep(time.Millisecond)
	}
	l.Info("last")
	l.end()
	if n := strings.Count(s.String(), "msg=line"); n != mostLines {
		t.Errorf("%d lines, want %d", n, mostLines)
	}
	if !strings.Contains(s.String(), fmt.Sprintf("level=WARN msg=\"lines of this log were lost\" lines=%d\n", more)) {
		t.Error("it does not say what was lost")
	}
	if !strings.HasSuffix(s.String(), "msg=last\n") {
		t.Error("the last line is missing")
	}
}

type stuck struct {
	bytes.Buffer
	free, entered chan struct{}
}

func (s *stuck) write(_ slog.Level, line []byte) error {
	select {
	case s.entered <- struct{}{}:
	default:
	}
	<-s.free
	_, err := s.Write(line)
	return err
}

// A file is not opened for writing before T0: its filesystem could not be frozen.
func TestLogFileWaitsForT0(t *testing.T) {
	path := filepath.Join(t.TempDir(), "migimg.log")
	l, err := newLogger(logOptions{to: path, must: true})
	if err != nil {
		t.Fatal(err)
	}
	l.Info("before")
	time.Sleep(20 * time.Millisecond)
	if open := openPaths(t); strings.Contains(open, path) {
		t.Errorf("it is open: %s", open)
	}
	l.begin()
	l.end()
	if b, err := os.ReadFile(path); err != nil || !strings.Contains(string(b), "msg=before") {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := newLogger(logOptions{to: filepath.Join(path, "x"), must: true}); err == nil {
		t.Error("a log that cannot be opened is no error")
	}
}

func openPaths(t *testing.T) string {
	t.Helper()
	names, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, n := range names {
		to, _ := os.Readlink(n)
		out = append(out, to)
	}
	return strings.Join(out, " ")
}

func TestLogOptions(t *testing.T) {
	for _, c := range []struct {
		args string
		want logOptions
		err  string
	}{
		{"", logOptions{to: logSyslog}, ""},
		{"-f", logOptions{to: logStderr}, ""},
		{"-f --log-to syslog", logOptions{to: logSyslog, must: true}, ""},
		{"--log-to none --log-format json", logOptions{to: logNone, must: true, json: true}, ""},
		{"--log-to /var/log/migimg.log --log-level warn", logOptions{to: "/var/log/migimg.log", must: true, level: slog.LevelWarn}, ""},
		{"--log-to /var/log/", logOptions{}, "folder"},
		{"--log-level chatty", logOptions{}, "debug, info, warn, error"},
		{"--log-format xml", logOptions{}, "text, json"},
	} {
		var got logOptions
		var err error
		app := &cli.App{Flags: append(logFlags(), &cli.BoolFlag{Name: "foreground", Aliases: []string{"f"}}), Action: func(c *cli.Context) error {
			got, err = logOptionsFrom(c)
			return nil
		}}
		if e := app.Run(append([]string{"x"}, strings.Fields(c.args)...)); e != nil {
			t.Fatal(e)
		}
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %q", c.args, err, c.err)
			}
		} else if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v, want %+v", c.args, got, err, c.want)
		}
	}
}

// What ends the program is said once: on standard error to people, in the log to
// programs.
func TestFailureIsSaidOnce(t *testing.T) {
	bad := &exitError{code: exitUndecided, err: errors.New("no")}
	for _, c := range []struct {
		name    string
		o       logOptions
		prefix  bool
		logged  bool
		message bool
	}{
		{"a person's terminal", logOptions{}, false, false, true},
		{"JSON", logOptions{json: true}, false, true, false},
		{"the journal", logOptions{}, true, true, false},
	} {
		var b bytes.Buffer
		l := loggerTo(t, &prefixed{w: &b, priority: c.prefix}, c.o, c.prefix)
		code, message := exitCode(l.fail(bad))
		l.end()
		if code != exitUndecided || message != c.message || (b.Len() > 0) != c.logged {
			t.Errorf("%s: exit %d, message %v, log %q", c.name, code, message, b.String())
		}
	}
	if (&logger{}).fail(nil) != nil {
		t.Error("no error is one")
	}
}

// streamOf is what systemd calls a file in $JOURNAL_STREAM.
func streamOf(t testing.TB, f *os.File) string {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

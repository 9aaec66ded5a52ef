package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"
)

const (
	// watchEvery is how often status --watch looks if it is not told.
	watchEvery = 2 * time.Second
	// watchLeast is the shortest interval: each look has the mount say all that it knows.
	watchLeast = 100 * time.Millisecond
	// watchFinished is how many readings that are over a terminal shows.
	watchFinished = 5
)

// interval is the value of --watch, which may also be given without one.
type interval time.Duration

// Set takes a duration, or what a flag without value has.
func (i *interval) Set(s string) error {
	switch s {
	case "true":
		*i = interval(watchEvery)
		return nil
	case "false":
		*i = 0
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%q is not a time such as 5s or 500ms", s)
	}
	if d < watchLeast {
		return fmt.Errorf("%v is too often; the least is %v", d, watchLeast)
	}
	*i = interval(d)
	return nil
}

// String is empty where there is nothing to watch.
func (i *interval) String() string {
	if i == nil || *i == 0 {
		return ""
	}
	return time.Duration(*i).String()
}

// IsBoolFlag is how package flag asks whether the value may be left out.
func (i *interval) IsBoolFlag() bool { return true }

// errMountEnded is readStatus' where there is no mount.
var errMountEnded = errors.New("is no migimg mount")

// watcher shows a mount's status again and again.
type watcher struct {
	read  func() (*status, error)
	pause func(ctx context.Context) error // until the next look
	out   io.Writer
	// screen is drawn over; everywhere else a line follows the other.
	screen bool
	json   bool
}

// watch goes on until the mount or the context ends; neither is an error.
func (w *watcher) watch(ctx context.Context) error {
	first, err := w.read()
	if err != nil {
		return err
	}
	if w.screen {
		fmt.Fprint(w.out, "\x1b[2J")
	}
	for s := first; ; {
		if err := w.show(s); err != nil {
			if errors.Is(err, syscall.EPIPE) { // whoever read has seen enough
				return nil
			}
			return err
		}
		if w.pause(ctx) != nil {
			return nil
		}
		if s, err = w.read(); err != nil && !errors.Is(err, errMountEnded) && w.pause(ctx) == nil {
			s, err = w.read() // it was perhaps about to end
		}
		switch {
		case errors.Is(err, errMountEnded) || err == nil && (s.PID != first.PID || !s.Started.Equal(first.Started)):
			return nil // it is no more, or another one is there
		case err != nil:
			return err
		}
	}
}

func (w *watcher) show(s *status) error {
	var b bytes.Buffer
	switch {
	case w.json:
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(s); err != nil {
			return err
		}
	case w.screen:
		s.printNow(&b)
		// Home; what an earlier look left of a line, and below, goes.
		text := "\x1b[H" + strings.ReplaceAll(b.String(), "\n", "\x1b[K\n") + "\x1b[J"
		b.Reset()
		b.WriteString(text)
	default:
		fmt.Fprintln(&b, s.line(time.Now()))
	}
	_, err := w.out.Write(b.Bytes())
	return err
}

// every pauses for the interval, or until the context ends.
func every(d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(d):
			return nil
		}
	}
}

// line is the status in one, for pipes and files.
func (s *status) line(now time.Time) string {
	parts := []string{now.UTC().Format(time.RFC3339)}
	say := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	say("%s served", human(s.Reads.ServedBytes))
	for _, r := range s.Readers {
		say("%s %s %s of %s, %s/s", r.who(), r.File, percent(r.Share), human(r.Size), human(r.Rate))
	}
	if len(s.Readers) == 0 {
		say("nobody reads")
	}
	if s.Reads.Failed > 0 {
		say("%d failed reads", s.Reads.Failed)
	}
	if s.Drifted.Bytes > 0 {
		say("%s newer than T0", human(s.Drifted.Bytes))
	}
	if s.Consistency.Level == levelStale {
		say("stale")
	}
	if s.Load.Paused {
		say("paused")
	}
	return strings.Join(parts, "  ")
}

// printNow is what a terminal shows while images are read.
func (s *status) printNow(w io.Writer) {
	s.printHead(w)
	fmt.Fprintln(w)
	if len(s.Readers) == 0 {
		fmt.Fprintln(w, "nobody reads")
	}
	s.printReaders(w)
	s.printFinished(w, watchFinished)
	s.printTrouble(w)
}

// printReaders is the table of those who read.
func (s *status) printReaders(w io.Writer) {
	if len(s.Readers) == 0 {
		return
	}
	rows := [][]string{{"READER", "FILE", "READ", "OF", "", "RATE", "LEFT", "HOW"}}
	for _, r := range s.Readers {
		rows = append(rows, []string{r.who(), r.File, human(r.Bytes), human(r.Size), percent(r.Share), human(r.Rate) + "/s", r.left(), or(r.Pattern, "-")})
	}
	lines(w, rows)
	fmt.Fprintln(w)
}

// printFinished is the table of the newest readings that are over.
func (s *status) printFinished(w io.Writer, most int) {
	if len(s.Finished) == 0 {
		return
	}
	rows := [][]string{{"FINISHED", "FILE", "READ", "OF", "", "RATE", "TOOK", "ERRORS"}}
	for _, f := range s.Finished[max(0, len(s.Finished)-most):] {
		took := time.Duration(f.Seconds * float64(time.Second)).Round(100 * time.Millisecond)
		rows = append(rows, []string{f.who(), f.File, human(f.Bytes), human(f.Size), percent(f.Share), human(f.Rate) + "/s", took.String(), fmt.Sprint(f.Errors)})
	}
	lines(w, rows)
	fmt.Fprintln(w)
}

// who is the reader for people: "cp[1234]".
func (r *readerStatus) who() string {
	if r.PID == 0 {
		return "(not to be seen)"
	}
	return fmt.Sprintf("%s[%d]", or(r.Command, "?"), r.PID)
}

// left is how long the rest of the file will take at this rate.
func (r *readerStatus) left() string {
	if r.Rate <= 0 {
		return "-"
	}
	rest := (1 - r.Share) * float64(r.Size) / float64(r.Rate)
	if rest > 100*3600 {
		return ">100h"
	}
	return time.Duration(rest * float64(time.Second)).Round(time.Second).String()
}

// percent is never 100 before it is all.
func percent(share float64) string {
	if share < 1 {
		return fmt.Sprintf("%d %%", int(share*100))
	}
	return "100 %"
}

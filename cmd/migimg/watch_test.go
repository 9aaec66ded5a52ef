package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// looks answers one status after the other, and then an error.
func looks(err error, all ...*status) func() (*status, error) {
	return func() (*status, error) {
		if len(all) == 0 {
			return nil, err
		}
		s := all[0]
		all = all[1:]
		return s, nil
	}
}

func noPause(context.Context) error { return nil }

func TestWatchEndsWithTheMount(t *testing.T) {
	other := busyStatus()
	other.PID++
	ended := fmt.Errorf("/mnt/migimg %w", errMountEnded)
	for _, c := range []struct {
		name  string
		read  func() (*status, error)
		lines int
		err   error
	}{
		{"unmounted", looks(ended, busyStatus(), busyStatus(), busyStatus()), 3, nil},
		{"mounted again", looks(syscall.EIO, busyStatus(), other), 1, nil},
		{"never there", looks(ended), 0, errMountEnded},
		{"killed", looks(syscall.ENOTCONN, busyStatus()), 1, syscall.ENOTCONN},
	} {
		var b bytes.Buffer
		w := watcher{read: c.read, pause: noPause, out: &b}
		if err := w.watch(context.Background()); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
		}
		if n := strings.Count(b.String(), "\n"); n != c.lines {
			t.Errorf("%s: %d lines, want %d:\n%s", c.name, n, c.lines, b.String())
		}
	}
}

// A look that fails while the mount ends is not its failure.
func TestWatchLooksTwice(t *testing.T) {
	n := 0
	w := watcher{out: &bytes.Buffer{}, pause: noPause, read: func() (*status, error) {
		switch n++; n {
		case 1:
			return busyStatus(), nil
		case 2:
			return nil, syscall.ECONNABORTED
		}
		return nil, errMountEnded
	}}
	if err := w.watch(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestWatchEndsOnInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	w := watcher{read: func() (*status, error) { return busyStatus(), nil }, out: &bytes.Buffer{}, pause: func(ctx context.Context) error {
		if n++; n == 3 {
			cancel()
		}
		return ctx.Err()
	}}
	if err := w.watch(ctx); err != nil || n != 3 {
		t.Errorf("%v after %d looks", err, n)
	}
}

func TestWatchForms(t *testing.T) {
	s := busyStatus()
	s.Finished = []finishedReading{{readerStatus: readerStatus{File: "disk.vhd", PID: 5, Command: "rclone", Bytes: 10 << 20, Size: 10 << 20, Share: 1, Rate: 5 << 20}, Seconds: 2}}
	s.Readers[0].Rate, s.Readers[0].Size, s.Readers[0].Pattern = 100, 2000, "sequential"
	show := func(w watcher) string {
		var b bytes.Buffer
		w.read, w.pause, w.out = looks(errMountEnded, s, s), noPause, &b
		if err := w.watch(context.Background()); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	all := strings.Split(show(watcher{}), "\n")
	if len(all) != 3 || !strings.Contains(all[0], "  cp[7] disk.raw 35 % of 2.0 KiB, 100 B/s") || !strings.Contains(all[0], "4 failed reads  8.0 KiB newer than T0  paused") {
		t.Errorf("%q", all)
	}
	d := json.NewDecoder(strings.NewReader(show(watcher{json: true})))
	for i := range 2 {
		var got status
		if err := d.Decode(&got); err != nil || got.Readers[0].Command != "cp" {
			t.Errorf("document %d: %v, %+v", i, err, got.Readers)
		}
	}
	screen := show(watcher{screen: true})
	if !strings.HasPrefix(screen, "\x1b[2J\x1b[H") || strings.Count(screen, "\x1b[H") != 2 || strings.Count(screen, "\x1b[J") != 2 {
		t.Errorf("%q", screen)
	}
	for _, want := range []string{"cp[7]", "13s", "sequential", "rclone[5]", "5.0 MiB/s", "2s"} {
		if !strings.Contains(screen, want) {
			t.Errorf("the screen has no %q:\n%s", want, screen)
		}
	}
	for line := range strings.Lines(screen) {
		if strings.HasSuffix(line, "\n") && !strings.HasSuffix(line, "\x1b[K\n") {
			t.Errorf("%q would leave what was there", line)
		}
	}
}

func TestInterval(t *testing.T) {
	for s, want := range map[string]time.Duration{"true": watchEvery, "5s": 5 * time.Second, "100ms": 100 * time.Millisecond, "false": 0} {
		var i interval
		if err := i.Set(s); err != nil || time.Duration(i) != want {
			t.Errorf("%s: %v, %v", s, time.Duration(i), err)
		}
	}
	for _, s := range []string{"", "5", "1ms", "-1s", "x"} {
		var i interval
		if err := i.Set(s); err == nil {
			t.Errorf("%q is %v", s, time.Duration(i))
		}
	}
}

func TestPercent(t *testing.T) {
	for share, want := range map[float64]string{0: "0 %", 0.019: "1 %", 0.9999: "99 %", 1: "100 %"} {
		if got := percent(share); got != want {
			t.Errorf("%v: %s, want %s", share, got, want)
		}
	}
}

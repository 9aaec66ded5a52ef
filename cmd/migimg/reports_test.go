package main

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"migimg/preflight"
	"migimg/preflight/render"
	"migimg/preflight/targets"
	"migimg/preflight/texts"
)

// A report is made once, again when it is asked for or the device was written
// to, and not looked at more often than every few seconds.
func TestReports(t *testing.T) {
	made, device, fail := 0, "a", error(nil)
	r := &reports{device: func() string { return device }}
	r.make = func(n int, _ *preflight.Watch) (*preflight.Report, error) {
		if fail != nil {
			return nil, fail
		}
		made++
		return &preflight.Report{Generation: n}, nil
	}
	get := func() string {
		t.Helper()
		b, err := r.jsonBytes()
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	first := get()
	if !strings.Contains(first, `"generation": 1,`) || get() != first || made != 1 {
		t.Fatalf("%d made: %s", made, first)
	}
	device = "b"
	if get() != first {
		t.Error("looked at once more, although it was just looked at")
	}
	r.looked = time.Now().Add(-lookEvery)
	second := get()
	if !strings.Contains(second, `"generation": 2,`) || made != 2 {
		t.Errorf("not made anew after a change: %d", made)
	}
	r.looked = time.Now().Add(-lookEvery)
	if get() != second {
		t.Error("made anew although nothing changed")
	}
	r.again()
	if third := get(); !strings.Contains(third, `"generation": 3,`) {
		t.Error("not made anew when asked to")
	}
	h, err := r.htmlBytes()
	if err != nil || !strings.HasPrefix(string(h), "<!DOCTYPE html>") || made != 3 {
		t.Errorf("%d made, %v", made, err)
	}
	fail = errors.New("unreadable")
	r.again()
	if _, err := r.jsonBytes(); !errors.Is(err, fail) {
		t.Error("an error became an old report")
	}
	fail = nil
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { _, _ = r.htmlBytes() })
	}
	wg.Wait()
	if made != 4 || r.count != 4 {
		t.Errorf("%d made for eight readers at once", made)
	}
}

// A report that a mount has made is used where it is what is wanted.
func TestFits(t *testing.T) {
	r := &preflight.Report{Targets: []preflight.TargetInfo{{ID: "tencent"}, {ID: "kvm"}}, Redaction: "standard"}
	full := &preflight.Report{Targets: r.Targets, Redaction: "full"}
	for _, c := range []struct {
		name string
		r    *preflight.Report
		o    reportOptions
		want bool
	}{
		{"any targets", r, reportOptions{all: true}, true},
		{"its targets", r, reportOptions{targets: named("tencent", "kvm")}, true},
		{"one of them", r, reportOptions{targets: named("kvm")}, false},
		{"pseudonyms", r, reportOptions{anonymous: true}, false},
		{"pseudonyms that it has", full, reportOptions{all: true, anonymous: true}, true},
		{"waivers", r, reportOptions{waivers: []preflight.Waiver{{}}}, false},
	} {
		if got := fits(c.r, c.o); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func named(ids ...string) (ts []*targets.Target) {
	for _, id := range ids {
		ts = append(ts, &targets.Target{ID: id})
	}
	return ts
}

// Every format writes something, and each its own.
func TestWriteReport(t *testing.T) {
	x, err := texts.For("zh")
	if err != nil {
		t.Fatal(err)
	}
	r := &preflight.Report{Summary: preflight.Summary{Verdict: preflight.Ready}}
	seen := map[string]string{}
	for _, f := range reportFormats() {
		var b strings.Builder
		if err := writeReport(&b, r, f, render.Options{Texts: x}); err != nil || b.Len() < 20 {
			t.Errorf("%s: %v: %q", f, err, b.String())
		}
		if other, twice := seen[b.String()]; twice {
			t.Errorf("%s is %s", f, other)
		}
		seen[b.String()] = f
	}
}

package boot

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Verdict of a start.
type Verdict string

// The verdicts.
const (
	Pass    Verdict = "pass"
	Fail    Verdict = "fail"
	Unknown Verdict = "unknown"
)

// Result is what came of a start.
type Result struct {
	Machine Machine `json:"machine"`
	Verdict Verdict `json:"verdict"`
	// Reached is the furthest of Stages; empty where nothing was seen.
	Reached Stage `json:"stage_reached"`
	// Stages were seen, in their order.
	Stages []Timed `json:"stages"`
	// Failure is nil where none was recognised.
	Failure *Failure `json:"failure,omitempty"`
	// Reason is why nothing was decided, where the verdict is Unknown.
	Reason string `json:"reason,omitempty"`
	// Address is what the guest got by DHCP, Banner the greeting of its SSH server.
	Address string `json:"address,omitempty"`
	Banner  string `json:"ssh_banner,omitempty"`
	// Seconds from the start to the verdict.
	Seconds float64 `json:"seconds"`
	// Console, Text and Picture are files: what the serial port said, and what the
	// screen showed at the end; empty where there is none.
	Console string `json:"console_log,omitempty"`
	Text    string `json:"screen_text,omitempty"`
	Picture string `json:"screenshot,omitempty"`
}

// Timed is a stage and when it was first seen, in seconds after the start.
type Timed struct {
	Stage   Stage   `json:"stage"`
	Seconds float64 `json:"seconds"`
}

// Failure is a failure that was recognised.
type Failure struct {
	Kind  Kind   `json:"kind"`
	Title string `json:"title"`
	// Seen are the lines that show it, as they came.
	Seen []string `json:"seen"`
	// Checks are the ids of preflight's checks that look for its causes.
	Checks []string `json:"checks"`
}

// Summary says it in one line.
func (r *Result) Summary() string {
	var times []string
	for _, t := range r.Stages {
		times = append(times, fmt.Sprintf("%s %.0f s", t.Stage, t.Seconds))
	}
	s := "stopped before " + string(Firmware)
	switch {
	case r.Verdict == Pass:
		s = "it starts"
	case r.Reached != "":
		s = "got as far as " + string(r.Reached)
	}
	if len(times) > 0 {
		s += ": " + strings.Join(times, ", ")
	}
	return s + " (" + r.Machine.String() + ")"
}

// result is the verdict, at a time at which it stands.
func (w *watch) result(at time.Duration, m Machine) *Result {
	r := &Result{Machine: m, Reached: w.reached, Seconds: seconds(at), Banner: w.banner}
	if a := w.packets.Address; a.IsValid() {
		r.Address = a.String()
	}
	for _, s := range Stages() {
		if t, ok := w.times[s]; ok {
			r.Stages = append(r.Stages, Timed{s, seconds(t)})
		}
	}
	switch {
	case w.failed != nil:
		r.Verdict, r.Failure = Fail, w.failure(w.failed.kind)
	case w.succeeded():
		r.Verdict = Pass
	case w.broken != "":
		r.Verdict, r.Reason = Unknown, w.broken
	case w.ended != "":
		r.Verdict, r.Failure = Fail, w.failure(w.ended)
	case w.hint != nil && at-w.hinted >= patience:
		r.Verdict, r.Failure = Fail, w.failure(w.hint.kind)
	default:
		r.Verdict, r.Reason = Unknown, w.undecided(at)
	}
	return r
}

// failure is of a kind, with the last lines that show it and those that led there.
func (w *watch) failure(k Kind) *Failure {
	f := &Failure{Kind: k, Title: k.Title()}
	var list []seen
	for _, s := range w.seen {
		if s.sign.weight != silent || s.sign == w.hint { // else it was not silent
			list = append(list, s)
		}
	}
	for _, s := range list[max(0, len(list)-mostSeen):] {
		f.Seen = append(f.Seen, s.line)
		f.ask(s.sign.kind) // what came first is likelier the cause
	}
	f.ask(k)
	return f
}

// undecided says what a machine did that showed neither a login nor a failure.
func (w *watch) undecided(at time.Duration) string {
	s := fmt.Sprintf("neither a login prompt nor a known failure within %v", w.timeout)
	if w.reached != "" {
		s += fmt.Sprintf("; the last sign was %q after %v", w.reached, w.times[w.reached].Round(time.Second))
	}
	if quiet := at - w.changed; quiet < patience {
		s += "; the guest was still getting on: give it more time"
	} else {
		s += fmt.Sprintf("; nothing new was seen for %v", quiet.Round(time.Second))
	}
	if w.hint != nil {
		s += fmt.Sprintf("; it may be that %s, too early to tell", w.hint.kind.Title())
	}
	if w.last != "" {
		s += fmt.Sprintf("; the console's last line: %.200q", w.last)
	}
	return s
}

// seconds rounds a time to tenths.
func seconds(d time.Duration) float64 { return d.Round(100 * time.Millisecond).Seconds() }

// mostSeen is how many lines are kept of a failure.
const mostSeen = 8

// ask adds the checks of a kind.
func (f *Failure) ask(kind Kind) {
	for _, id := range kind.Checks() {
		if !slices.Contains(f.Checks, id) {
			f.Checks = append(f.Checks, id)
		}
	}
}

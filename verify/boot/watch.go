package boot

import (
	"slices"
	"strings"
	"time"
)

const (
	// patience is how long after a hint of a failure nothing more may come. GRUB waits
	// up to 10 s for a key and then goes on, and loads a kernel in 20 s where the
	// processor is emulated.
	patience = time.Minute
	// afterword is how long a failure may still explain itself.
	afterword = 3 * time.Second
	// settle is how long after the login prompt the network and SSH are waited for:
	// nothing holds the prompt up for them.
	settle = 30 * time.Second
	// mostResets is how often a guest may start itself anew: after the first start of
	// an image some do, to relabel files or to repair.
	mostResets = 3
)

// look is what a guest showed at one time.
type look struct {
	console, firmware, packets []byte
	// screen are all rows in text memory, nil where nobody looked; graphics: the screen
	// is not in text mode.
	screen   []string
	graphics bool
	// state is QEMU's word, resets how often the guest started itself anew.
	state  string
	resets int
	banner string // of SSH
}

// watch draws the verdict from what a guest shows. It does not know a clock: the times
// are since the start.
type watch struct {
	timeout time.Duration

	console, firmware text
	packets           packets
	banner            string
	times             map[Stage]time.Duration
	reached           Stage
	changed           time.Duration // when anything new was seen
	last              string        // the last line on the console
	screens           map[string]bool

	failed   *sign
	failedAt time.Duration
	seen     []seen // signs in the order in which they came
	hinted   time.Duration
	hint     *sign
	ended    Kind   // of a guest that is no more
	broken   string // why QEMU cannot go on
}

// seen is a line that shows a failure.
type seen struct {
	sign *sign
	line string
}

func newWatch(timeout time.Duration) *watch {
	return &watch{timeout: timeout, times: map[Stage]time.Duration{}, screens: map[string]bool{}}
}

// look takes what is new at a time. done says that the verdict stands.
func (w *watch) look(at time.Duration, l look) (done bool) {
	if len(l.console)+len(l.firmware) > 0 {
		w.changed = at
	}
	for _, line := range append(w.firmware.feed(l.firmware), w.firmware.rest()) {
		w.line(at, line, false)
	}
	for _, line := range w.console.feed(l.console) {
		w.last = line
		w.line(at, line, true)
	}
	if rest := w.console.rest(); rest != "" { // a prompt does not end
		w.last = rest
		w.line(at, rest, true)
	}
	for _, line := range l.screen {
		if !w.screens[line] { // the rest is old
			w.changed, w.screens[line] = at, true
			w.line(at, line, true)
		}
	}
	sent := w.packets.sent
	w.packets.feed(l.packets)
	if w.packets.sent > sent {
		w.changed = at
	}
	if l.graphics || w.packets.sent > sent {
		w.stirs()
	}
	if w.packets.Address.IsValid() {
		w.stage(at, Network)
	}
	if l.banner != "" {
		w.banner = l.banner
		w.stage(at, SSH)
	}
	switch l.state {
	case "shutdown":
		w.ended = SwitchedOff
	case "internal-error", "io-error", "guest-panicked":
		w.broken = "QEMU stopped the guest: " + l.state
	}
	if l.resets >= mostResets && w.ended == "" {
		w.ended = Restarts
	}
	return w.done(at)
}

// stirs: something runs, though it is not to be read.
func (w *watch) stirs() {
	if w.hint != nil && w.hint.weight == silent {
		w.hint = nil
	}
}

// line takes a line, of the guest itself or of its firmware's debug port.
func (w *watch) line(at time.Duration, line string, guest bool) {
	if line == "" {
		return
	}
	stage := stageOf(line)
	if stage != "" {
		w.stage(at, stage)
	}
	s := signOf(line, w.reached)
	switch {
	case s == nil && stage == "" && guest:
		w.stirs()
		return
	case s == nil || w.succeeded() && s.kind != Panic || !w.note(s, line):
		return
	}
	switch {
	case s.weight == final && w.failed == nil:
		w.failed, w.failedAt = s, at
	case s.weight == hint || s.weight == silent:
		w.hint, w.hinted = s, at
	}
}

// note keeps a line, and says whether it is new. One that has not ended comes again,
// and grows.
func (w *watch) note(s *sign, line string) bool {
	if slices.Contains(w.seen, seen{s, line}) {
		return false
	}
	if n := len(w.seen); n > 0 && w.seen[n-1].sign == s && strings.HasPrefix(line, w.seen[n-1].line) {
		w.seen[n-1].line = line
		return false
	}
	if len(w.seen) >= 2*mostSeen { // the last ones say most
		w.seen = w.seen[1:]
	}
	w.seen = append(w.seen, seen{s, line})
	return true
}

// stage notes a stage. One that is further than a hint of a failure refutes it.
func (w *watch) stage(at time.Duration, s Stage) {
	if _, ok := w.times[s]; ok {
		return
	}
	w.times[s] = at
	if w.reached.before(s) {
		w.reached = s
		w.hint = nil
	}
	if w.succeeded() { // whatever it looked like before
		w.failed = nil
	}
	w.changed = at
}

// succeeded: the system is up.
func (w *watch) succeeded() bool {
	_, login := w.times[Login]
	_, ssh := w.times[SSH]
	return login || ssh
}

func (w *watch) done(at time.Duration) bool {
	login, isUp := w.times[Login]
	_, network := w.times[Network]
	_, ssh := w.times[SSH]
	switch {
	case w.failed != nil:
		return at-w.failedAt >= afterword
	case w.succeeded():
		return isUp && (network && ssh || at-login >= settle) || at >= w.timeout || w.ended != "" || !isUp && at-w.times[SSH] >= settle
	case w.ended != "" || w.broken != "":
		return true
	case w.hint != nil:
		return at-w.hinted >= patience || at >= w.timeout
	}
	return at >= w.timeout
}

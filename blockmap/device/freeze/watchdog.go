package freeze

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// verb is the word that starts the program as a watchdog. The mount points
// that follow are for whoever looks at the process list.
const verb = "freeze-watchdog"

// The watchdog's descriptors: its socket, then the filesystems.
const (
	socketFD = 3
	firstFD  = 4
)

// probeEvery is how often a watchdog that was asked to probe looks whether the filesystems
// are still frozen.
const probeEvery = time.Second

// Watchdog has to be called first thing in main, with os.Args. If the program was
// started by [Prepare] as a watchdog it does a watchdog's work and exits the
// process; else it returns at once.
func Watchdog(args []string) {
	if len(args) < 3 || args[1] != verb {
		return
	}
	n, err := strconv.Atoi(args[2])
	if st := new(unix.Stat_t); err != nil || n < 1 || unix.Fstat(socketFD, st) != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		fmt.Fprintln(os.Stderr, "migimg: "+verb+" is not for people: mount starts it; see migimg thaw --help")
		os.Exit(1)
	}
	d := &dog{now: boottime, send: func(m message) { _ = send(socketFD, m) }, frozen: make([]bool, n)}
	step, errno := protect()
	d.start()
	d.send(message{op: opReady, index: uint32(step), errno: errno})
	d.run()
	os.Exit(0)
}

// job is a FIFREEZE to be made, by the thread that makes nothing else.
type job struct {
	index int
	probe bool
}

type result struct {
	job
	errno unix.Errno
	took  time.Duration
}

// dog is the watchdog's state. Only run's goroutine touches it; the other
// threads wait in system calls and pass on what they return.
type dog struct {
	now  func() int64 // CLOCK_BOOTTIME in nanoseconds
	send func(message)

	commands chan message // closed when the parent has gone
	jobs     chan job
	results  chan result
	expired  chan struct{}
	timer    int

	// frozen are those that we have frozen and not thawed.
	frozen []bool
	// flight is the job that is being done.
	flight *job
	// ending says that what is frozen is to be thawed: nothing new is frozen, and what is in
	// flight is thawed when it lands.
	ending bool
	// answer is owed to the parent once nothing is frozen.
	answer bool
	gone   bool
	// deadline is in now's clock, 0 while there is none.
	deadline int64
	probes   bool
}

// run serves the parent until it has gone and nothing is frozen.
func (d *dog) run() {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	commands := d.commands
	for !d.gone || d.flight != nil {
		select {
		case m, ok := <-commands:
			if !ok {
				commands = nil
				d.gone = true
				d.end()
				continue
			}
			d.command(m)
		case r := <-d.results:
			d.landed(r)
		case <-d.expired:
			// Not if it expired just when it was disarmed.
			if d.deadline != 0 && d.now() >= d.deadline {
				d.strike(unix.ETIME, 0)
			}
		case <-tick.C:
			if d.probes && d.flight == nil && !d.ending {
				d.next(0, true)
			}
		}
	}
}

func (d *dog) command(m message) {
	switch m.op {
	case opFreeze:
		if d.flight != nil || slices.Contains(d.frozen, true) {
			return // the parent waits for its answers, it does not do this
		}
		d.ending, d.answer, d.probes = false, false, m.index == 1
		d.deadline = d.now() + m.n
		d.arm(m.n)
		d.next(0, false)
	case opThaw:
		d.answer = true
		d.end()
	}
}

// next freezes the filesystem index, or probes the next one that is frozen.
func (d *dog) next(index int, probe bool) {
	for probe && index < len(d.frozen) && !d.frozen[index] {
		index++
	}
	if index == len(d.frozen) {
		if !probe {
			d.send(message{op: opHolding, n: realtime()})
		}
		return
	}
	d.send(message{op: opAbout, index: uint32(index)})
	d.flight = &job{index, probe}
	d.jobs <- *d.flight
}

// landed takes the result of a job. A probe is a FIFREEZE that fails (EBUSY) while the
// filesystem is frozen: any other answer says that somebody else had thawed it.
func (d *dog) landed(r result) {
	d.flight = nil
	i := uint32(r.index)
	switch {
	case r.errno == 0:
		d.frozen[r.index] = true
		d.send(message{op: opFrozen, index: i, n: int64(r.took)})
	case r.probe:
		d.send(message{op: opStill, index: i})
	default:
		d.send(message{op: opFailed, index: i, errno: r.errno})
	}
	switch {
	case d.ending:
		d.end()
	case r.probe && r.errno != unix.EBUSY:
		d.frozen[r.index] = r.errno == 0
		d.strike(unix.EINVAL, i)
	case !r.probe && r.errno != 0:
		d.answer = true
		d.end()
	default:
		d.next(r.index+1, r.probe)
	}
}

// strike ends the freeze too early, and says so.
func (d *dog) strike(why unix.Errno, index uint32) {
	// Thaw first: the message is for later.
	freezing := d.flight != nil && !d.flight.probe
	d.answer = d.answer || freezing // Freeze waits for one
	already := d.ending
	d.ending = true
	d.thaw()
	if !already {
		d.send(message{op: opStruck, errno: why, index: index})
	}
	d.end()
}

// end thaws what is frozen and answers once nothing is in flight.
func (d *dog) end() {
	d.ending = true
	d.thaw()
	if d.flight != nil {
		return
	}
	d.deadline, d.probes = 0, false
	d.arm(0)
	if d.answer {
		d.answer = false
		d.send(message{op: opDone})
	}
}

// thaw thaws, in reverse, what we have frozen.
func (d *dog) thaw() {
	for i := len(d.frozen) - 1; i >= 0; i-- {
		if d.frozen[i] {
			errno := control(firstFD+i, fithaw)
			d.frozen[i] = false
			d.send(message{op: opThawed, index: uint32(i), errno: errno})
		}
	}
}

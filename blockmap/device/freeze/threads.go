package freeze

import (
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// start starts the threads. Each is locked to its goroutine, so that none has to be made
// between freeze and thaw.
func (d *dog) start() {
	d.commands, d.jobs, d.results = make(chan message), make(chan job, 1), make(chan result)
	d.expired = make(chan struct{})
	var err error
	if d.timer, err = unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_CLOEXEC); err != nil {
		os.Exit(1) // the parent sees the socket end before anything is frozen
	}
	up := make(chan struct{})
	for _, f := range []func(){d.listen, d.freezer, d.alarm} {
		go func() {
			runtime.LockOSThread()
			// The way through the ioctl once, with what refuses it: FITHAW on a
			// filesystem could end a freeze of somebody else.
			control(socketFD, fithaw)
			up <- struct{}{}
			f()
		}()
		<-up
	}
}

func (d *dog) listen() {
	for {
		m, err := receive(socketFD)
		if err != nil {
			close(d.commands)
			return
		}
		d.commands <- m
	}
}

func (d *dog) freezer() {
	for j := range d.jobs {
		begin := d.now()
		errno := control(firstFD+j.index, fifreeze)
		d.results <- result{job: j, errno: errno, took: time.Duration(d.now() - begin)}
	}
}

func (d *dog) alarm() {
	var b [8]byte
	for {
		if n, _ := unix.Read(d.timer, b[:]); n == len(b) {
			d.expired <- struct{}{}
		}
	}
}

// arm sets the timer, in nanoseconds from now, or stops it.
func (d *dog) arm(ns int64) {
	_ = unix.TimerfdSettime(d.timer, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(ns)}, nil)
}

func boottime() int64 { return clock(unix.CLOCK_BOOTTIME) }

func realtime() int64 { return clock(unix.CLOCK_REALTIME) }

func clock(id int32) int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(id, &ts)
	return ts.Nano()
}

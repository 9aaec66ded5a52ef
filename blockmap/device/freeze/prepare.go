package freeze

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// defaultLimit is the longest that writers wait for an image that is pinned.
const defaultLimit = 3 * time.Second

// grace is how long after its deadline a watchdog that says nothing is taken for dead,
// and how long it may take to answer.
const grace = 500 * time.Millisecond

// Options say for how long a freeze is and what has to stay writable.
type Options struct {
	// Limit is the hard deadline, counted from the start of Freeze: the watchdog thaws then by
	// itself. 0 means 3 seconds; with Frozen it has to be given.
	Limit time.Duration
	// Keep are paths that must stay writable: log, spool, destination; and the
	// device that is exported, so that what it rests on is not frozen. They need not exist yet.
	// What this process has open for writing is found without being named.
	Keep []string
	// Frozen is for a freeze of minutes: filesystems that a running system writes to all the
	// time are refused, and the watchdog looks every second whether somebody else
	// has thawed one.
	Frozen bool
	// Inhibit keeps systemd, where it runs, from suspending and shutting down until Close.
	Inhibit bool
}

// Freezer freezes a set of filesystems, as often as is asked. Its methods are for one
// goroutine, but Thaw, Frozen and Broken, which are for any.
type Freezer struct {
	targets []*target
	opts    Options
	sock    int
	dog     *os.Process
	// events carries what the watchdog says to the method that waits for it; it is
	// closed when the watchdog has ended.
	events  chan message
	ended   chan struct{}
	inhibit *inhibitor

	mu   sync.Mutex
	dead bool // the watchdog has ended, or has been given up
	state
}

// Prepare opens the filesystems, refuses what must not be frozen, and starts the
// watchdog. Nothing is frozen yet. The program's main has to call [Watchdog].
func Prepare(ctx context.Context, fss []Filesystem, o Options) (*Freezer, error) {
	if o.Limit == 0 && !o.Frozen {
		o.Limit = defaultLimit
	}
	switch {
	case o.Limit <= 0:
		return nil, errors.New("a freeze that lasts needs a limit")
	case len(fss) == 0:
		return nil, errors.New("there is no filesystem to freeze")
	}
	table, err := readMounts()
	if err != nil {
		return nil, err
	}
	f := &Freezer{opts: o, sock: -1, events: make(chan message, 64), ended: make(chan struct{})}
	f.targets, err = openAll(table, fss)
	if err == nil {
		err = refuse(table, f.targets, o)
	}
	if err == nil {
		order(f.targets)
		f.reset()
		err = f.startWatchdog(ctx)
	}
	if err == nil && o.Inhibit {
		f.inhibit, err = startInhibitor()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// startWatchdog starts the program again and waits until it is ready.
func (f *Freezer) startWatchdog(ctx context.Context) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	theirs := os.NewFile(uintptr(pair[1]), "watchdog")
	defer theirs.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		unix.Close(pair[0])
		return err
	}
	defer null.Close()
	args := []string{"migimg", verb, strconv.Itoa(len(f.targets))}
	fds := []uintptr{null.Fd(), null.Fd(), null.Fd(), theirs.Fd()}
	for _, t := range f.targets {
		args = append(args, t.Point)
		fds = append(fds, uintptr(t.fd))
	}
	// Of the environment it needs nothing.
	pid, _, err := syscall.StartProcess("/proc/self/exe", args, &syscall.ProcAttr{
		Dir:   "/",
		Env:   []string{"GOTRACEBACK=none"},
		Files: fds,
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		unix.Close(pair[0])
		return fmt.Errorf("starting the watchdog: %w", err)
	}
	f.sock = pair[0]
	f.dog, _ = os.FindProcess(pid) // on Linux it does not fail
	go f.listen()
	select {
	case m, ok := <-f.events:
		switch {
		case !ok:
			return errors.New("the watchdog ended at once: main has to call freeze.Watchdog")
		case m.op != opReady || m.errno != 0:
			return fmt.Errorf("the watchdog is not safe: %s: %w", stepName(m.index), m.errno)
		}
		return nil
	case <-time.After(20 * time.Second):
		return errors.New("the watchdog did not start within 20 s")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Sync writes out what the filesystems hold in memory, so that freezing has little left
// to do: again until a round takes less than 50 ms, three times at most.
func (f *Freezer) Sync() error {
	for range 3 {
		begin := time.Now()
		for _, t := range f.targets {
			if err := unix.Syncfs(t.fd); err != nil {
				return t.fail(err, "writing out what it holds in memory (syncfs)")
			}
		}
		if time.Since(begin) < 50*time.Millisecond {
			return nil
		}
	}
	return nil
}

// Close thaws what is still frozen, ends the watchdog and closes everything. An error
// is Thaw's.
func (f *Freezer) Close() error {
	err := f.Thaw()
	if f.dog != nil {
		// The end of our side of the socket ends it. shutdown, as listen still reads.
		_ = unix.Shutdown(f.sock, unix.SHUT_WR)
		select {
		case <-f.ended:
		case <-time.After(5 * time.Second):
			_ = f.dog.Kill()
			<-f.ended
		}
		_, _ = f.dog.Wait()
		unix.Close(f.sock)
		f.dog, f.sock = nil, -1
	}
	for _, t := range f.targets {
		unix.Close(t.fd)
	}
	f.targets = nil
	f.inhibit.end()
	return err
}

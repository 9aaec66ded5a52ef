//go:build integration

package freeze

import (
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// However and whenever the freezing process ends, its filesystems can be written to
// within 2 seconds, and no watchdog is left.
func TestKilled(t *testing.T) {
	points := []string{mounted(t, "ext4"), mounted(t, "xfs"), mounted(t, "btrfs")}
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	var worst time.Duration
	check := func(c *child) {
		t.Helper()
		c.kill()
		begin := time.Now()
		wantWritable(t, points...)
		worst = max(worst, time.Since(begin))
		wantNoWatchdog(t, points[0])
	}
	for range 40 {
		c := start(t, "loop", points...)
		time.Sleep(time.Duration(rnd.Int64N(int64(250 * time.Millisecond))))
		check(c)
		if t.Failed() {
			return
		}
	}
	for range 10 {
		c := start(t, "hold", points...)
		c.line(t) // frozen
		check(c)
		if t.Failed() {
			return
		}
	}
	t.Logf("three writers were through %v after the kill at most", worst)
}

// The same for what kills less suddenly.
func TestEnds(t *testing.T) {
	p := mounted(t, "ext4")
	for how, signal := range map[string]syscall.Signal{
		"panic": 0, "exit": 0,
		"hold SIGHUP": syscall.SIGHUP, "hold SIGTERM": syscall.SIGTERM, "hold SIGINT": syscall.SIGINT, "hold SIGQUIT": syscall.SIGQUIT, "hold SIGSEGV": syscall.SIGSEGV,
	} {
		c := start(t, strings.Fields(how)[0], p)
		c.line(t)
		if signal != 0 {
			_ = c.cmd.Process.Signal(signal)
		}
		if !writes(p, 2*time.Second) {
			t.Errorf("%s: not writable within 2 s", how)
		}
		wantNoWatchdog(t, p)
		c.kill()
	}
}

// A process that is stopped, not killed, is thawed at the deadline.
func TestStopped(t *testing.T) {
	p := mounted(t, "ext4")
	c := start(t, "deadline", p)
	_ = c.cmd.Process.Signal(syscall.SIGSTOP)
	wantWritable(t, p)
	c.kill()
	wantNoWatchdog(t, p)
}

// If the watchdog is killed the parent thaws, and says what that means.
func TestWatchdogKilled(t *testing.T) {
	points := []string{mounted(t, "ext4"), mounted(t, "btrfs")}
	f := prepare(t, Options{Limit: 20 * time.Second}, points...)
	if _, err := f.Freeze(); err != nil {
		t.Fatal(err)
	}
	wantFrozen(t, points...)
	if err := f.dog.Kill(); err != nil {
		t.Fatal(err)
	}
	wantWritable(t, points...)
	select {
	case <-f.Broken():
	case <-time.After(time.Second):
		t.Error("Broken is not closed")
	}
	if err := f.Thaw(); !errors.Is(err, ErrThawed) {
		t.Errorf("Thaw: %v", err)
	}
	if _, err := f.Freeze(); err == nil {
		t.Error("freezes without a watchdog")
		_ = f.Thaw()
	}
}

// The same at any moment of freezing.
func TestWatchdogKilledWhileFreezing(t *testing.T) {
	points := []string{mounted(t, "ext4"), mounted(t, "xfs"), mounted(t, "btrfs")}
	for range 15 {
		f := prepare(t, Options{Limit: 20 * time.Second}, points...)
		time.AfterFunc(rand.N(150*time.Millisecond), func() { _ = f.dog.Kill() })
		_, err := f.Freeze()
		if err == nil {
			time.Sleep(150 * time.Millisecond)
			err = f.Thaw()
		}
		if !errors.Is(err, ErrThawed) {
			t.Errorf("%v", err)
		}
		_ = f.Close()
		wantWritable(t, points...)
		wantNoWatchdog(t, points[0])
	}
}

// A watchdog that is stopped neither keeps the deadline nor answers: the parent does.
func TestWatchdogStopped(t *testing.T) {
	p := mounted(t, "ext4")
	f := prepare(t, Options{Limit: 300 * time.Millisecond}, p)
	if _, err := f.Freeze(); err != nil {
		t.Fatal(err)
	}
	_ = f.dog.Signal(syscall.SIGSTOP)
	wantWritable(t, p)
	if err := f.Thaw(); !errors.Is(err, ErrThawed) {
		t.Errorf("Thaw: %v", err)
	}
	_ = f.Close()

	f = prepare(t, Options{Limit: time.Minute}, p)
	if _, err := f.Freeze(); err != nil {
		t.Fatal(err)
	}
	_ = f.dog.Signal(syscall.SIGSTOP)
	time.Sleep(50 * time.Millisecond) // until it has stopped: between thawing and saying so is another matter
	begin := time.Now()
	if err := f.Thaw(); err != nil {
		t.Errorf("Thaw: %v", err)
	}
	if d := time.Since(begin); d > 3*time.Second {
		t.Errorf("Thaw took %v", d)
	}
	wantWritable(t, p)
	_ = f.Close()

	f = prepare(t, Options{Limit: 300 * time.Millisecond}, p)
	_ = f.dog.Signal(syscall.SIGSTOP) // before it is told to freeze
	if _, err := f.Freeze(); !errors.Is(err, ErrThawed) {
		t.Errorf("Freeze: %v", err)
	}
	wantWritable(t, p)
	_ = f.Close()
	wantNoWatchdog(t, p)
}

// Signals that end other programs do not end the watchdog.
func TestWatchdogIgnores(t *testing.T) {
	p := mounted(t, "ext4")
	f := prepare(t, Options{Limit: 20 * time.Second}, p)
	if _, err := f.Freeze(); err != nil {
		t.Fatal(err)
	}
	for s := syscall.Signal(1); s <= 64; s++ {
		switch s {
		case syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL:
		case 32, 33, 34: // the C library's
		default:
			_ = f.dog.Signal(s)
		}
	}
	time.Sleep(100 * time.Millisecond)
	// Only who may (CAP_SYS_RESOURCE) lowers it; a container's root may not.
	may := os.WriteFile("/proc/self/oom_score_adj", []byte("-1"), 0) == nil
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("0"), 0)
	if b, _ := os.ReadFile("/proc/" + watchdogs(p)[0] + "/oom_score_adj"); may && string(b) != "-1000\n" {
		t.Errorf("oom_score_adj %q", b)
	}
	if sid, err := unix.Getsid(f.dog.Pid); err != nil || sid != f.dog.Pid {
		t.Errorf("session %d of %d: %v", sid, f.dog.Pid, err)
	}
	status, _ := os.ReadFile("/proc/" + watchdogs(p)[0] + "/status")
	for _, l := range []string{"VmLck", "VmRSS", "RssAnon", "Threads"} {
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, l) {
				t.Log(strings.Join(strings.Fields(line), " "))
			}
		}
	}
	wantFrozen(t, p)
	if err := f.Thaw(); err != nil {
		t.Error(err)
	}
}

package device

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestIOPriorityNames(t *testing.T) {
	for _, s := range []string{"idle", "none", "best-effort:0", "best-effort:7"} {
		if p, err := ParseIOPriority(s); err != nil || p.String() != s {
			t.Errorf("%s: %v, %v", s, p, err)
		}
	}
	if p, err := ParseIOPriority("best-effort"); err != nil || p.String() != "best-effort:4" {
		t.Errorf("%v, %v", p, err)
	}
	for _, s := range []string{"", "Idle", "realtime", "best-effort:8", "best-effort:-1", "best-effort:", "idle:3"} {
		if p, err := ParseIOPriority(s); err == nil {
			t.Errorf("%q is %v", s, p)
		}
	}
}

// TestIOPriorityOfAllThreads runs in a process of its own: it changes it.
func TestIOPriorityOfAllThreads(t *testing.T) {
	const env = "MIGIMG_TEST_IOPRIO"
	if os.Getenv(env) == "" {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestIOPriorityOfAllThreads$")
		cmd.Env = append(os.Environ(), env+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return
	}
	busy := func() (*sync.WaitGroup, chan struct{}) {
		stop := make(chan struct{})
		var wg, started sync.WaitGroup
		started.Add(8)
		for range 8 {
			wg.Go(func() {
				runtime.LockOSThread() // a thread each
				started.Done()
				<-stop
			})
		}
		started.Wait()
		return &wg, stop
	}
	wg, stop := busy()
	for _, s := range []string{"idle", "best-effort:6", "none"} {
		p, err := ParseIOPriority(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Apply(); err != nil {
			t.Fatal(err)
		}
		wg2, stop2 := busy()
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil || len(threads) < 8 {
			t.Fatalf("%d threads, %v", len(threads), err)
		}
		for _, th := range threads {
			tid, _ := strconv.Atoi(th.Name())
			r, _, e := unix.Syscall(unix.SYS_IOPRIO_GET, whoProcess, uintptr(tid), 0)
			// "none" reads as what the nice value comes to, or as 0.
			if got := IOPriority(r).String(); e != 0 || got != s && (s != "none" || !strings.HasPrefix(got, "best-effort")) {
				t.Errorf("thread %s: %s (%v), want %s", th.Name(), got, e, s)
			}
		}
		close(stop2)
		wg2.Wait()
	}
	close(stop)
	wg.Wait()
}

//go:build integration

package track

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cilium/ebpf"
)

// The promise itself: a grain that is clear after it was read held the old bytes.
func TestWhatWasReadIsOld(t *testing.T) {
	l := newLoop(t, 32<<20)
	tr := start(t, l, Options{})
	grains := l.size / 4096
	var writers, readers sync.WaitGroup
	var done atomic.Bool
	var old, drift atomic.Int64
	for r := range 2 {
		readers.Go(func() {
			rng := rand.New(rand.NewPCG(7, uint64(r)))
			f := openDirect(t, l.path)
			buf, zero := aligned(4096), make([]byte, 4096)
			for !done.Load() {
				off := rng.Int64N(grains) * 4096
				if _, err := f.ReadAt(buf, off); err != nil {
					t.Error(err)
					return
				}
				if tr.Written(off, 4096) {
					drift.Add(1)
				} else if old.Add(1); !bytes.Equal(buf, zero) {
					t.Errorf("offset %d: new bytes, and its bit is clear", off)
				}
			}
		})
	}
	for w := range 2 {
		writers.Go(func() {
			f := openDirect(t, l.path)
			buf := aligned(4096)
			for i := range buf {
				buf[i] = byte(w + 1)
			}
			for _, g := range rand.New(rand.NewPCG(8, uint64(w))).Perm(int(grains)) {
				if _, err := f.WriteAt(buf, int64(g)*4096); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	writers.Wait()
	done.Store(true)
	readers.Wait()
	t.Logf("%d reads of old grains, %d of written ones", old.Load(), drift.Load())
	if err := tr.Lost(); err != nil || old.Load() == 0 || drift.Load() == 0 {
		t.Errorf("lost: %v", err)
	}
}

// Four writers of single grains, each with its own, while epochs end: every
// write is in the bitmap when it returns, or in the set of an epoch that ended
// after it began. MIGIMG_TRACK_WRITES says how many writes there are: the long
// run is 10000000.
func TestEpochsUnderLoad(t *testing.T) {
	writes := 200000
	if s := os.Getenv("MIGIMG_TRACK_WRITES"); s != "" {
		var err error
		if writes, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	const writers = 4
	l := newLoop(t, 1<<30)
	tr := start(t, l, Options{})
	var begun, ended, direct, inSets atomic.Int64
	var mu sync.Mutex
	var sets []*Set // by the number of the epoch
	var running, epochs sync.WaitGroup
	var done atomic.Bool
	began := time.Now()
	var slowest time.Duration
	epochs.Go(func() {
		for last := false; !last; {
			last = done.Load() // one more after the last write
			begun.Add(1)
			at := time.Now()
			s, err := tr.Epoch()
			if err != nil {
				t.Error(err)
				return
			}
			slowest = max(slowest, time.Since(at))
			mu.Lock()
			sets = append(sets, s)
			mu.Unlock()
			ended.Add(1)
		}
	})
	type late struct{ off, from, to int64 }
	lates := make([][]late, writers)
	for w := range writers {
		running.Go(func() {
			f := openDirect(t, l.path)
			buf := aligned(4096)
			rng := rand.New(rand.NewPCG(9, uint64(w)))
			for range writes / writers {
				off := (rng.Int64N(l.size/4096/writers)*writers + int64(w)) * 4096
				from := ended.Load()
				if _, err := f.WriteAt(buf, off); err != nil {
					t.Error(err)
					return
				}
				if tr.Written(off, 4096) {
					direct.Add(1)
					continue
				}
				lates[w] = append(lates[w], late{off, from, begun.Load()})
			}
		})
	}
	running.Wait()
	took := time.Since(began)
	done.Store(true)
	epochs.Wait()
	missed := 0
	for _, ls := range lates {
		for _, x := range ls {
			found := false
			for e := x.from; e <= x.to && e < int64(len(sets)) && !found; e++ {
				found = sets[e].Contains(x.off, 4096)
			}
			if !found {
				missed++
			}
			inSets.Add(1)
		}
	}
	if missed > 0 {
		t.Errorf("%d of %d writes were missed", missed, writes)
	}
	if err := tr.Lost(); err != nil {
		t.Error(err)
	}
	t.Logf("%d writes in %v, %d epochs (the slowest %v); %d found at once, %d in the set of an epoch that ended meanwhile",
		writes, took.Round(time.Millisecond), len(sets), slowest.Round(time.Millisecond), direct.Load(), inSets.Load())
	for i, p := range tr.kernel.progs {
		if s, err := p.Stats(); err == nil && s.RecursionMisses > 0 {
			t.Logf("program %d was skipped %d times", i, s.RecursionMisses)
		}
	}
}

func BenchmarkWritten(b *testing.B) {
	l := newLoop(b, 1<<30)
	tr := start(b, l, Options{})
	for _, n := range []int64{4096, 1 << 20} {
		b.Run(strconv.FormatInt(n, 10), func(b *testing.B) {
			for i := int64(0); b.Loop(); i++ {
				if tr.Written(i*7919*4096%(l.size-n), n) {
					b.Fatal("written")
				}
			}
		})
	}
	b.Run("Lost", func(b *testing.B) {
		for b.Loop() {
			if err := tr.Lost(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// ours are the programs and maps of trackers that the kernel holds.
func ours(t *testing.T) (n int) {
	t.Helper()
	for id := ebpf.ProgramID(0); ; n++ {
		next, err := ebpf.ProgramGetNextID(id)
		if err != nil {
			break
		}
		id = next
		p, err := ebpf.NewProgramFromID(id)
		if err != nil || !strings.HasPrefix(p.String(), "Tracing(migimg_track)") {
			n-- // others have some, too
		}
		if err == nil {
			p.Close()
		}
	}
	for id := ebpf.MapID(0); ; {
		next, err := ebpf.MapGetNextID(id)
		if err != nil {
			return n
		}
		id = next
		m, err := ebpf.NewMapFromID(id)
		if err != nil {
			continue
		}
		if info, err := m.Info(); err == nil && strings.HasPrefix(info.Name, "migimg_") {
			n++
		}
		m.Close()
	}
}

// gone waits until the kernel has freed all but n: it does so after RCU.
func gone(t *testing.T, n int) {
	t.Helper()
	for i := 0; ours(t) > n; i++ {
		if i > 1000 {
			t.Fatalf("%d programs and maps are left", ours(t)-n)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// kernelMounts counts the mounts that tracing could need. Others come and go with
// the tests of other packages.
func kernelMounts(t *testing.T) (n int) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for _, fstype := range []string{"tracefs", "debugfs", "bpf"} {
		n += bytes.Count(b, []byte(" - "+fstype+" "))
	}
	return n
}

func TestNothingIsLeft(t *testing.T) {
	l := newLoop(t, 64<<20)
	before := ours(t)
	fds := func() int {
		d, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(d)
	}
	open := fds()
	mounts := kernelMounts(t)
	tr, err := Start(l.dev, l.size, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n := ours(t); n < 4+5 {
		t.Errorf("%d programs and maps: the test does not see them", n)
	}
	if now := kernelMounts(t); now != mounts {
		t.Errorf("%d filesystems of the kernel's own are mounted, and were %d", now, mounts)
	}
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	gone(t, before)
	if n := fds(); n > open {
		t.Errorf("%d descriptors more than before", n-open)
	}
	if !tr.Written(0, 1) || tr.Lost() == nil {
		t.Error("a closed tracker still knows")
	}
	if _, err := tr.Epoch(); err == nil {
		t.Error("an epoch after Close")
	}

	// The same when the process dies.
	c := exec.Command(os.Args[0], "-test.run", "^TestHold$", "-test.v")
	c.Env = append(os.Environ(), "MIGIMG_TRACK_HOLD="+l.path)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var said []byte
	for b := make([]byte, 100); !bytes.Contains(said, []byte("tracking")); {
		n, err := out.Read(b)
		if err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		said = append(said, b[:n]...)
	}
	if ours(t) < 4+5 {
		t.Error("the other process tracks nothing")
	}
	_ = c.Process.Kill()
	_ = c.Wait()
	gone(t, before)
}

// TestHold tracks the device MIGIMG_TRACK_HOLD until its input ends, for
// TestNothingIsLeft.
func TestHold(t *testing.T) {
	path := os.Getenv("MIGIMG_TRACK_HOLD")
	if path == "" {
		return
	}
	l := loop{path: path, dev: rdev(t, path), size: 64 << 20}
	start(t, l, Options{})
	os.Stdout.WriteString("tracking\n")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

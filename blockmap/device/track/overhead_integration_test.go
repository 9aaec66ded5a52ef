//go:build integration

package track

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"migimg/internal/need"
)

// TestOverhead is the measurement of testdata/bench-tracker.sh, which sets
// MIGIMG_TRACK_PAIRS: fio writes all the time, and the tracker comes and goes, so
// that what else the machine does hits both sides alike.
func TestOverhead(t *testing.T) {
	s := os.Getenv("MIGIMG_TRACK_PAIRS")
	if s == "" {
		return
	}
	pairs, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	need.Tool(t, "fio", "nice")
	l := newLoop(t, 1<<30)
	f := openDirect(t, l.path)
	for off := int64(0); off < l.size; off += 4 << 20 { // memory is given out before
		if _, err := f.WriteAt(aligned(4<<20), off); err != nil {
			t.Fatal(err)
		}
	}
	fio := exec.Command("nice", "-n", "-20", "fio", "--name=w", "--filename="+l.path, "--rw=randwrite", "--bs=4k", "--direct=1",
		"--ioengine=libaio", "--iodepth=32", "--time_based", "--runtime=3600", "--randrepeat=0")
	if err := fio.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = fio.Process.Signal(os.Interrupt); _ = fio.Wait() }()
	time.Sleep(2 * time.Second)

	const settle, slice = 50 * time.Millisecond, 400 * time.Millisecond
	rate := func() float64 {
		time.Sleep(settle)
		at, n := time.Now(), writesDone(t, l)
		time.Sleep(slice)
		return float64(writesDone(t, l)-n) / time.Since(at).Seconds()
	}
	tracked := func() float64 {
		tr, err := Start(l.dev, l.size, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		r := rate()
		if err := tr.Lost(); err != nil {
			t.Error(err)
		}
		return r
	}
	var without, with, logs []float64
	for i := range pairs {
		var a, b float64
		if i%2 == 0 {
			a, b = rate(), tracked()
		} else {
			b, a = tracked(), rate()
		}
		without, with, logs = append(without, a), append(with, b), append(logs, math.Log(b/a))
	}
	mean, half := confidence(logs)
	fmt.Printf("| writes/s without, median | with | ratio, mean of %d pairs | 95 %% | median |\n|---:|---:|---:|---|---:|\n", pairs)
	fmt.Printf("| %.0f | %.0f | %.4f | %.4f to %.4f | %.4f |\n\n", median(without), median(with),
		math.Exp(mean), math.Exp(mean-half), math.Exp(mean+half), math.Exp(median(logs)))
	fmt.Printf("In the programs: %.0f ns for a write.\n", programTime(t, l))
}

// programTime is how long the programs run for one write, in nanoseconds, as the
// kernel counts it, its own reading of the clock included.
func programTime(t *testing.T, l loop) float64 {
	stats, err := ebpf.EnableStats(0) // BPF_STATS_RUN_TIME
	if err != nil {
		t.Fatal(err)
	}
	defer stats.Close()
	tr, err := Start(l.dev, l.size, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	before := writesDone(t, l)
	time.Sleep(3 * time.Second)
	n := writesDone(t, l) - before
	var total time.Duration
	for _, p := range tr.kernel.progs {
		s, err := p.Stats()
		if err != nil {
			t.Fatal(err)
		}
		total += s.Runtime
	}
	return float64(total.Nanoseconds()) / float64(n)
}

// writesDone is how many writes the device has completed
// (Documentation/block/stat.rst).
func writesDone(t *testing.T, l loop) int64 {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(l.path), "stat"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(strings.Fields(string(b))[4], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// confidence is the mean and half of its 95 % interval.
func confidence(v []float64) (mean, half float64) {
	n := float64(len(v))
	for _, x := range v {
		mean += x / n
	}
	var squares float64
	for _, x := range v {
		squares += (x - mean) * (x - mean)
	}
	// Student's t for 20 and more is at most 2.1.
	return mean, 2.1 * math.Sqrt(squares/(n-1)/n)
}

//go:build integration

package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"testing"

	"migimg/internal/need"
)

// readersAtOnce is how many read the mount of a large disk.
const readersAtOnce = 64

// TestMemory: a mount of a large disk with many readers takes at most 64 MiB and
// what its map takes: a bit for each cluster of 64 KiB, and a sixteenth more.
// MIGIMG_MEMORY_DISK is the disk's size, 1T or as testdata/disks/sparse.sh takes it.
func TestMemory(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mkfs.ext4", "losetup")
	script, err := filepath.Abs("../../testdata/disks/sparse.sh")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(tempDir(t), "large")
	run(t, script, or(os.Getenv("MIGIMG_MEMORY_DISK"), "1T"), path)
	point := mountMigimg(t, path)
	st := statusOf(t, point)
	var readers sync.WaitGroup
	for i := range readersAtOnce {
		readers.Go(func() {
			f, err := os.Open(filepath.Join(point, st.Files[i%len(st.Files)].Path))
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			readAround(t, f, uint64(i))
		})
	}
	readers.Wait()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", st.PID))
	if err != nil {
		t.Fatal(err)
	}
	field := func(name string) int64 {
		m := regexp.MustCompile(name + `:\s*(\d+)`).FindSubmatch(b)
		if m == nil {
			t.Fatalf("no %s in\n%s", name, b)
		}
		n, _ := strconv.ParseInt(string(m[1]), 10, 64)
		return n
	}
	most := 64<<20 + st.Map.Clusters/8*17/16
	peak := field("VmHWM") << 10
	t.Logf("%s, %d readers: %s at the most, %s allowed, %d threads", human(st.Source.Size), readersAtOnce, human(peak), human(most), field("Threads"))
	if peak > most {
		t.Errorf("%d bytes of memory, more than %d", peak, most)
	}
	if n := field("Threads"); n > 2*readersAtOnce {
		t.Errorf("%d threads", n)
	}
}

// readAround reads a file in large pieces: one after the other from where its data
// begin, and anywhere.
func readAround(t *testing.T, f *os.File, seed uint64) {
	st, err := f.Stat()
	if err != nil {
		t.Error(err)
		return
	}
	rng := rand.New(rand.NewPCG(seed, 3))
	b := make([]byte, 1<<20)
	for i := range int64(40) {
		off := i << 20
		if i%2 == 1 {
			off = rng.Int64N(st.Size())
		}
		if n, err := f.ReadAt(b, off); err != nil && err != io.EOF {
			t.Errorf("%s: %d bytes at %d: %v", f.Name(), n, off, err)
			return
		}
	}
}

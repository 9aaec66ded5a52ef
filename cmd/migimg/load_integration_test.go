//go:build integration

package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"migimg/internal/need"
)

// randomDisk is an image file without a partition table: all of it is carried.
func randomDisk(t *testing.T, size int64) string {
	t.Helper()
	path := filepath.Join(tempDir(t), "disk")
	garbage(t, path, size)
	return path
}

// TestBandwidthLimit copies for ten seconds under a limit and counts what was
// read from the device.
func TestBandwidthLimit(t *testing.T) {
	const limit = 20 << 20
	point := mountMigimg(t, randomDisk(t, 400<<20), "--bwlimit", "20M", "--ionice", "idle")
	if l := statusOf(t, point).Load; l != (loadStatus{BWLimit: limit, IONice: "idle"}) {
		t.Errorf("status says %+v", l)
	}
	pid := itoa(int64(statusOf(t, point).PID))
	need.Tool(t, "ionice")
	threads, err := os.ReadDir("/proc/" + pid + "/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, th := range threads {
		if class := strings.TrimSpace(run(t, "ionice", "-p", th.Name())); class != "idle" {
			t.Errorf("thread %s: %s", th.Name(), class)
		}
	}

	f, err := os.Open(filepath.Join(point, "disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	read := func() int64 { return statusOf(t, point).Reads.Device.Bytes }
	buf := make([]byte, 1<<20)
	start, first := time.Now(), read()
	for time.Since(start) < 10*time.Second {
		if _, err := io.ReadFull(f, buf); err != nil {
			t.Fatal(err)
		}
	}
	bytes, took := read()-first, time.Since(start)
	rate := float64(bytes) / took.Seconds()
	t.Logf("%.2f MiB a second", rate/(1<<20))
	if rate < 0.95*limit || rate > 1.05*limit {
		t.Errorf("%d bytes in %v: %.0f a second, want %d within 5 %%", bytes, took, rate, limit)
	}
}

// TestPause: readers wait and get the right bytes after it, a waiting one can be
// killed, and an idle mount be ended.
func TestPause(t *testing.T) {
	disk := randomDisk(t, 64<<20)
	point := mountMigimg(t, disk)
	image := filepath.Join(point, "disk.raw")
	run(t, program, "pause", point)
	if s := statusOf(t, point); !s.Load.Paused {
		t.Error("status does not say so")
	}
	before := statusOf(t, point).Reads.Device.Bytes
	killed := exec.Command("cat", image)
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	got := make(chan []byte)
	go func() {
		b, err := os.ReadFile(image)
		if err != nil {
			t.Error(err)
		}
		got <- b
	}()
	select {
	case <-got:
		t.Error("a reader did not wait")
	case <-time.After(500 * time.Millisecond):
	}
	if after := statusOf(t, point).Reads.Device.Bytes; after != before {
		t.Errorf("%d bytes were read from the device meanwhile", after-before)
	}
	if err := killed.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = killed.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("a killed reader hangs")
	}
	run(t, program, "resume", point)
	want, err := os.ReadFile(disk)
	if err != nil {
		t.Fatal(err)
	}
	if b := <-got; !bytes.Equal(b, want) {
		t.Errorf("%d bytes, not those of the disk", len(b))
	}
	if statusOf(t, point).Load.Paused {
		t.Error("still paused")
	}
	run(t, program, "pause", point)
	eventually(t, "the readers to close", func() bool { return statusOf(t, point).Reads.Open == 0 })
	run(t, program, "umount", point)
}

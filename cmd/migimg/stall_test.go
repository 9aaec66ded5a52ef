//go:build integration && torture

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"migimg/internal/need"
)

// TestStall measures the longest pause of a writer who appends and syncs every 10
// ms, beside one who rewrites files, while the device is mounted pinned: STALLS
// times for each number of files.
func TestStall(t *testing.T) {
	need.Root(t)
	for _, x := range tortured {
		if only := os.Getenv("FS"); only != "" && x.name != only {
			continue
		}
		for _, files := range []int{10_000, 200_000, 1_000_000} {
			if files > setting("FILES", 1_000_000) {
				continue
			}
			t.Run(fmt.Sprint(x.name, "/", files), func(t *testing.T) {
				path := filepath.Join(tempDir(t), "disk.img")
				run(t, "truncate", "-s", "40G", path)
				run(t, "sh", "-ec", x.mkfs+" "+path)
				dev := loop(t, path, "--direct-io=on")
				fs, umount := mountFS(t, dev, x.opts)
				defer umount()
				fill(t, fs, files)
				run(t, "sync", "-f", fs)
				stop, done := make(chan struct{}), make(chan error, 1)
				go func() { done <- churn(fs, stop) }()
				longest := pauses(t, filepath.Join(fs, "pulse"), stop)
				for range setting("STALLS", 3) {
					time.Sleep(2 * time.Second)
					_ = longest()
					before := time.Now()
					point := mountMigimg(t, dev)
					took := time.Since(before)
					pause := longest()
					p := statusOf(t, point).Consistency.Pins
					if p == nil {
						t.Fatal("it is not pinned")
					}
					run(t, program, "umount", point)
					fmt.Printf("| %s | %d | %d ms | %d ms | %d ms | %d MiB | %.1f s |\n", x.name, files,
						pause.Milliseconds(), p.Frozen, p.Kernel, (p.Memory+p.Spool)>>20, took.Seconds())
				}
				close(stop)
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func fill(t *testing.T, dir string, files int) {
	t.Helper()
	content := make([]byte, 4000)
	for i := range files {
		name := filepath.Join(dir, "files", strconv.Itoa(i/1000), strconv.Itoa(i))
		if i%1000 == 0 {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(name, content[:i%4000], 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// pauses writes and syncs every 10 ms until stop is closed. What it returns is the
// longest that one took since it was asked last.
func pauses(t *testing.T, path string, stop <-chan struct{}) func() time.Duration {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	ask := make(chan chan time.Duration)
	ticks := make(chan time.Duration, 1<<16)
	go func() {
		defer f.Close()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
			}
			begin := time.Now()
			_, _ = fmt.Fprintln(f, i)
			_ = f.Sync()
			ticks <- time.Since(begin)
		}
	}()
	go func() {
		var most time.Duration
		for {
			select {
			case d := <-ticks:
				most = max(most, d)
			case c := <-ask:
				c <- most
				most = 0
			case <-stop:
				return
			}
		}
	}()
	return func() time.Duration {
		c := make(chan time.Duration)
		ask <- c
		return <-c
	}
}

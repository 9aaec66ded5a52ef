//go:build integration

package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"

	"migimg/internal/need"
)

// mountHere mounts a device pinned, in this process, until end is called.
func mountHere(t *testing.T, dev string, m momentOptions) (point string, end func()) {
	t.Helper()
	point = tempDir(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	o := sourceOptions{consistency: levelPinned, pin: true, clusterSize: 64 << 10, moment: m, log: logOptions{to: logNone}}
	go func() {
		c := cli.NewContext(newApp(), flag.NewFlagSet("mount", flag.ContinueOnError), nil)
		c.Context = ctx
		done <- mount(c, []string{dev}, point, o, permissions{mode: 0o400}, reportOptions{})
	}()
	ended := false
	end = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(end)
	for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(10 * time.Millisecond) {
		if _, ok := isMountpoint(point); ok {
			return point, end
		}
		select {
		case err := <-done:
			ended = true
			t.Fatal(err)
		default:
		}
	}
	t.Fatalf("%s is not mounted", dev)
	return "", nil
}

// TestUntracked has files change in all ways where writes are not tracked: the drift
// has them, and no others.
func TestUntracked(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mkfs.ext4", "mkfs.xfs", "e4defrag", "xfs_fsr")
	for _, x := range []struct{ fs, mkfs, defrag string }{
		{"ext4", "mkfs.ext4 -q -F", "e4defrag"},
		{"xfs", "mkfs.xfs -q", "xfs_fsr"},
	} {
		t.Run(x.fs, func(t *testing.T) {
			path := filepath.Join(tempDir(t), "disk.img")
			run(t, "truncate", "-s", "600M", path)
			run(t, "sh", "-ec", x.mkfs+" "+path)
			dev := loop(t, path)
			fs, umount := mountFS(t, dev, "rw")
			defer umount()
			in := func(name string) string { return filepath.Join(fs, name) }
			for _, dir := range []string{"a/b", "c"} {
				if err := os.MkdirAll(in(dir), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			names := []string{"overwritten", "gone", "a/appended", "a/b/moved.db", "kept", "a/kept", "c/kept", "c/renamed"}
			for _, name := range names {
				byTurns(t, in(name), in("c/gaps-"+filepath.Base(name)))
			}
			time.Sleep(50 * time.Millisecond) // more than the clock's tick
			point, end := mountHere(t, dev, momentOptions{blind: true})
			if d := driftOf(t, point); d.State != "compared" || len(d.Files) > 0 || d.NoFile > 0 {
				t.Errorf("before anything was written: %+v", d)
			}
			write(t, in("overwritten"), 8192, "other")
			write(t, in("a/appended"), 1<<20, "more")
			if err := os.Remove(in("gone")); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(in("c/renamed"), in("c/new")); err != nil {
				t.Fatal(err)
			}
			if out, err := try(x.defrag, "-v", in("a/b/moved.db")); err != nil {
				t.Fatal(out, err)
			}
			time.Sleep(comparedFor)
			var got []string
			d := driftOf(t, point)
			for _, f := range d.Files {
				got = append(got, f.Path)
			}
			if want := []string{"/a/appended", "/a/b/moved.db", "/c/renamed", "/gone", "/overwritten"}; !slices.Equal(got, want) || d.State != "compared" {
				t.Errorf("%s: %s: %q, want %q", d.State, d.Detail, got, want)
			}
			if i := slices.IndexFunc(d.Files, func(f driftFile) bool { return f.Path == "/a/b/moved.db" }); i < 0 || d.Files[i].Kind != "database" || d.Files[i].Bytes < 100<<10 {
				t.Errorf("%+v", d.Files)
			}
			end()
		})
	}
}

func driftOf(t *testing.T, point string) (d drift) {
	t.Helper()
	if err := json.Unmarshal(readAll(t, filepath.Join(point, ".migimg/drift.json")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// byTurns writes two files by turns, so that neither lies in one piece.
func byTurns(t *testing.T, one, other string) {
	t.Helper()
	for i := range 30 {
		for _, name := range []string{one, other} {
			write(t, name, int64(i)*4096, strings.Repeat(fmt.Sprint(i%10), 4096))
		}
	}
}

// write writes to a file at off, onto the disk.
func write(t *testing.T, name string, off int64, text string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(text), off); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}

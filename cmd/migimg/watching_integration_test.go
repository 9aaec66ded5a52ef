//go:build integration

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"migimg/internal/need"
)

// logged are the lines with this message in a log of JSON.
func logged(t testing.TB, path, msg string) (out []map[string]any) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var line map[string]any
		if err := json.Unmarshal(s.Bytes(), &line); err != nil {
			t.Fatalf("%v: %s", err, s.Text())
		}
		if line["msg"] == msg {
			out = append(out, line)
		}
	}
	return out
}

// jsonLog is a log of the test's own, and the options for it.
func jsonLog(t testing.TB) (path string, args []string) {
	path = filepath.Join(tempDir(t), "log")
	return path, []string{"--log-to", path, "--log-format", "json"}
}

// finishedBy is the newest reading by the command that is over, once there are n.
func finishedBy(t testing.TB, point, command string, n int) finishedReading {
	t.Helper()
	var found []finishedReading
	eventually(t, command+" to have finished", func() bool {
		found = nil
		for _, f := range statusOf(t, point).Finished {
			if f.Command == command {
				found = append(found, f)
			}
		}
		return len(found) >= n
	})
	if len(found) != n {
		t.Fatalf("%s: %d readings, want %d: %+v", command, len(found), n, found)
	}
	return found[n-1]
}

// TestReaders has programs that people copy with read a mount: the status and the log
// say by name who read what, to the byte.
func TestReaders(t *testing.T) {
	need.Root(t)
	need.Tool(t, "cp", "dd", "rclone", "sha256sum", "sh", "cat")
	const size = 48 << 20
	disk := randomDisk(t, size)
	log, args := jsonLog(t)
	point := mountMigimg(t, disk, append(args, "--digest")...)
	raw := filepath.Join(point, "disk.raw")
	want, _, _ := strings.Cut(run(t, "sha256sum", disk), " ")

	run(t, "cp", raw, filepath.Join(tempDir(t), "copy"))
	f := finishedBy(t, point, "cp", 1)
	if f.File != "disk.raw" || f.Bytes != size || f.Size != size || f.Share != 1 || f.Pattern != "sequential" || f.Errors != 0 || f.SHA256 != want || f.PID == 0 {
		t.Errorf("cp: %+v", f)
	}
	if f.Seconds <= 0 || f.Ended.Before(f.Started) || f.Rate < size/int64(f.Seconds+1) {
		t.Errorf("cp: %+v", f)
	}
	run(t, "dd", "if="+raw, "of=/dev/null", "bs=1M", "skip=12", "count=12")
	if f := finishedBy(t, point, "dd", 1); f.Bytes != 12<<20 || f.Furthest != 24<<20 || f.Share != 0.5 || f.Pattern != "sequential" {
		t.Errorf("dd: %+v", f)
	}
	run(t, "sh", "-c", `exec cat <"$0" >/dev/null`, raw)
	if f := finishedBy(t, point, "cat", 1); f.Bytes != size {
		t.Errorf("cat, for which a shell opened: %+v", f)
	}
	run(t, "rclone", "copy", "--config", "/dev/null", "--ignore-checksum", "--include", "disk.qcow2", "--multi-thread-streams", "4", "--multi-thread-cutoff", "1M", point, tempDir(t))
	qcow2 := statusOf(t, point).Files[1]
	if f := finishedBy(t, point, "rclone", 1); f.File != "disk.qcow2" || f.Bytes != qcow2.Size || f.Furthest != qcow2.Size || f.Share != 1 || f.Pattern != "parallel" {
		t.Errorf("rclone with parallel streams: %+v, of %+v", f, qcow2)
	}
	run(t, "sh", "-c", `exec 3<"$0"`, raw) // looks, and reads nothing

	s := statusOf(t, point)
	if len(s.Finished) != 4 || len(s.Readers) != 0 || s.Reads.Open != 0 {
		t.Errorf("%d finished, %+v read, %d files are open", len(s.Finished), s.Readers, s.Reads.Open)
	}
	if total := int64(2*size + 12<<20); len(s.Reads.Files) != 2 || s.Reads.Files[1] != (fileReads{Path: "disk.raw", Bytes: total}) || s.Reads.ServedBytes != total+qcow2.Size {
		t.Errorf("%+v, %d served", s.Reads.Files, s.Reads.ServedBytes)
	}
	if table := run(t, program, "status", point); !strings.Contains(table, "FINISHED") || !strings.Contains(table, "cp[") {
		t.Error(table)
	}
	run(t, program, "umount", point)

	lines := logged(t, log, "read")
	if len(lines) != 4 || lines[0]["command"] != "cp" || lines[0]["bytes"] != float64(size) || lines[0]["sha256"] != want || lines[0]["mount"] != point || lines[0]["share"] != "1.0000" {
		t.Errorf("%d summaries: %v", len(lines), lines)
	}
	if up, down := logged(t, log, "mounted"), logged(t, log, "unmounted"); len(up) != 1 || len(down) != 1 || up[0]["device"] != disk || down[0]["served_bytes"] != float64(s.Reads.ServedBytes) {
		t.Errorf("%v, %v", up, down)
	}
}

// TestReadersNow looks at readers in the middle: one that has stopped after a quarter,
// and one that waits for its first byte.
func TestReadersNow(t *testing.T) {
	need.Root(t)
	need.Tool(t, "cat")
	const size = 32 << 20
	log, args := jsonLog(t)
	point := mountMigimg(t, randomDisk(t, size), args...)
	raw := filepath.Join(point, "disk.raw")
	f, err := os.Open(raw)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.ReadFull(f, make([]byte, size/4)); err != nil {
		t.Fatal(err)
	}
	s := statusOf(t, point)
	if len(s.Readers) != 1 {
		t.Fatalf("%+v", s.Readers)
	}
	comm, _ := os.ReadFile("/proc/self/comm")
	if r := s.Readers[0]; r.PID != os.Getpid() || r.Command != strings.TrimSpace(string(comm)) || r.File != "disk.raw" || r.Bytes != size/4 || r.Share != 0.25 || r.Handles != 1 || r.Rate <= 0 {
		t.Errorf("%+v", r)
	}
	families := parsed(t, []byte(run(t, program, "status", point, "--format", "prometheus")))
	if got := sampleOf(t, families, "migimg_reader_progress_ratio", map[string]string{"pid": itoa(int64(os.Getpid())), "file": "disk.raw", "format": "raw", "mountpoint": point}); got != 0.25 {
		t.Errorf("progress %v", got)
	}
	if got := sampleOf(t, families, "migimg_file_read_bytes_total", map[string]string{"file": "disk.raw"}); got != size/4 {
		t.Errorf("%v bytes read", got)
	}

	run(t, program, "pause", point)
	waits := exec.Command("cat", filepath.Join(point, "disk.vhd"))
	if err := waits.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = waits.Process.Kill() }()
	eventually(t, "cat to be seen", func() bool {
		for _, r := range statusOf(t, point).Readers {
			if r.PID == waits.Process.Pid && r.Command == "cat" && r.File == "disk.vhd" {
				return true
			}
		}
		return false
	})
	run(t, program, "resume", point)
	if err := waits.Wait(); err != nil {
		t.Error(err)
	}
	if len(logged(t, log, "paused")) != 1 || len(logged(t, log, "resumed")) != 1 {
		t.Error("the log does not say that it was paused and resumed")
	}
	f.Close()
	eventually(t, "the readers to leave", func() bool { return len(statusOf(t, point).Readers) == 0 })

	collector := tempDir(t)
	textfile := filepath.Join(collector, "migimg-sda.prom")
	run(t, "sh", "-ec", cronLine(t, collector, point))
	b, err := os.ReadFile(textfile)
	if err != nil {
		t.Fatal(err)
	}
	parsed(t, b)
	run(t, program, "umount", point)
	run(t, "sh", "-ec", cronLine(t, collector, point))
	if left, _ := os.ReadDir(collector); len(left) != 0 {
		t.Errorf("%v is left of a mount that is no more", left)
	}
}

// cronLine is the command that docs/operations.md has cron run, for other places.
func cronLine(t *testing.T, collector, point string) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if _, command, ok := strings.Cut(line, "* * * * *  root  "); ok {
			return strings.NewReplacer("/var/lib/prometheus/node-exporter", collector, "migimg status", program+" status", "/mnt/migimg", point).Replace(command)
		}
	}
	t.Fatal("docs/operations.md has no line for cron")
	return ""
}

// TestWatch watches a mount in three ways from its beginning to its end.
func TestWatch(t *testing.T) {
	need.Root(t)
	need.Tool(t, "cp", "script")
	point := mountMigimg(t, randomDisk(t, 32<<20))
	type watching struct {
		*exec.Cmd
		out strings.Builder
	}
	ways := map[string]*watching{
		"line":     {Cmd: exec.Command(program, "status", point, "--watch=100ms")},
		"json":     {Cmd: exec.Command(program, "status", point, "--watch=100ms", "--format", "json")},
		"terminal": {Cmd: exec.Command("script", "-qec", program+" status --watch=100ms "+point, "/dev/null")},
	}
	for _, w := range ways {
		w.Stdout = &w.out
		if err := w.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = w.Process.Kill() }()
	}
	f, err := os.Open(filepath.Join(point, "disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.ReadFull(f, make([]byte, 16<<20)); err != nil {
		t.Fatal(err)
	}
	// Watchers must not keep a mount from being ended, nor see its end as an error.
	run(t, "sleep", "1")
	f.Close()
	run(t, program, "umount", point)
	for name, w := range ways {
		if err := w.Wait(); err != nil {
			t.Errorf("%s: it ended with %v", name, err)
		}
	}
	if out := ways["line"].out.String(); !strings.Contains(out, "disk.raw 50 % of 32.0 MiB") || strings.Count(out, "\n") < 3 {
		t.Errorf("lines:\n%s", out)
	}
	half := false
	for d := json.NewDecoder(strings.NewReader(ways["json"].out.String())); ; {
		var s status
		err := d.Decode(&s)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		half = half || len(s.Readers) == 1 && s.Readers[0].Share == 0.5
	}
	if !half {
		t.Error("no document says that half was read")
	}
	if out := ways["terminal"].out.String(); !strings.Contains(out, "\x1b[H") || !strings.Contains(out, "50 %") {
		t.Errorf("terminal:\n%q", out)
	}
	if code, out := exitStatus(t, "status", point, "--watch"); code != exitFailed || !strings.Contains(out, "no migimg mount") {
		t.Errorf("watching nothing: exit %d, %s", code, out)
	}
}

// TestNothingIsLeft mounts in this process, has many readers, some killed, and counts
// goroutines.
func TestNothingIsLeft(t *testing.T) {
	need.Root(t)
	need.Tool(t, "cat")
	disk := randomDisk(t, 8<<20)
	_, end := mountHere(t, disk, momentOptions{}) // os/signal has goroutines that stay
	end()
	before := runtime.NumGoroutine()
	point, end := mountHere(t, disk, momentOptions{})
	for i := range 40 {
		cat := exec.Command("sh", "-c", `exec cat "$0" >/dev/null`, filepath.Join(point, "disk.raw"))
		if err := cat.Start(); err != nil {
			t.Fatal(err)
		}
		if i%4 == 0 {
			_ = cat.Process.Kill()
		}
		_ = cat.Wait()
	}
	eventually(t, "the readers to leave", func() bool {
		s, err := readStatus(point)
		return err == nil && len(s.Readers) == 0 && s.Reads.Open == 0
	})
	end()
	for range 500 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	stacks := make([]byte, 1<<20)
	t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
}

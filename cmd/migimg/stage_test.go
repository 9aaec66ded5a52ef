//go:build integration && torture

package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// stage is a filesystem with everything that writes to it.
type stage struct {
	kind
	dir, image string
	dev, fs    string // while it is mounted
	acked      string // the last line of the log that is on disk
	writers    []*exec.Cmd
}

func newStage(t *testing.T, k kind, files int) *stage {
	dir := tempDir(t)
	s := &stage{kind: k, dir: dir, image: filepath.Join(dir, "disk.img"), acked: filepath.Join(dir, "acked")}
	run(t, "truncate", "-s", "6G", s.image)
	run(t, "sh", "-ec", s.mkfs+" "+s.image)
	s.mount(t)
	for i := range files {
		name := filepath.Join(s.fs, "files", strconv.Itoa(i/1000), strconv.Itoa(i))
		if i%1000 == 0 {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(name, bytes.Repeat([]byte(strconv.Itoa(i)+"\n"), i%700), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{"fio", "storm", "pg"} {
		if err := os.Mkdir(filepath.Join(s.fs, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "chown", "postgres", filepath.Join(s.fs, "pg"))
	run(t, "chmod", "a+x", dir, s.fs)
	s.postgres(t, "initdb -D "+s.fs+"/pg/data >/dev/null")
	s.umount(t)
	return s
}

func (s *stage) mount(t *testing.T) {
	s.dev = loop(t, s.image, "--direct-io=on")
	s.fs = filepath.Join(s.dir, "fs")
	_ = os.Mkdir(s.fs, 0o755)
	run(t, "mount", "-o", s.opts, s.dev, s.fs)
	t.Cleanup(func() { _ = exec.Command("umount", "-l", s.fs).Run() })
}

func (s *stage) umount(t *testing.T) {
	for begin := time.Now(); exec.Command("umount", s.fs).Run() != nil; time.Sleep(50 * time.Millisecond) {
		if time.Since(begin) > time.Minute { // what was killed still writes out what it began
			t.Fatalf("%s cannot be unmounted", s.fs)
		}
	}
	detach(s.dev, s.image)
	// Another mount namespace may have it mounted still: it would go on writing, to what
	// is mounted anew.
	eventually(t, s.dev+" lets go of "+s.image, func() bool { return run(t, "losetup", "-j", s.image) == "" })
	forget()
}

// forget has the kernel forget btrfs devices: two with one UUID confuse it.
func forget() { _ = exec.Command("btrfs", "device", "scan", "--forget").Run() }

func (s *stage) postgres(t *testing.T, command string) {
	t.Helper()
	bin, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(bin) == 0 {
		t.Fatal("PostgreSQL is not installed")
	}
	run(t, "runuser", "-u", "postgres", "--", "sh", "-c", "PATH="+bin[0]+":$PATH; cd /; "+command)
}

// start mounts, and lets all writers loose.
func (s *stage) start(t *testing.T) {
	s.mount(t)
	pg := s.fs + "/pg"
	s.postgres(t, fmt.Sprintf("pg_ctl -s -w -D %s/data -o '-k %s -h \"\" -c fsync=on' -l %s/log start", pg, pg, pg))
	if _, err := os.Stat(pg + "/filled"); err != nil {
		s.postgres(t, "pgbench -q -h "+pg+" -i -s 2 postgres 2>/dev/null && touch "+pg+"/filled")
	}
	s.writers = nil
	for _, c := range [][]string{
		{"fio", "--name=w", "--directory=" + s.fs + "/fio", "--size=256M", "--rw=randwrite", "--bs=4k", "--fsync=64", "--rate_iops=3000", "--thread", "--time_based", "--runtime=3600", "--randrepeat=0", "--output=/dev/null"},
		{"sh", "-c", "i=0; while :; do echo \"create table if not exists t(a,b); insert into t values($i, randomblob(2000)); delete from t where a < $i - 500;\"; i=$((i+1)); done | sqlite3 -cmd 'pragma journal_mode=wal' " + s.fs + "/db.sqlite >/dev/null"},
		{"runuser", "-u", "postgres", "--", "sh", "-c", "cd /; exec pgbench -n -h " + pg + " -c 2 -T 3600 postgres >/dev/null 2>&1"},
		{os.Args[0]}, {os.Args[0]},
	} {
		w := exec.Command(c[0], c[1:]...)
		w.Env = os.Environ()
		switch len(s.writers) {
		case 3:
			w.Env = append(w.Env, stormEnv+"="+s.fs)
		case 4:
			w.Env = append(w.Env, logEnv+"="+s.fs+"/numbered.log", ackEnv+"="+s.acked)
		}
		w.SysProcAttr = ownGroup()
		if err := w.Start(); err != nil {
			t.Fatal(err)
		}
		s.writers = append(s.writers, w)
	}
	t.Cleanup(func() { s.kill() })
	time.Sleep(2 * time.Second)
}

func (s *stage) kill() {
	for _, w := range s.writers {
		killGroup(w)
	}
	s.writers = nil
}

// stop ends all writers and unmounts.
func (s *stage) stop(t *testing.T) {
	s.kill()
	s.postgres(t, "pg_ctl -s -m immediate -w -D "+s.fs+"/pg/data stop || true")
	s.umount(t)
}

// logged is the last entry that was acknowledged.
func (s *stage) logged() int {
	b, _ := os.ReadFile(s.acked)
	n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return n
}

// sound is what the checker has against a copy.
func (s *stage) sound(image, check string, replay bool) string {
	dev, err := exec.Command("losetup", "-f", "--show", image).Output()
	if err != nil {
		return err.Error()
	}
	d := strings.TrimSpace(string(dev))
	defer forget()
	defer detach(d, image)
	command := check + " " + d
	if replay {
		point := filepath.Join(s.dir, "replay")
		_ = os.Mkdir(point, 0o755)
		command = fmt.Sprintf("mount -o %s %s %s; umount %s; %s", s.opts, d, point, point, command)
	}
	if out, err := exec.Command("sh", "-ec", command).CombinedOutput(); err != nil {
		return fmt.Sprintf("%s: %v: %s", check, err, out[:min(len(out), 600)])
	}
	return ""
}

// entry is what a file is: meta without its contents.
type entry struct {
	meta string
	sum  [32]byte
}

// list reads all files of an image, and how far the numbered log goes. Files that
// moved may be unreadable (btrfs).
func (s *stage) list(t *testing.T, image string, moved map[string]bool) (map[string]entry, int, error) {
	t.Helper()
	point, done := s.look(t, image)
	defer done()
	out := map[string]entry{}
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(32) // the device is waited for, mostly
	err := filepath.WalkDir(point, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == point {
			return err
		}
		g.Go(func() error {
			name := strings.TrimPrefix(path, point)
			e, err := entryOf(path)
			if err != nil && !moved[name] {
				return fmt.Errorf("%s: %w", name, err)
			}
			mu.Lock()
			defer mu.Unlock()
			out[name] = e
			return nil
		})
		return nil
	})
	return out, lastEntry(filepath.Join(point, "numbered.log")), errors.Join(err, g.Wait())
}

// look mounts a copy until done is called.
func (s *stage) look(t *testing.T, image string) (point string, done func()) {
	t.Helper()
	dev := strings.TrimSpace(run(t, "losetup", "-f", "--show", image))
	point = filepath.Join(s.dir, "look")
	_ = os.Mkdir(point, 0o755)
	run(t, "mount", "-o", s.opts, dev, point)
	return point, func() {
		umountFS(t, point)
		detach(dev, image)
		forget()
	}
}

// entryOf is as much as could be read.
func entryOf(path string) (e entry, err error) {
	info, err := os.Lstat(path)
	if err != nil {
		return e, err
	}
	e.meta = fmt.Sprint(info.Mode(), info.ModTime().UnixNano())
	if !info.Mode().IsRegular() {
		return e, nil
	}
	e.meta += fmt.Sprint(" ", info.Size())
	f, err := os.Open(path)
	if err != nil {
		return e, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	h.Sum(e.sum[:0])
	return e, err
}

// lastEntry is the last number of a log that has all before it.
func lastEntry(path string) (last int) {
	b, _ := os.ReadFile(path)
	for line := range strings.Lines(string(b)) {
		n, err := strconv.Atoi(strings.TrimSuffix(line, "\n"))
		if err != nil || last != 0 && n != last+1 {
			break
		}
		last = n
	}
	return last
}

//go:build integration

package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"migimg/internal/need"
)

// TestMountedElsewhere: a filesystem that is mounted in another mount namespace alone,
// as a service or a container has it, is in use, and held at T0 like any other.
func TestMountedElsewhere(t *testing.T) {
	need.Tool(t, "unshare", "partx")
	path, _ := fragmentedDisk().make(t)
	dev := partitions(t, loop(t, path))
	point := filepath.Join(tempDir(t), "there")
	if err := os.Mkdir(point, 0o755); err != nil {
		t.Fatal(err)
	}
	elsewhere(t, `mount "$0" "$1"`, dev+"p1", point)
	s := statusOf(t, mountMigimg(t, dev))
	if s.Consistency.Level != levelPinned || s.Consistency.Pins == nil {
		t.Errorf("%+v, want it pinned", s.Consistency)
	}
	if u := s.Source.Uses; len(u) != 1 || !u[0].Write || !strings.HasSuffix(u[0].Point, "/root"+point) {
		t.Errorf("in use by %v", u)
	}
}

// TestUmountElsewhere: a mount namespace that has a copy of the mount does not keep it
// from ending.
func TestUmountElsewhere(t *testing.T) {
	need.Tool(t, "unshare")
	path, _ := fragmentedDisk().make(t)
	point := mountMigimg(t, path)
	elsewhere(t, "true")
	run(t, program, "umount", point)
}

// elsewhere runs a command in a mount namespace of its own, which is there until the test
// ends.
func elsewhere(t *testing.T, command string, args ...string) {
	t.Helper()
	cmd := exec.Command("unshare", append([]string{"-m", "--propagation", "private", "sh", "-ec", command + "; echo done; read wait"}, args...)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "done\n" {
		t.Fatalf("%q, %v", line, err)
	}
}

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
	cmd := exec.Command("unshare", "-m", "--propagation", "private", "sh", "-ec", `mount "$0" "$1"; echo mounted; read wait`, dev+"p1", point)
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
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "mounted\n" {
		t.Fatalf("%q, %v", line, err)
	}
	s := statusOf(t, mountMigimg(t, dev))
	if s.Consistency.Level != levelPinned || s.Consistency.Pins == nil {
		t.Errorf("%+v, want it pinned", s.Consistency)
	}
	if u := s.Source.Uses; len(u) != 1 || !u[0].Write || !strings.HasSuffix(u[0].Point, "/root"+point) {
		t.Errorf("in use by %v", u)
	}
}

//go:build integration

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"migimg/internal/need"
)

// as runs a command as a user who is nobody in particular.
func as(uid string, command ...string) error {
	_, err := try("setpriv", append([]string{"--reuid", uid, "--regid", uid, "--clear-groups"}, command...)...)
	return err
}

// TestStranger: a mount is its owner's. Others see nothing of it unless they were named,
// and then read, and no more.
func TestStranger(t *testing.T) {
	need.Tool(t, "setpriv")
	const named, other = "65531", "65532"
	path, _ := fragmentedDisk().make(t)
	denied := func(err error, what string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "Permission denied") {
			t.Errorf("%s: %v, want a refusal", what, err)
		}
	}
	for point, open := range map[string]bool{
		mountMigimg(t, path): false,
		mountMigimg(t, path, "--allow-other", "--uid", named, "--mode", "0400"): true,
	} {
		run(t, "chmod", "a+x", filepath.Dir(point))
		for _, f := range []string{"disk.raw", "preflight.json", ".migimg/map.json"} {
			name := filepath.Join(point, f)
			if _, err := os.Stat(name); err != nil {
				t.Fatal(err)
			}
			denied(as(other, "head", "-c1", name), "reading "+f)
			err := as(named, "head", "-c1", name)
			if open && err != nil {
				t.Errorf("the named user: %v", err)
			} else if !open {
				denied(err, "reading "+f)
			}
		}
		if err := as(named, "sh", "-c", `: >"$0"`, filepath.Join(point, "disk.raw")); err == nil {
			t.Error("an image was opened for writing")
		}
		st := statusOf(t, point)
		denied(as(other, "head", "-c1", "/proc/"+itoa(int64(st.PID))+"/mem"), "the daemon's memory")
	}
}

// TestMountPoints: a mount point that somebody prepared is not used.
func TestMountPoints(t *testing.T) {
	path, _ := fragmentedDisk().make(t)
	dir := tempDir(t)
	full, empty, link, file := filepath.Join(dir, "full"), filepath.Join(dir, "empty"), filepath.Join(dir, "link"), filepath.Join(dir, "full", "file")
	for _, d := range []string{full, empty} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(empty, link); err != nil {
		t.Fatal(err)
	}
	for point, says := range map[string]string{full: "not empty", link: "symbolic link", file: "not a directory", filepath.Join(dir, "none"): "no such file"} {
		code, out := exitStatus(t, "mount", path, point)
		if code != exitFailed || !strings.Contains(out, says) {
			t.Errorf("%s: exit %d, %s, want %q", point, code, out, says)
		}
	}
}

package main

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFilteredCalls is its own child, which is confined for the rest of its life.
func TestFilteredCalls(t *testing.T) {
	const dirEnv = "MIGIMG_TEST_CONFINED"
	dir := os.Getenv(dirEnv)
	if dir == "" {
		for _, log := range []string{"", "log"} {
			dir := t.TempDir()
			cmd := exec.Command("/proc/self/exe", "-test.run=^TestFilteredCalls$", "-test.v")
			cmd.Env = append(os.Environ(), dirEnv+"="+filepath.Join(dir, log))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		return
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0) // one that was open before
	if err != nil {
		t.Fatal(err)
	}
	appends := filepath.Base(dir) == "log"
	if err := filterCalls(appends); err != nil {
		t.Fatal(err)
	}
	if f, err := os.OpenFile(dir, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600); appends {
		if err != nil {
			t.Errorf("appending: %v", err)
		}
		f.Close()
		dir = filepath.Dir(dir)
	} else if !errors.Is(err, unix.EPERM) {
		t.Errorf("appending: %v, not EPERM", err)
	}
	file := filepath.Join(dir, "file")
	for what, call := range map[string]func() error{
		"starting a program": func() error { return exec.Command("/bin/true").Run() },
		"replacing itself":   func() error { return unix.Exec("/bin/true", []string{"true"}, nil) },
		"creating":           func() error { _, err := os.Create(file); return err },
		"writing":            func() error { _, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); return err },
		"reading and writing": func() error {
			_, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
			return err
		},
		"IPv4":    func() error { _, err := net.Dial("udp", "127.0.0.1:9"); return err },
		"IPv6":    func() error { _, err := net.Dial("udp", "[::1]:9"); return err },
		"packets": func() error { _, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0); return err },
		"tracing": func() error { return unix.PtraceAttach(os.Getppid()) },
	} {
		if err := call(); !errors.Is(err, unix.EPERM) {
			t.Errorf("%s: %v, not EPERM", what, err)
		}
	}
	// What a mount goes on doing.
	for what, call := range map[string]func() error{
		"reading": func() error { _, err := os.ReadFile("/proc/self/status"); return err },
		"an open file": func() error {
			_, err := null.Write([]byte{0})
			return err
		},
		"a local socket": func() error {
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
			unix.Close(fd)
			return err
		},
	} {
		if err := call(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if !t.Failed() {
		os.Exit(0) // go test -cover writes a file at the end, which it must not any more
	}
}

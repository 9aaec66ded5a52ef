//go:build integration && torture

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// What starts the tests as one of the torture's writers.
const (
	stormEnv = "MIGIMG_TEST_STORM" // in this directory
	logEnv   = "MIGIMG_TEST_LOG"   // to this file
	ackEnv   = "MIGIMG_TEST_ACK"   // and here what is on disk of it
)

func init() {
	if dir := os.Getenv(stormEnv); dir != "" {
		storm(dir)
	}
	if path := os.Getenv(logEnv); path != "" {
		if err := numberedLog(path, os.Getenv(ackEnv)); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
}

// storm creates, renames, deletes, truncates and appends for ever.
func storm(dir string) {
	for i := 0; ; i++ {
		n := rand.IntN(setting("FILES", 200_000))
		old := filepath.Join(dir, "files", strconv.Itoa(n/1000), strconv.Itoa(n))
		fresh := filepath.Join(dir, "storm", strconv.Itoa(rand.IntN(5000)))
		switch rand.IntN(6) {
		case 0:
			_ = os.WriteFile(fresh, make([]byte, rand.IntN(20_000)), 0o600)
		case 1:
			_ = os.Rename(fresh, filepath.Join(dir, "storm", strconv.Itoa(rand.IntN(5000))))
		case 2:
			_ = os.Remove(fresh)
		case 3:
			_ = os.Truncate(fresh, rand.Int64N(8192))
		case 4:
			if f, err := os.OpenFile(old, os.O_WRONLY|os.O_APPEND, 0); err == nil {
				_, _ = f.WriteString("appended\n")
				_ = f.Close()
			}
		case 5:
			if f, err := os.OpenFile(fresh, os.O_WRONLY, 0); err == nil {
				_, _ = f.WriteAt([]byte("overwritten in place"), rand.Int64N(4096))
				_ = f.Close()
			}
		}
	}
}

// numberedLog appends 1, 2, 3 ... and says what is on disk; it goes on where the
// file ends.
func numberedLog(path, ack string) error {
	last := lastEntry(path)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	size := int64(0)
	for i := 1; i <= last; i++ {
		size += int64(len(strconv.Itoa(i)) + 1)
	}
	if err := f.Truncate(size); err != nil {
		return err
	}
	said, err := os.OpenFile(ack, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	for i := last + 1; ; i++ {
		n, err := f.WriteAt([]byte(strconv.Itoa(i)+"\n"), size)
		if err != nil {
			return err
		}
		size += int64(n)
		if err := f.Sync(); err != nil {
			return err
		}
		if _, err := said.WriteAt([]byte(fmt.Sprintf("%012d\n", i)), 0); err != nil {
			return err
		}
	}
}

func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func killGroup(c *exec.Cmd) {
	_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
	_ = c.Wait()
}

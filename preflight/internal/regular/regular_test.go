package regular

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("file", link); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		most int64
		want string // "" is no error
	}{
		{file, 10, ""},
		{link, 10, ""},
		{file, 9, "10 bytes, more than 9 bytes"},
		{"/proc/self/status", 9, "more than 9 bytes"},
		{fifo, 10, "not a regular file"},
		{dir, 10, "not a regular file"},
		{"/dev/zero", 10, "not a regular file"},
		{filepath.Join(dir, "none"), 10, "no such file"},
		{filepath.Join(dir, "file", "x"), 10, "not a directory"},
	} {
		b, err := Read(c.name, c.most)
		switch {
		case c.want == "" && (err != nil || string(b) != "0123456789"):
			t.Errorf("%s: %q, %v", c.name, b, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), c.name)):
			t.Errorf("%s: %v, wanted %s", c.name, err, c.want)
		}
	}
}

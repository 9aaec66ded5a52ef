package tool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Extent is a part of a volume, in bytes.
type Extent struct{ Off, Len int64 }

// Partclone asks one of the partclone programs, "partclone.btrfs" for instance,
// which parts of the filesystem at path, a device or a file, are free: of its
// domain log (ddrescue's format) the lines that end in "?". They ascend.
func Partclone(ctx context.Context, program, path string) ([]Extent, error) {
	p, err := find(program)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "migimg-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	domain := filepath.Join(dir, "domain")
	_, err = run(ctx, time.Hour, nil, p, "-q", "-L", filepath.Join(dir, "log"), "-D", "-s", path, "-o", domain)
	b, readErr := os.ReadFile(domain)
	if errors.Is(readErr, fs.ErrNotExist) && err != nil {
		readErr = nil // the program's error says more
	}
	if err := errors.Join(err, readErr); err != nil {
		return nil, err
	}
	return freeDomain(string(b))
}

// freeDomain reads a domain log.
func freeDomain(log string) (free []Extent, err error) {
	lines := 0
	for line := range strings.Lines(log) {
		var e Extent
		var status string
		if n, _ := fmt.Sscanf(line, "0x%x 0x%x %s", &e.Off, &e.Len, &status); n != 3 {
			continue // a comment, or the line that says where ddrescue is
		}
		if lines++; status == "?" {
			free = append(free, e)
		}
	}
	if lines == 0 {
		return nil, errors.New("partclone's domain log says nothing")
	}
	return free, nil
}

// partcloneFree is how many bytes are free.
func partcloneFree(ctx context.Context, program, path string) (n int64, err error) {
	free, err := Partclone(ctx, program, path)
	for _, e := range free {
		n += e.Len
	}
	return n, err
}

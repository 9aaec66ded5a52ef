package scantest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// manifest has a line for each file of a tree: its mode, size and the SHA-256
// of its contents, or what it points to.
type manifest map[string]string

func manifestOf(t testing.TB, dir string) manifest {
	t.Helper()
	return listing(t, dir, func(path, name string, info fs.FileInfo) (string, error) {
		if !info.Mode().IsRegular() {
			return "", nil
		}
		sum, err := hash(path)
		if errors.Is(err, syscall.EIO) && strings.HasPrefix(name, liveDir) {
			sum, err = nil, nil // written since, and it has checksums: as it must be
		}
		return fmt.Sprintf(" %x", sum), err
	})
}

// listing has a line for each file of a tree: its mode, its size or what it points
// to, and what more says of it.
func listing(t testing.TB, dir string, more func(path, name string, info fs.FileInfo) (string, error)) manifest {
	t.Helper()
	m := manifest{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		line := info.Mode().String()
		switch {
		case info.Mode().IsRegular():
			line += fmt.Sprintf(" %d", info.Size())
		case info.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line += " " + to
		}
		rest, err := more(path, name, info)
		m[name] = line + rest
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func hash(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}

// mustEqual reports the first files that differ.
func (m manifest) mustEqual(t testing.TB, got manifest) {
	t.Helper()
	bad := 0
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if got[name] != m[name] {
			if bad++; bad <= 10 {
				t.Errorf("%s: is %q, was %q", name, got[name], m[name])
			}
		}
	}
	if bad > 0 || len(got) != len(m) {
		t.Errorf("%d of %d files differ; there are %d now", bad, len(m), len(got))
	}
}

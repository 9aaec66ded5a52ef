package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/pkg/xattr"
)

// The extended attributes of a copy that sync has to do with.
const (
	incompleteAttr = "user.migimg.incomplete"
	t0Attr         = "user.migimg.t0"
)

// marker marks a copy that is being written to, on stable storage: by an extended
// attribute, or by a file beside it where there are none (a block device, FAT). A
// copy behind an NBD address, the marker's zero value, is not marked.
type marker struct{ path string }

func (m marker) beside() string { return m.path + ".migimg-incomplete" }

// synced says whether the copy may have been written to since it was made: it is
// marked, or has a T0 of its own.
func (m marker) synced() bool {
	if m.path == "" || m.incomplete() {
		return true // or nobody knows
	}
	_, err := xattr.Get(m.path, t0Attr)
	return !errors.Is(err, xattr.ENOATTR)
}

// moment is what a sync brought the copy to, in RFC 3339; empty where none did.
func (m marker) moment() string {
	b, _ := xattr.Get(m.path, t0Attr)
	return string(b)
}

// incomplete says whether a sync of the copy was interrupted, or is under way.
func (m marker) incomplete() bool {
	if _, err := os.Lstat(m.beside()); err == nil {
		return true
	}
	_, err := xattr.Get(m.path, incompleteAttr)
	return err == nil
}

func (m marker) begin() error {
	if m.path == "" {
		return nil
	}
	text := []byte("migimg sync was begun at " + time.Now().Format(time.RFC3339) + " and has not been completed")
	if err := xattr.Set(m.path, incompleteAttr, text); err != nil {
		if e := os.WriteFile(m.beside(), append(text, '\n'), 0o600); e != nil {
			return fmt.Errorf("%w, and no file beside it: %w", err, e)
		}
		return syncFile(m.beside())
	}
	return syncFile(m.path)
}

// done takes the mark away: the copy is that of t0.
func (m marker) done(t0 time.Time) error {
	if m.path == "" {
		return nil
	}
	if err := os.Remove(m.beside()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// Where there are no attributes there is nothing to be taken away.
	_ = xattr.Set(m.path, t0Attr, []byte(t0.UTC().Format(time.RFC3339Nano)))
	if _, err := xattr.Get(m.path, incompleteAttr); err != nil {
		return nil
	}
	if err := xattr.Remove(m.path, incompleteAttr); err != nil {
		return err
	}
	return syncFile(m.path)
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

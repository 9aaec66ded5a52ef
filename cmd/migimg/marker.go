package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/pkg/xattr"
)

// The extended attributes of a copy that sync and export have to do with.
const (
	incompleteAttr = "user.migimg.incomplete"
	t0Attr         = "user.migimg.t0"
	reachedAttr    = "user.migimg.exported"
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

// incomplete says whether the writing of the copy was interrupted, or is under way.
func (m marker) incomplete() bool {
	if _, err := os.Lstat(m.beside()); err == nil {
		return true
	}
	_, err := xattr.Get(m.path, incompleteAttr)
	return err == nil
}

// begin marks a copy that verb ("sync") writes to.
func (m marker) begin(verb string) error {
	if m.path == "" {
		return nil
	}
	text := []byte("migimg " + verb + " was begun at " + time.Now().Format(time.RFC3339) + " and has not been completed")
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
	// Where there are no attributes there is nothing to be taken away.
	_ = xattr.Set(m.path, t0Attr, []byte(t0.UTC().Format(time.RFC3339Nano)))
	return m.clear()
}

// clear takes the mark away.
func (m marker) clear() error {
	if err := os.Remove(m.beside()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_ = xattr.Remove(m.path, reachedAttr)
	if _, err := xattr.Get(m.path, incompleteAttr); err != nil {
		return nil
	}
	if err := xattr.Remove(m.path, incompleteAttr); err != nil {
		return err
	}
	return syncFile(m.path)
}

// reached keeps how far a file of the plan with this digest has been written, in bytes;
// all of that is on stable storage.
func (m marker) reached(digest string, off int64) error {
	return xattr.Set(m.path, reachedAttr, fmt.Appendf(nil, "%s %d", digest, off))
}

// resumed is what reached kept.
func (m marker) resumed() (digest string, off int64, err error) {
	b, err := xattr.Get(m.path, reachedAttr)
	if err != nil {
		return "", 0, fmt.Errorf("%s: how far it was written is not known: %w", m.path, err)
	}
	_, err = fmt.Sscanf(string(b), "%s %d", &digest, &off)
	return digest, off, err
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

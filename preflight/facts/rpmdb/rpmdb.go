// Package rpmdb reads the names and versions of the packages in RPM's database
// of installed packages, in the three forms it has had: a hash table of Berkeley
// DB (Packages, until 2020), SUSE's NDB (Packages.db) and SQLite (rpmdb.sqlite).
//
// The database may be hostile: nothing is allocated by a size that the file
// only claims, every chain of pages is bounded, and all reading together is
// bounded by a small multiple of the file's size. There is no cursor, no lock
// and no writing: a database that changes meanwhile gives an error, or the
// packages of one of the two moments.
//
// Go-rpmdb is not used: it indexes a page's bytes unchecked in a goroutine of
// its own, where nobody can catch the panic, goes round for ever in a chain with
// a page of another kind, and takes SQLite in with a translated C library.
package rpmdb

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// MaxSize bounds a database, in bytes. That of a server with 3,000 packages has
// about 200 MB.
const MaxSize = 1 << 30

const (
	maxPackages = 100_000
	maxHeader   = 64 << 20 // of one package, in bytes; lib/header.c has 256 MiB
)

// ErrFormat says that the file is none of the three.
var ErrFormat = errors.New("no database of RPM that is known")

// Package is an installed package.
type Package struct {
	// Name and Arch are as rpm prints them; Version is [EPOCH:]VERSION-RELEASE.
	Name, Version, Arch string
	// Vendor is who built it; it may be empty.
	Vendor string
}

// File is a database, or the write-ahead log beside it.
type File struct {
	io.ReaderAt
	// Size is in bytes.
	Size int64
}

// Read returns the packages in the order of the file, and the format: "bdb",
// "ndb" or "sqlite". wal is SQLite's log, nil where there is none. With an error
// the packages are those that were read before it: some of them, not all.
func Read(ctx context.Context, db File, wal *File) (list []Package, format string, err error) {
	if db.Size > MaxSize {
		return nil, "", fmt.Errorf("rpmdb: %d bytes are more than is read (%d)", db.Size, int64(MaxSize))
	}
	r := &reader{ctx: ctx, r: db.ReaderAt, size: db.Size, left: 3*db.Size + 16<<20}
	head := make([]byte, min(512, db.Size))
	if err := r.full(head, 0); err != nil {
		return nil, "", fmt.Errorf("rpmdb: %w", err)
	}
	c := &collector{}
	switch {
	case isSQLite(head):
		format, err = "sqlite", readSQLite(r, wal, c.add)
	case isNDB(head):
		format, err = "ndb", readNDB(r, head, c.add)
	case bdbOrder(head) != nil:
		format, err = "bdb", readBDB(r, head, c.add)
	default:
		return nil, "", fmt.Errorf("rpmdb: %w", ErrFormat)
	}
	if err == nil {
		err = c.bad
	}
	if err != nil {
		err = fmt.Errorf("rpmdb: %s: %w", format, err)
	}
	return c.list, format, err
}

// collector keeps the packages and the first that could not be read.
type collector struct {
	list []Package
	bad  error
}

// add takes a header. Its error ends the reading; a broken header does not.
func (c *collector) add(b blob) error {
	p, err := parseHeader(b)
	switch {
	case err == nil && len(c.list) == maxPackages:
		return fmt.Errorf("more than %d packages", maxPackages)
	case err == nil:
		c.list = append(c.list, p)
	case errors.Is(err, errBudget) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	case c.bad == nil:
		c.bad = err
	}
	return nil
}

// blob is a header as it lies in a database; read returns its first n bytes, or
// all of it if it is shorter.
type blob struct {
	size int64
	read func(n int64) ([]byte, error)
}

var errBudget = errors.New("its parts refer to each other again and again")

// reader bounds what is read of a file in all.
type reader struct {
	ctx  context.Context
	r    io.ReaderAt
	size int64
	left int64
}

// full fills p from off.
func (r *reader) full(p []byte, off int64) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if off < 0 || off > r.size-int64(len(p)) {
		return fmt.Errorf("%d bytes at %d of %d: %w", len(p), off, r.size, io.ErrUnexpectedEOF)
	}
	if r.left -= int64(len(p)); r.left < 0 {
		return errBudget
	}
	n, err := r.r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%d bytes at %d: %w", len(p), off, err)
}

var le, be = binary.LittleEndian, binary.BigEndian

package facts

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"

	"migimg/preflight/facts/rpmdb"
)

// rpmDirs are where RPM's database is: of old, of SUSE and Fedora since 36, of
// ostree. The first two are mostly one, by a link.
var rpmDirs = []string{"usr/lib/sysimage/rpm", "var/lib/rpm", "usr/share/rpm"}

// rpmFiles are its forms, the newest first: what a conversion left behind is
// not looked at.
var rpmFiles = []string{"rpmdb.sqlite", "Packages.db", "Packages"}

// rpm reads RPM's database. The error is that of the context.
func (g *gatherer) rpm(ctx context.Context) error {
	for _, dir := range rpmDirs {
		for _, file := range rpmFiles {
			name := path.Join(dir, file)
			f, size, err := g.openAt(name)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			d := PackageDB{Manager: "rpm", Path: "/" + name}
			if err != nil {
				g.database(d, nil, err)
				return nil
			}
			list, format, err := g.readRPM(ctx, rpmdb.File{ReaderAt: f, Size: size}, name)
			_ = f.Close()
			if ctx.Err() != nil {
				return ctx.Err()
			}
			d.Format = format
			g.database(d, list, err)
			return nil
		}
	}
	return nil
}

func (g *gatherer) readRPM(ctx context.Context, db rpmdb.File, name string) ([]Package, string, error) {
	var log *rpmdb.File
	f, size, err := g.openAt(name + "-wal")
	switch {
	case err == nil:
		defer func() { _ = f.Close() }() // nothing was written
		log = &rpmdb.File{ReaderAt: f, Size: size}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, "", err
	}
	found, format, err := rpmdb.Read(ctx, db, log)
	list := make([]Package, len(found))
	for i, p := range found {
		list[i] = Package{Name: p.Name, Version: p.Version, Arch: p.Arch, Vendor: p.Vendor}
	}
	return list, format, err
}

// openFile is a file of the guest with random access.
type openFile interface {
	io.ReaderAt
	io.Closer
}

// openAt opens a file for random access, and tells its size.
func (g *gatherer) openAt(name string) (openFile, int64, error) {
	f, err := g.fs.Open(name)
	if err != nil {
		return nil, 0, err
	}
	fi, err := f.Stat()
	r, ok := f.(openFile)
	if err == nil && !ok {
		err = &fs.PathError{Op: "open", Path: name, Err: errors.New("no random access")}
	}
	if err != nil {
		_ = f.Close()
		return nil, 0, err
	}
	return r, fi.Size(), nil
}

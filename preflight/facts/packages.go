package facts

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"
)

// Packages is what the guest's package managers have on record.
type Packages struct {
	// Databases are those that were found, List the packages of all of them.
	Databases []PackageDB
	List      []Package
}

// PackageDB is a database of installed packages.
type PackageDB struct {
	// Manager is "dpkg", "rpm", "apk" or "pacman"; Format says more where there
	// are several ("bdb", "ndb", "sqlite"). Path is the guest's.
	Manager, Format, Path string
	Count                 int
	// Err is why it was not read, or not to its end.
	Err string
}

// Package is an installed package.
type Package struct {
	Name, Version, Arch, Vendor, Manager string
	// Broken is dpkg's state for a package that is not wholly installed
	// ("half-configured"), or what the database lacks; empty for a good one.
	Broken string
}

// Find returns the packages whose name fits one of the patterns (path.Match).
func (p *Packages) Find(patterns ...string) (found []Package) {
	for _, x := range p.List {
		for _, pat := range patterns {
			if ok, err := path.Match(pat, x.Name); err == nil && ok {
				found = append(found, x)
				break
			}
		}
	}
	return found
}

// Incomplete is why a package that was not found may be there after all; empty
// where all databases were read.
func (p *Packages) Incomplete() string {
	for _, d := range p.Databases {
		if d.Err != "" {
			return d.Path + ": " + d.Err
		}
	}
	return ""
}

// maxPackageDB bounds a database that is a text, in bytes; that of rpm has its
// own bound. maxPackageList bounds the packages of one database.
const (
	maxPackageDB   = 128 << 20
	maxPackageList = 100_000
)

func (g *gatherer) packages(ctx context.Context) error {
	if err := g.unreadableAt("var", "var/lib", "usr", "usr/lib"); err != nil {
		g.f.SetAbsent(KeyPackages, Absence{Reason: err.Error()})
		return nil
	}
	g.dpkg()
	g.apk()
	g.pacman()
	if err := g.rpm(ctx); err != nil {
		return err
	}
	p := &g.f.Packages
	if len(p.Databases) == 0 {
		g.f.SetAbsent(KeyPackages, Absence{NotApplicable: true, Reason: "no database of dpkg, rpm, apk or pacman"})
	}
	return nil
}

// database adds a database with its packages.
func (g *gatherer) database(d PackageDB, list []Package, err error) {
	d.Count = len(list)
	if err != nil {
		d.Err = err.Error()
	}
	for i := range list {
		list[i].Manager = d.Manager
	}
	p := &g.f.Packages
	p.Databases = append(p.Databases, d)
	p.List = append(p.List, list...)
}

// textDatabase opens a database that is a text; ok is false where there is none.
func (g *gatherer) textDatabase(name string) (r io.ReadCloser, err error, ok bool) {
	f, err := g.fs.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, false
	case err != nil:
		return nil, err, true
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(f, maxPackageDB), f}, nil, true
}

// pacman's database is a folder a package, named NAME-VERSION-RELEASE, with a
// file desc in it (alpm, lib/libalpm/be_local.c).
func (g *gatherer) pacman() {
	const dir = "var/lib/pacman/local"
	entries, err := g.fs.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var list []Package
	for _, e := range entries {
		if len(list) == maxPackageList {
			err = errTooMany
			break
		}
		name, version, ok := splitPacman(e.Name())
		if !ok {
			continue // ALPM_DB_VERSION
		}
		p := Package{Name: name, Version: version}
		if _, err := g.fs.Lstat(path.Join(dir, e.Name(), "desc")); errors.Is(err, fs.ErrNotExist) {
			p.Broken = "no desc"
		}
		list = append(list, p)
	}
	g.database(PackageDB{Manager: "pacman", Path: "/" + dir}, list, err)
}

var errTooMany = errors.New("more packages than are read")

// splitPacman parts NAME-VERSION-RELEASE, whose name may have dashes.
func splitPacman(s string) (name, version string, ok bool) {
	i := strings.LastIndexByte(s, '-')
	if i < 1 {
		return "", "", false
	}
	k := strings.LastIndexByte(s[:i], '-')
	if k < 1 || k+1 == i || i+1 == len(s) {
		return "", "", false
	}
	return s[:k], s[k+1:], true
}

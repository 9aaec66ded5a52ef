package facts

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// dpkg's database: /var/lib/dpkg/status, and for images without dpkg itself a
// file a package in status.d (distroless).
func (g *gatherer) dpkg() {
	const status = "var/lib/dpkg/status"
	if r, err, ok := g.textDatabase(status); ok {
		var list []Package
		if err == nil {
			list, err = ParseDpkgStatus(r)
			_ = r.Close()
		}
		g.database(PackageDB{Manager: "dpkg", Path: "/" + status}, list, err)
	}
	const dir = "var/lib/dpkg/status.d"
	entries, err := g.fs.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var list []Package
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".md5sums") {
			continue
		}
		if len(list) >= maxPackageList {
			err = errTooMany
			break
		}
		r, err2, ok := g.textDatabase(path.Join(dir, e.Name()))
		if !ok {
			continue
		}
		var one []Package
		if err2 == nil {
			one, err2 = parseDpkg(r, true)
			_ = r.Close()
		}
		if err == nil {
			err = err2
		}
		list = append(list, one...)
	}
	g.database(PackageDB{Manager: "dpkg", Format: "status.d", Path: "/" + dir}, list, err)
}

// ParseDpkgStatus reads dpkg's status file (dpkg(1), deb-control(5)): the
// packages that are installed, whole or not. Removed ones of which only the
// configuration is left are passed over. With an error the list is a part.
func ParseDpkgStatus(r io.Reader) ([]Package, error) { return parseDpkg(r, false) }

// parseDpkg is ParseDpkgStatus; implied says that a paragraph without a Status
// is of an installed package.
func parseDpkg(r io.Reader, implied bool) (list []Package, err error) {
	err = paragraphs(r, func(f map[string]string) error {
		if f["Package"] == "" {
			return errors.New("a paragraph without a name")
		}
		p := Package{Name: f["Package"], Version: f["Version"], Arch: f["Architecture"]}
		s := strings.Fields(f["Status"])
		switch {
		case len(s) == 0 && implied:
		case len(s) != 3:
			return errors.New(p.Name + ": no status")
		case s[2] == "config-files" || s[2] == "not-installed":
			return nil
		case s[1] != "ok":
			p.Broken = s[1]
		case s[2] != "installed":
			p.Broken = s[2]
		}
		if len(list) == maxPackageList {
			return errTooMany
		}
		list = append(list, p)
		return nil
	}, ":", "Package", "Status", "Version", "Architecture")
	return list, err
}

// apk's database is one file, which was in /lib until Alpine 3.23.
func (g *gatherer) apk() {
	for _, name := range []string{"usr/lib/apk/db/installed", "lib/apk/db/installed"} {
		r, err, ok := g.textDatabase(name)
		if !ok {
			continue
		}
		var list []Package
		if err == nil {
			list, err = ParseApkInstalled(r)
			_ = r.Close()
		}
		g.database(PackageDB{Manager: "apk", Path: "/" + name}, list, err)
		return
	}
}

// ParseApkInstalled reads apk's database of installed packages (apk-tools,
// doc/apk-package.5 and src/database.c: P name, V version, A architecture, f
// marks a broken one). With an error the list is a part.
func ParseApkInstalled(r io.Reader) (list []Package, err error) {
	err = paragraphs(r, func(f map[string]string) error {
		if f["P"] == "" || f["V"] == "" {
			return errors.New("a paragraph without a name or version")
		}
		if len(list) == maxPackageList {
			return errTooMany
		}
		list = append(list, Package{Name: f["P"], Version: f["V"], Arch: f["A"], Broken: map[bool]string{true: "broken"}[strings.ContainsAny(f["f"], "fsx")]})
		return nil
	}, ":", "P", "V", "A", "f")
	return list, err
}

// paragraphs calls f with the wanted fields of each paragraph of a text whose
// lines are NAME sep VALUE; lines that begin with a blank continue a field and
// are passed over. The first field of a name counts.
func paragraphs(r io.Reader, f func(map[string]string) error, sep string, want ...string) error {
	in := bufio.NewReaderSize(r, 64<<10)
	fields := map[string]string{}
	flush := func() error {
		if len(fields) == 0 {
			return nil
		}
		err := f(fields)
		fields = map[string]string{}
		return err
	}
	read := int64(0)
	for {
		line, err := in.ReadSlice('\n')
		read += int64(len(line))
		text := strings.TrimRight(string(line), "\r\n")
		k, v, ok := strings.Cut(text, sep)
		switch {
		case text == "" && err == nil:
			if err := flush(); err != nil {
				return err
			}
		case ok && slices.Contains(want, k):
			if _, twice := fields[k]; !twice {
				fields[k] = strings.TrimSpace(v)
			}
		}
		for errors.Is(err, bufio.ErrBufferFull) { // a long line: its beginning was enough
			line, err = in.ReadSlice('\n')
			read += int64(len(line))
		}
		switch {
		case errors.Is(err, io.EOF):
			if read >= maxPackageDB {
				return errors.New("the file is larger than is read")
			}
			return flush()
		case err != nil:
			return errors.Join(flush(), err)
		}
	}
}

// exist says whether a name is in the guest, without following the last link.
func (g *gatherer) exist(name string) (bool, error) {
	_, err := g.fs.Lstat(name)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	}
	return false, err
}

//go:build integration

package rpmdb

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"migimg/internal/need"
)

// Databases that rpm and libdb write, and what rpm lists of them. Debian's rpm
// has no NDB: that form is tested with databases made by hand only.
func TestOracle(t *testing.T) {
	need.Root(t)
	need.Tool(t, "rpm", "rpmbuild", "sqlite3", "db_load")
	dir := t.TempDir()
	packages := build(t, dir)
	t.Run("sqlite", func(t *testing.T) {
		db := filepath.Join(dir, "sqlite")
		rpm(t, db, "sqlite", append([]string{"-i", "--justdb", "--nodeps", "--ignorearch"}, packages...)...)
		rpm(t, db, "sqlite", "-e", "--justdb", "--nodeps", "small-3")
		same(t, filepath.Join(db, "rpmdb.sqlite"), "sqlite", listed(t, db, "sqlite"))
	})
	t.Run("bdb", func(t *testing.T) {
		db := filepath.Join(dir, "sqlite")
		for _, page := range []string{"4096", "512", "16384"} {
			file := filepath.Join(dir, "Packages."+page)
			load(t, filepath.Join(db, "rpmdb.sqlite"), file, page)
			same(t, file, "bdb", listed(t, db, "sqlite"))
		}
	})
	t.Run("sqlite with a log", func(t *testing.T) {
		db := filepath.Join(dir, "sqlite")
		want := listed(t, db, "sqlite")
		copyOf := filepath.Join(dir, "log.sqlite")
		// sqlite3 keeps the log while it runs: the copies are made from within.
		out, err := exec.Command("sqlite3", filepath.Join(db, "rpmdb.sqlite"), "PRAGMA journal_mode=WAL", "PRAGMA wal_autocheckpoint=0",
			"DELETE FROM Packages WHERE hnum=(SELECT max(hnum) FROM Packages)", "UPDATE Packages SET blob=blob", ".shell cp "+filepath.Join(db, "rpmdb.sqlite")+" "+copyOf, ".shell cp "+filepath.Join(db, "rpmdb.sqlite-wal")+" "+copyOf+"-wal").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if fi, err := os.Stat(copyOf + "-wal"); err != nil || fi.Size() == 0 {
			t.Fatalf("no log: %v", err)
		}
		got, _ := list(t, copyOf, "sqlite")
		if len(got) != len(want)-1 {
			t.Errorf("%d packages, want %d", len(got), len(want)-1)
		}
	})
}

// build makes packages of several sizes: one with a few thousand files, so that
// its header is long.
func build(t *testing.T, dir string) (files []string) {
	t.Helper()
	spec := func(name, epoch, arch, install string) string {
		return fmt.Sprintf("Name: %s\nVersion: 1.2\nRelease: 3.el9\n%sSummary: s\nLicense: x\nVendor: somebody\n%s\n%%description\nx\n%%install\nmkdir -p %%{buildroot}/opt\ncd %%{buildroot}/opt\n%s\n%%files\n/opt\n", name, epoch, arch, install)
	}
	specs := map[string]string{
		"large":   spec("large", "Epoch: 7\n", "BuildArch: noarch", "i=0; while [ $i -lt 4000 ]; do echo x >a-file-with-a-long-name-$i; i=$((i+1)); done"),
		"medium":  spec("medium", "", "", "for i in $(seq 200); do echo x >file-$i; done"),
		"small-1": spec("small-1", "", "", "touch a"), "small-2": spec("small-2", "Epoch: 0\n", "", "touch b"), "small-3": spec("small-3", "", "", "touch c"),
	}
	for name, text := range specs {
		file := filepath.Join(dir, name+".spec")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		run(t, "rpmbuild", "-bb", "--quiet", "--define", "_topdir "+dir, "--define", "_rpmdir "+dir+"/out", "--define", "__os_install_post %{nil}", "--define", "debug_package %{nil}", file)
	}
	files, err := filepath.Glob(filepath.Join(dir, "out/*/*.rpm"))
	if err != nil || len(files) != len(specs) {
		t.Fatalf("%d packages: %v", len(files), err)
	}
	return files
}

func run(t *testing.T, argv ...string) string {
	t.Helper()
	c := exec.Command(argv[0], argv[1:]...)
	var out, diag bytes.Buffer
	c.Stdout, c.Stderr = &out, &diag
	if err := c.Run(); err != nil {
		t.Fatalf("%v: %v: %s", argv, err, diag.String())
	}
	return out.String()
}

func rpm(t *testing.T, db, backend string, args ...string) string {
	t.Helper()
	return run(t, append([]string{"rpm", "--dbpath", db, "--define", "_db_backend " + backend}, args...)...)
}

// listed is what rpm says.
func listed(t *testing.T, db, backend string) []string {
	t.Helper()
	l := strings.Fields(strings.ReplaceAll(rpm(t, db, backend, "-qa", "--qf", `%{NAME}|%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}|%{ARCH}|%{VENDOR}\n`), "|%|", "|"))
	slices.Sort(l)
	return l
}

func list(t *testing.T, name, format string) ([]string, int64) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	var log *File
	if w, err := os.Open(name + "-wal"); err == nil {
		defer w.Close()
		if wi, err := w.Stat(); err == nil {
			log = &File{w, wi.Size()}
		}
	}
	got, found, err := Read(context.Background(), File{f, fi.Size()}, log)
	if err != nil || found != format {
		t.Fatalf("%s: %s %v", name, found, err)
	}
	var l []string
	for _, p := range got {
		l = append(l, p.Name+"|"+p.Version+"|"+p.Arch+"|"+p.Vendor)
	}
	slices.Sort(l)
	return l, fi.Size()
}

func same(t *testing.T, name, format string, want []string) {
	t.Helper()
	got, size := list(t, name, format)
	if len(want) < 4 || !slices.Equal(got, want) {
		t.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	t.Logf("%s: %d packages in %d bytes agree with rpm", format, len(got), size)
}

// load makes a hash database of the headers in an SQLite one, with libdb's own
// db_load.
func load(t *testing.T, from, to, page string) {
	t.Helper()
	rows := strings.Fields(run(t, "sqlite3", from, "SELECT hnum || '|' || hex(blob) FROM Packages"))
	var b strings.Builder
	b.WriteString("VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize=" + page + "\nHEADER=END\n 00000000\n ffff0000\n")
	for _, r := range rows {
		n, blob, _ := strings.Cut(r, "|")
		key := 0
		if _, err := fmt.Sscan(n, &key); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, " %s\n %s\n", hex.EncodeToString(le.AppendUint32(nil, uint32(key))), strings.ToLower(blob))
	}
	b.WriteString("DATA=END\n")
	c := exec.Command("db_load", to)
	c.Stdin = strings.NewReader(b.String())
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("db_load: %v: %s", err, out)
	}
}

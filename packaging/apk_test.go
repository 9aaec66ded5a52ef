//go:build integration && dist

package packaging

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

// testAPK reads the package as apk-tools does, which is not to be had on Debian: two gzip
// streams one after the other, the control files and the data; the control names the
// data's SHA-256, and each file of the data its own SHA-1 (apk-package(5)).
func testAPK(t *testing.T, path string) {
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	in := bytes.NewReader(b)
	control := member(t, in)
	data := b[len(b)-in.Len():]
	info := map[string]string{}
	for line := range strings.Lines(string(control[".PKGINFO"].body)) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), " = "); ok {
			info[k] = v
		}
	}
	sum := sha256.Sum256(data)
	for k, want := range map[string]string{"pkgname": "migimg", "arch": "x86_64", "datahash": hex.EncodeToString(sum[:]), "license": "Apache-2.0"} {
		if info[k] != want {
			t.Errorf("%s is %q, want %q", k, info[k], want)
		}
	}
	// Alpine's versions: digits with dots, suffixes such as _rc1 or _git20261127, -r and a number.
	if v := info["pkgver"]; strings.ContainsAny(v, "+~") || !strings.HasSuffix(v, "-r0") {
		t.Errorf("pkgver is %q", v)
	}
	for _, script := range []string{".post-install", ".pre-deinstall", ".post-deinstall"} {
		if control[script].body == nil {
			t.Errorf("no %s", script)
		}
	}
	files := member(t, in)
	if in.Len() > 0 {
		t.Errorf("%d bytes follow the data", in.Len())
	}
	for name, f := range files {
		if f.header.Typeflag != tar.TypeReg {
			continue
		}
		sum := sha1.Sum(f.body)
		if got := f.header.PAXRecords["APK-TOOLS.checksum.SHA1"]; got != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: SHA-1 %s, its bytes have %x", name, got, sum)
		}
	}
	if f := files["usr/bin/migimg"]; f.header == nil || f.header.Mode&0o777 != 0o755 {
		t.Error("no program, or not executable")
	}
	if f := files["sbin/mount.migimg"]; f.header == nil || f.header.Linkname != "../usr/bin/migimg" {
		t.Error("no /sbin/mount.migimg, or it leads elsewhere")
	}
}

type entry struct {
	header *tar.Header
	body   []byte
}

// member reads one gzip stream with a tar archive in it, and not a byte more.
func member(t *testing.T, r interface {
	io.Reader
	io.ByteReader
}) map[string]entry {
	t.Helper()
	z, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	z.Multistream(false)
	all, err := io.ReadAll(bufio.NewReader(z))
	if err != nil {
		t.Fatal(err)
	}
	entries := map[string]entry{}
	for a := tar.NewReader(bytes.NewReader(all)); ; {
		h, err := a.Next()
		// The control's archive has no end: apk reads both as one.
		if errors.Is(err, io.EOF) {
			return entries
		} else if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(a)
		if err != nil {
			t.Fatal(err)
		}
		entries[strings.TrimSuffix(h.Name, "/")] = entry{h, body}
	}
}

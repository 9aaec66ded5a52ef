package ova

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"io"
	"regexp"
	"strings"

	"migimg/verify/decoder"
	"migimg/verify/tar"
)

// manifestLine is a line of a manifest (DSP0243, "Manifest file"). Some importers know
// no blank before the bracket.
var manifestLine = regexp.MustCompile(`^(SHA1|SHA256|SHA512)( ?)\(([^()]+)\)= ([0-9a-f]+)$`)

var digests = map[string]func() hash.Hash{"SHA1": sha1.New, "SHA256": sha256.New, "SHA512": sha512.New}

// hashSize is how much is read at a time, in bytes.
const hashSize = 1 << 20

// checkManifest checks the sums of a manifest, which reads all members that it names.
// m is the manifest, covered all that must be in it.
func checkManifest(ctx context.Context, f decoder.File, m tar.Member, members []tar.Member, covered func(string) bool, ps *decoder.Problems) error {
	b, err := f.Bytes(m.Off, m.Stored)
	if err != nil {
		ps.Err(m.Off, "ova: manifest", err)
		return nil
	}
	text := string(b)
	if !strings.HasSuffix(text, "\n") {
		ps.Warnf(m.Off+m.Stored, "ova: manifest: the last line does not end")
	}
	seen := map[string]bool{}
	at := m.Off
	for line := range strings.Lines(text) {
		here := at
		at += int64(len(line))
		x := manifestLine.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if x == nil {
			ps.Failf(here, "ova: manifest: line %.100q", line)
			continue
		}
		if x[2] != "" {
			ps.Warnf(here, "ova: manifest: a blank before the bracket, which some importers do not read")
		}
		if seen[x[3]] {
			ps.Failf(here, "ova: manifest: %.80q is there twice", x[3])
			continue
		}
		seen[x[3]] = true
		found := false
		for _, o := range members {
			if o.Name == x[3] {
				found = true
				if err := checkSum(ctx, f, o, x[1], x[4], here, ps); err != nil {
					return err
				}
			}
		}
		if !found {
			ps.Failf(here, "ova: manifest: there is no %.80q", x[3])
		}
	}
	for _, o := range members {
		if covered(o.Name) && !seen[o.Name] {
			ps.Failf(m.Off, "ova: manifest: %.80q is not in it", o.Name)
		}
	}
	return nil
}

// checkSum reads a member.
func checkSum(ctx context.Context, f decoder.File, m tar.Member, kind, want string, at int64, ps *decoder.Problems) error {
	h := digests[kind]()
	buf := make([]byte, min(hashSize, m.Stored))
	for off := int64(0); off < m.Stored; {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := buf[:min(int64(len(buf)), m.Stored-off)]
		if _, err := f.ReadAt(p, m.Off+off); err != nil && err != io.EOF {
			ps.Err(m.Off+off, "ova: "+m.Name, err)
			return nil
		}
		_, _ = h.Write(p) // a hash never fails
		off += int64(len(p))
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		ps.Failf(at, "ova: the %s of %s is %s, the manifest says %.128s", kind, m.Name, got, want)
	}
	return nil
}

//go:build integration

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"migimg/encoders"
	formats "migimg/encoders/all"
	"migimg/encoders/layout"
	"migimg/internal/need"
	"migimg/verify"
	"migimg/verify/manifest"
)

// mutations is how many bits are flipped in an image; other mutations are made a fifth
// as often. `make mutations` makes a thousand.
func mutations(t *testing.T) int {
	n, err := strconv.Atoi(or(os.Getenv("MIGIMG_MUTATIONS"), "20"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// subject is an image that is mutated.
type subject struct {
	name, format string // verify's
	data         []byte
	meta         []layout.Span // that do not come from the disk
	proof        *verify.Proof
	path         string // where a mutated one is, for other programs
	whole        string // the one that is not

	others map[string]map[string]int // mutation -> program -> found
	made   map[string]int
}

// TestMutations: whatever is done to a copy of an image, verify finds it, or it makes no
// difference to what another program reads; and nothing is found in what was not touched.
func TestMutations(t *testing.T) {
	need.Root(t)
	need.Tool(t, "qemu-img")
	n := mutations(t)
	d := testDisk{"mutated", []string{"-t", "ext4", "-b", "4096"}, 2048, func(t testing.TB, dir string) {
		rng := rand.NewChaCha8([32]byte{9})
		for i := range 60 {
			writeFile(t, filepath.Join(dir, fmt.Sprintf("f%d", i)), int(rng.Uint64()%100000)+1, rng)
		}
	}}
	path, _ := d.make(t)
	later := filepath.Join(tempDir(t), "later")
	run(t, "cp", path, later)
	part := loop(t, later, "-o", fmt.Sprint(d.start*512), "--sizelimit", fmt.Sprint(fsSize))
	point, umount := mountFS(t, part, "rw")
	writeFile(t, filepath.Join(point, "f7"), 5000, rand.NewChaCha8([32]byte{8}))
	umount()

	for _, e := range formats.Formats() {
		if strings.HasPrefix(e.Name(), "vmdk-flat") {
			continue // a text beside a raw disk
		}
		t.Run(e.Name(), func(t *testing.T) {
			t.Parallel()
			s := newSubject(t, e.Name(), path)
			rng := rand.New(rand.NewPCG(uint64(n), 1))
			for range max(n/5, 2) {
				s.intact(t)
				s.mutate(t, "stale", func([]byte) []byte { return s.stale(t, later) })
				s.mutate(t, "garbage", func(b []byte) []byte {
					more := make([]byte, 1+rng.IntN(100000))
					for i := range more {
						more[i] = byte(rng.Uint32())
					}
					return append(b, more...)
				})
				s.mutate(t, "cut", func(b []byte) []byte { return b[:rng.IntN(len(b))] })
				s.mutate(t, "swapped", func(b []byte) []byte { return s.swap(rng, b) })
			}
			for i := range n {
				s.mutate(t, "bit", func(b []byte) []byte {
					b[s.place(rng, i)] ^= 1 << rng.IntN(8)
					return b
				})
			}
			s.report(t)
		})
	}
}

func newSubject(t *testing.T, format, disk string) *subject {
	t.Helper()
	dir := tempDir(t)
	s := &subject{name: format, whole: filepath.Join(dir, "image."+format), path: filepath.Join(dir, "mutated", "disk."+format), others: map[string]map[string]int{}, made: map[string]int{}}
	if err := os.Mkdir(filepath.Dir(s.path), 0o700); err != nil {
		t.Fatal(err)
	}
	run(t, program, "export", "--image-format", format, "--manifest", s.whole+".json", disk, s.whole)
	s.data = contents(t, s.whole)
	m, err := manifest.Read(bytes.NewReader(contents(t, s.whole+".json")))
	if err != nil {
		t.Fatal(err)
	}
	s.proof = &verify.Proof{Manifest: m, File: &m.Files[0]}
	s.format = fileStatus{QemuFormat: m.Files[0].QemuFormat, Format: format}.decoder()
	if s.format == "" {
		t.Fatalf("verify does not read %s", format)
	}
	s.meta = s.metadata(t, disk)
	return s
}

// metadata are the ranges of the file that are not the disk's bytes alone.
func (s *subject) metadata(t *testing.T, disk string) (out []layout.Span) {
	t.Helper()
	e, ok := format(s.name)
	if !ok {
		t.Fatal(s.name)
	}
	src, err := open(context.Background(), []string{disk}, sourceOptions{consistency: "auto", clusterSize: 64 << 10, formats: []encoders.Encoder{e}})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	for x := range src.images()[0].Layout.Spans(0, int64(len(s.data))) {
		if x.Kind == layout.Meta {
			out = append(out, x)
		}
	}
	return out
}

// place is where the i-th bit is flipped: anywhere, or, every other time, in metadata.
func (s *subject) place(rng *rand.Rand, i int) int64 {
	if i%2 == 0 || len(s.meta) == 0 {
		return rng.Int64N(int64(len(s.data)))
	}
	r := s.meta[rng.IntN(len(s.meta))]
	return r.Off + rng.Int64N(r.Len)
}

// swap puts two pieces of 64 KiB that differ in each other's place.
func (s *subject) swap(rng *rand.Rand, b []byte) []byte {
	const piece = 64 << 10
	for {
		i, j := rng.IntN(len(b)/piece)*piece, rng.IntN(len(b)/piece)*piece
		x, y := slices.Clone(b[i:i+piece]), slices.Clone(b[j:j+piece])
		if !bytes.Equal(x, y) {
			copy(b[i:], y)
			copy(b[j:], x)
			return b
		}
	}
}

// stale is the same disk as of another moment.
func (s *subject) stale(t *testing.T, disk string) []byte {
	t.Helper()
	to := s.path + ".stale"
	if b, err := os.ReadFile(to); err == nil {
		return b
	}
	run(t, program, "export", "--image-format", s.name, disk, to)
	return contents(t, to)
}

func (s *subject) check(t *testing.T, b []byte) *verify.Report {
	t.Helper()
	r, err := verify.Check(context.Background(), verify.Image{Name: "image." + s.name, Format: s.format, R: bytes.NewReader(b), Size: int64(len(b))}, verify.Options{Proof: s.proof})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (s *subject) intact(t *testing.T) {
	t.Helper()
	if r := s.check(t, s.data); !r.OK() {
		t.Fatalf("the image that was not touched: %s", text(t, r))
	}
}

func text(t *testing.T, r *verify.Report) string {
	t.Helper()
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// mutate changes a copy of the image, and asks verify, and others.
func (s *subject) mutate(t *testing.T, kind string, change func([]byte) []byte) {
	t.Helper()
	b := change(slices.Clone(s.data))
	if bytes.Equal(b, s.data) {
		t.Fatalf("%s: nothing was changed", kind)
	}
	s.made[kind]++
	if s.others[kind] == nil {
		s.others[kind] = map[string]int{}
	}
	found := !s.check(t, b).OK()
	if found {
		s.others[kind]["verify"]++
	}
	full := os.Getenv("MIGIMG_MUTATIONS") != ""
	if !full && found {
		return
	}
	if err := os.WriteFile(s.path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if !found {
		s.others[kind]["slack"]++
		at, in := s.first(b)
		if s.slack(t) {
			t.Logf("%s: makes no difference, at byte %d of %d, in %q", kind, at, len(s.data), in)
		} else {
			t.Errorf("%s: not found, and it makes a difference, at byte %d of %d, in %q", kind, at, len(s.data), in)
		}
	}
	if full {
		s.ask(t, kind)
	}
}

// first is where the image first differs, and what is there.
func (s *subject) first(b []byte) (at int64, in string) {
	for at < int64(min(len(b), len(s.data))) && b[at] == s.data[at] {
		at++
	}
	for _, x := range s.meta {
		if at >= x.Off && at < x.Off+x.Len {
			return at, x.Name
		}
	}
	return at, "data or padding"
}

package verify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"migimg/verify"
	"migimg/verify/manifest"
)

const mib = 1 << 20

// proofDisk is a disk of 40 chunks and a bit, of which half are zeros, and its manifest;
// what is not to be known is not read for it.
func proofDisk(t *testing.T, unread ...int64) ([]byte, *manifest.Manifest) {
	t.Helper()
	data := make([]byte, 40*mib+5*512)
	r := rand.NewChaCha8([32]byte{5})
	for k := 0; k < len(data); k += 2 * mib {
		_, _ = r.Read(data[k:min(k+mib, len(data))]) // never fails
	}
	rec := manifest.NewRecorder(bytes.NewReader(data), int64(len(data)), func(off, n int64) iter.Seq2[int64, int64] {
		return func(yield func(int64, int64) bool) { yield(off, n) }
	})
	for k := int64(0); k < 41; k++ {
		if !slices.Contains(unread, k) {
			_, _ = rec.ReadAt(make([]byte, mib), k*mib) // the last one ends early
		}
	}
	m := &manifest.Manifest{
		Algorithm: manifest.Algorithm, T0: time.Unix(1e9, 0), Drift: "what was read is T0's but for a file",
		Files: []manifest.File{{Path: "disk.raw", QemuFormat: "raw", Size: int64(len(data))}},
		Disks: []manifest.Disk{{Size: int64(len(data))}},
	}
	m.Disks[0].Fill(rec)
	return data, m
}

// reread is the manifest as people keep it.
func reread(t *testing.T, m *manifest.Manifest) *manifest.Manifest {
	t.Helper()
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if m, err = manifest.Read(bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
	return m
}

func prove(t *testing.T, data []byte, p *verify.Proof) *verify.Report {
	t.Helper()
	p.Manifest = reread(t, p.Manifest)
	r, err := verify.Check(context.Background(), verify.Image{Name: "copy", Format: verify.Raw, R: bytes.NewReader(data), Size: int64(len(data))}, verify.Options{Proof: p})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestProof(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(data []byte) []byte
		want   verify.Status
		says   string // in the report
	}{
		{"intact", func(d []byte) []byte { return d }, verify.Pass, "100 %"},
		{"a bit", func(d []byte) []byte { d[17*mib+12345] ^= 4; return d }, verify.Fail, "disk byte 17825792"},
		{"a bit where zeros were", func(d []byte) []byte { d[mib+7] = 1; return d }, verify.Fail, "disk byte 1048576"},
		{"a bit at the end", func(d []byte) []byte { d[len(d)-1] ^= 1; return d }, verify.Fail, "disk byte 41943040"},
		{"two chunks in each other's place", func(d []byte) []byte {
			return slices.Concat(d[:2*mib], d[4*mib:5*mib], d[3*mib:4*mib], d[2*mib:3*mib], d[5*mib:])
		}, verify.Fail, "disk byte 4194304"},
		{"cut", func(d []byte) []byte { return d[:39*mib] }, verify.Fail, "are missing"},
		{"cut by a sector", func(d []byte) []byte { return d[:len(d)-512] }, verify.Fail, "the last 512 are missing"},
		{"grown", func(d []byte) []byte { return append(d, 'x') }, verify.Fail, "1 were added"},
		{"grown by zeros", func(d []byte) []byte { return append(d, make([]byte, 3*mib)...) }, verify.Pass, "3145728 were added"},
		{"empty", func([]byte) []byte { return nil }, verify.Fail, "are missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			data, m := proofDisk(t)
			r := prove(t, c.change(data), &verify.Proof{Manifest: m})
			if text := table(t, r); r.Verdict != c.want || !strings.Contains(text, c.says) {
				t.Errorf("verdict %s, not %s; the report does not say %q:\n%s", r.Verdict, c.want, c.says, text)
			}
		})
	}
	t.Run("grown copy of a known file", func(t *testing.T) {
		data, m := proofDisk(t)
		if r := prove(t, append(data, make([]byte, 512)...), &verify.Proof{Manifest: m, File: &m.Files[0]}); r.Verdict != verify.Fail {
			t.Errorf("verdict %s:\n%s", r.Verdict, table(t, r))
		}
	})
}

func table(t *testing.T, r *verify.Report) string {
	t.Helper()
	var b strings.Builder
	if err := verify.WriteTable(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestProofUnknown: what has no sum, and what moved, is undecided.
func TestProofUnknown(t *testing.T) {
	data, m := proofDisk(t, 6, 7)
	if r := prove(t, data, &verify.Proof{Manifest: m}); r.Verdict != verify.Unknown || !strings.Contains(table(t, r), "2097152 bytes have no sum") || r.Proven.Bytes != int64(len(data))-2*mib {
		t.Errorf("verdict %s, %+v:\n%s", r.Verdict, r.Proven, table(t, r))
	}
	data, m = proofDisk(t)
	m.Disks[0].SetMoved(func(yield func(int64, int64) bool) { yield(8*mib, mib) })
	if r := prove(t, data, &verify.Proof{Manifest: m}); r.Verdict != verify.Pass {
		t.Errorf("equal where it may differ: verdict %s:\n%s", r.Verdict, table(t, r))
	}
	data[8*mib] ^= 1
	if r := prove(t, data, &verify.Proof{Manifest: m}); r.Verdict != verify.Unknown || !strings.Contains(table(t, r), "but for a file") {
		t.Errorf("different where it may: verdict %s:\n%s", r.Verdict, table(t, r))
	}
	data[8*mib] ^= 1
	data[10*mib] ^= 1
	if r := prove(t, data, &verify.Proof{Manifest: m}); r.Verdict != verify.Fail {
		t.Errorf("different where it may not: verdict %s:\n%s", r.Verdict, table(t, r))
	}
}

// TestSample: a sample says how much it was, finds its share, and always looks at both
// ends.
func TestSample(t *testing.T) {
	data, m := proofDisk(t)
	found := 0
	for i := range 40 {
		bad := &data[2*mib*(1+i%19)]
		*bad ^= 1
		r := prove(t, data, &verify.Proof{Manifest: m, Sample: 0.25})
		if r.Verdict == verify.Fail {
			found++
		} else if n := r.Proven.Bytes / mib; r.Verdict != verify.Pass || n < 9 || n > 12 {
			t.Errorf("verdict %s, %d of 41 chunks for a sample of a quarter", r.Verdict, n)
		}
		*bad ^= 1
	}
	if found < 2 || found > 25 {
		t.Errorf("a sample of a quarter found one bad chunk %d times of 40", found)
	}
	data[len(data)-1] ^= 1
	if r := prove(t, data, &verify.Proof{Manifest: m, Sample: 0.03}); r.Verdict != verify.Fail {
		t.Error("the last chunk was not looked at")
	}
	data[len(data)-1] ^= 1
	if r := prove(t, data, &verify.Proof{Manifest: m, MaxDuration: time.Nanosecond}); r.Verdict != verify.Pass || r.Proven.Bytes == int64(len(data)) || !strings.Contains(table(t, r), "stopped after 1ns") {
		t.Errorf("no time at all: %s", table(t, r))
	}
}

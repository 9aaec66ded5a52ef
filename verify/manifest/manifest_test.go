package manifest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"migimg/verify/manifest"
)

const (
	chunk = manifest.ChunkSize
	block = manifest.BlockSize
)

// disk is one of 5 MiB and a bit: carried but for two holes, one of which is a whole
// chunk and another one a part of one.
type disk struct{ data []byte }

var holes = [][2]int64{{2 * chunk, 3 * chunk}, {4*chunk + 8*block, 4*chunk + 16*block}}

func newDisk() *disk {
	d := &disk{make([]byte, 5*chunk+3*block+100)}
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(d.data) // never fails
	for _, h := range holes {
		clear(d.data[h[0]:h[1]])
	}
	clear(d.data[3*chunk : 3*chunk+5*block]) // carried zeros
	return d
}

func (d *disk) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(d.data).ReadAt(p, off)
}

func (d *disk) carried(off, n int64) iter.Seq2[int64, int64] {
	return func(yield func(int64, int64) bool) {
		at, end := off, min(off+n, int64(len(d.data)))
		for _, h := range append(slices.Clone(holes), [2]int64{end, end}) {
			if to := min(h[0], end); to > at && !yield(at, to-at) {
				return
			}
			at = max(at, h[1])
		}
	}
}

func (d *disk) recorder() *manifest.Recorder {
	return manifest.NewRecorder(d, int64(len(d.data)), d.carried)
}

// want is a chunk's sum from its bytes.
func (d *disk) want(k int64) manifest.Sum {
	return manifest.SumOf(d.data[k*chunk : min((k+1)*chunk, int64(len(d.data)))])
}

func (d *disk) check(t *testing.T, r *manifest.Recorder) {
	t.Helper()
	for k := range int64(6) {
		if s, ok := r.Sum(k); !ok || s != d.want(k) {
			t.Errorf("chunk %d: %v, known %v, not %v", k, s, ok, d.want(k))
		}
	}
}

// TestRecorder reads in pieces of several sizes, forwards, backwards, at random, twice,
// and by several at once.
func TestRecorder(t *testing.T) {
	d := newDisk()
	for _, n := range []int64{1000, block, 3*block + 512, 64 << 10, chunk + 512, 5 << 20} {
		var offs []int64
		for off := int64(0); off < int64(len(d.data)); off += n {
			offs = append(offs, off)
		}
		read := func(r *manifest.Recorder, off int64) {
			if _, err := r.ReadAt(make([]byte, n), off); err != nil && err != io.EOF {
				t.Error(err)
			}
		}
		for name, order := range map[string]func(){
			"forwards":  func() {},
			"backwards": func() { slices.Reverse(offs) },
			"at random": func() { rand.Shuffle(len(offs), func(i, j int) { offs[i], offs[j] = offs[j], offs[i] }) },
		} {
			r := d.recorder()
			order()
			for _, off := range offs {
				read(r, off)
				if rand.IntN(4) == 0 {
					read(r, off)
				}
			}
			d.check(t, r)
			if t.Failed() {
				t.Fatalf("%s, %d bytes at a time", name, n)
			}
		}
		r := d.recorder()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for _, i := range rand.Perm(len(offs)) {
					read(r, offs[i])
				}
			})
		}
		wg.Wait()
		d.check(t, r)
	}
}

// TestUnknown: what was not read, or could not be, is not known; what holds nothing is.
func TestUnknown(t *testing.T) {
	d := newDisk()
	r := d.recorder()
	for k := range int64(6) {
		if _, ok := r.Sum(k); ok != (k == 2) {
			t.Errorf("chunk %d: known %v before anything was read", k, ok)
		}
	}
	if _, err := r.ReadAt(make([]byte, chunk-1), 0); err != nil {
		t.Fatal(err)
	}
	if _, ok := r.Sum(0); ok {
		t.Error("a chunk is known though a byte of it was not read")
	}
	bad := manifest.NewRecorder(readerFunc(func(p []byte, off int64) (int, error) {
		n, _ := d.ReadAt(p[:len(p)-1], off)
		return n, errors.New("bad sector")
	}), int64(len(d.data)), d.carried)
	_, _ = bad.ReadAt(make([]byte, chunk), 0) // it fails
	if _, ok := bad.Sum(0); ok {
		t.Error("a chunk is known though it could not be read")
	}
}

type readerFunc func([]byte, int64) (int, error)

func (f readerFunc) ReadAt(p []byte, off int64) (int, error) { return f(p, off) }

// TestSumOf: a flipped bit, and blocks that changed places, are another sum; zeros are
// none.
func TestSumOf(t *testing.T) {
	d := newDisk()
	c := d.data[:chunk]
	want := manifest.SumOf(c)
	for range 1000 {
		i, bit := rand.IntN(len(c)), byte(1)<<rand.IntN(8)
		c[i] ^= bit
		if manifest.SumOf(c) == want {
			t.Fatalf("bit %#x of byte %d makes no difference", bit, i)
		}
		c[i] ^= bit
	}
	swapped := slices.Concat(c[block:2*block], c[:block], c[2*block:])
	if manifest.SumOf(swapped) == want {
		t.Error("two blocks can change places")
	}
	if manifest.SumOf(make([]byte, chunk)) != (manifest.Sum{}) {
		t.Error("zeros have a sum")
	}
}

// TestDocument writes a manifest and reads it again.
func TestDocument(t *testing.T) {
	d := newDisk()
	r := d.recorder()
	for _, k := range []int64{0, 3, 4, 5} {
		_, _ = r.ReadAt(make([]byte, chunk), k*chunk) // the last one ends early
	}
	m := manifest.Manifest{Algorithm: manifest.Algorithm, Source: manifest.Source{Device: "/dev/sda"}, Disks: []manifest.Disk{{Size: int64(len(d.data))}}}
	m.Disks[0].Fill(r)
	m.Disks[0].SetMoved(func(yield func(int64, int64) bool) {
		_ = yield(3*chunk+5, 10) && yield(3*chunk+20, chunk) && yield(9*chunk, 5)
	})
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	got, err := manifest.Read(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if got.Source.Device != "/dev/sda" || len(got.Disks) != 1 || got.Disks[0].Size != m.Disks[0].Size {
		t.Errorf("read %+v", got)
	}
	for k := range int64(6) {
		want := manifest.Expected{Sum: d.want(k), Known: k != 1, Moved: k == 3 || k == 4}
		if k == 1 {
			want.Sum = manifest.Sum{}
		}
		if e := got.Disks[0].Expect(k); e != want {
			t.Errorf("chunk %d: %+v, not %+v", k, e, want)
		}
	}
	for i := range b {
		if _, err := manifest.Read(bytes.NewReader(b[:i])); err == nil {
			t.Fatalf("the first %d of %d bytes are taken for a manifest", i, len(b))
		}
	}
}

// TestRefused: documents that are no manifests.
func TestRefused(t *testing.T) {
	for _, s := range []string{
		``, `[]`, `{}`, `{"algorithm":"md5","disks":[{"size":1}]}`,
		`{"algorithm":"` + manifest.Algorithm + `","disks":[{"size":-1}]}`,
		`{"algorithm":"` + manifest.Algorithm + `","disks":[{"size":1,"sums":[{"first":0,"sums":"AAAA"}]}]}`,
		`{"algorithm":"` + manifest.Algorithm + `","disks":[{"size":1,"unknown":[{"first":5,"count":1},{"first":5,"count":1}]}]}`,
		`{"algorithm":"` + manifest.Algorithm + `","files":[{"path":"x","disk":1}],"disks":[{"size":1}]}`,
	} {
		if m, err := manifest.Read(strings.NewReader(s)); err == nil {
			t.Errorf("%s is taken for %+v", s, m)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"algorithm":"` + manifest.Algorithm + `","disks":[{"size":4096,"sums":[{"first":0,"sums":"AAECAwQFBgcICQoLDA0ODw=="}],"moved":[{"first":0,"count":1}]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := manifest.Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		for i := range m.Disks {
			d := &m.Disks[i]
			for k := range min(d.Chunks(), 100) {
				d.Expect(k)
			}
		}
	})
}

func BenchmarkRecorder(b *testing.B) {
	data := make([]byte, chunk)
	_, _ = rand.NewChaCha8([32]byte{}).Read(data) // never fails
	r := manifest.NewRecorder(readerFunc(func(p []byte, _ int64) (int, error) { return len(p), nil }), 1<<60, func(off, n int64) iter.Seq2[int64, int64] {
		return func(yield func(int64, int64) bool) { yield(off, n) }
	})
	b.SetBytes(chunk)
	for k := int64(0); b.Loop(); k++ {
		_, _ = r.ReadAt(data, k*chunk) // never fails
	}
}

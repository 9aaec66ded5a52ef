package pins

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"migimg/blockmap"
)

// server is a disk in memory with a writer that never rests, but while it is
// frozen. It tracks its writes, to 4 KiB.
type server struct {
	mu      sync.Mutex
	disk    []byte
	written map[int64]bool
	frozen  bool
	truth   []byte // when it was frozen last
	freezes int
	thawErr error
	leaks   int   // so many freezes let a write through
	bad     int64 // a byte that cannot be read, if not 0
	slow    time.Duration
}

func (s *server) ReadAt(p []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen {
		time.Sleep(s.slow)
	}
	if s.bad != 0 && off <= s.bad && s.bad < off+int64(len(p)) {
		return 0, errors.New("bad sector")
	}
	n := copy(p, s.disk[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (s *server) write(rnd *rand.Rand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen {
		return
	}
	off := rnd.IntN(len(s.disk) - 100)
	for i := range 100 {
		s.disk[off+i] = byte(rnd.Uint32())
	}
	s.written[int64(off)/blockSize] = true
	s.written[int64(off+99)/blockSize] = true
}

func (s *server) Sync() error { return nil }

func (s *server) Freeze() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frozen = true
	s.freezes++
	s.truth = bytes.Clone(s.disk)
	return nil
}

func (s *server) Thaw() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frozen = false
	return s.thawErr
}

func (s *server) Epoch() (func(off, n int64) bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.written
	s.written = map[int64]bool{}
	return func(off, n int64) bool {
		for b := off / blockSize; b*blockSize < off+n; b++ {
			if old[b] {
				return true
			}
		}
		return false
	}, nil
}

func (s *server) Written(off, n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen && s.freezes <= s.leaks && off <= 4096 && off+n > 4096 {
		return true
	}
	for b := off / blockSize; b*blockSize < off+n; b++ {
		if s.written[b] {
			return true
		}
	}
	return false
}

// newServer has a disk of 1 MiB and a bit that is being written until the test
// ends.
func newServer(t *testing.T) (*server, blockmap.Volume) {
	t.Helper()
	s := &server{disk: make([]byte, 1<<20+1536), written: map[int64]bool{}}
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range s.disk[:900<<10] { // the rest is zeros
		s.disk[i] = byte(rnd.Uint32())
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				s.write(rnd)
				time.Sleep(20 * time.Microsecond) // a mutex is not fair
			}
		}
	})
	t.Cleanup(func() { close(stop); wg.Wait() })
	return s, blockmap.Bytes(s, int64(len(s.disk)), 512)
}

// fake is a scanner of a filesystem whose blocks from 256 to 512 KiB are free and
// from 512 to 768 KiB are a file's.
type fake struct{}

func (fake) Name() string                 { return "fake" }
func (fake) Probe(blockmap.Volume) error  { return nil }
func (fake) WhenFrozen() blockmap.Scanner { return fake{} }
func (fake) Paths(context.Context, blockmap.Volume, []blockmap.FileID) (map[blockmap.FileID]string, error) {
	return nil, nil
}

func (fake) Scan(ctx context.Context, v blockmap.Volume, s blockmap.Sink) (blockmap.Report, error) {
	if err := blockmap.ReadFull(v, make([]byte, 100<<10), 5000); err != nil {
		return blockmap.Report{}, err
	}
	return blockmap.Report{}, errors.Join(s.Free(256<<10, 256<<10), s.Data(512<<10, 256<<10, blockmap.FileID{Inode: 12}, 0))
}

func scan(ctx context.Context, dev blockmap.Volume) (*Scanned, error) {
	files := &blockmap.Files{}
	m, v, err := blockmap.Scan(ctx, dev, []blockmap.Scanner{fake{}}, blockmap.ScanOptions{Files: files, Frozen: func(string) bool { return true }})
	return &Scanned{Map: m, Volumes: v, Files: files, Pin: []*blockmap.VolumeInfo{v}}, err
}

// TestTake takes a disk that never rests: what is pinned must be the bytes of the
// moment when it was frozen, and the rest the disk's.
func TestTake(t *testing.T) {
	for name, mod := range map[string]func(*Plan){
		"memory":     func(p *Plan) { p.Memory = 1 << 30 },
		"spool":      func(p *Plan) { p.Memory, p.Spool = 100<<10, t.TempDir() },
		"no tracker": func(p *Plan) { p.Memory, p.Tracker = 1<<30, nil },
	} {
		t.Run(name, func(t *testing.T) {
			for range 4 {
				s, dev := newServer(t)
				p := Plan{Dev: dev, Scan: scan, Freezer: s, Tracker: s}
				mod(&p)
				taken, err := Take(t.Context(), p)
				if err != nil {
					t.Fatal(err)
				}
				got := make([]byte, len(s.disk))
				if _, err := taken.Store.ReadAt(got, 0); err != nil {
					t.Fatal(err)
				}
				for _, r := range [][2]int{{0, 256 << 10}, {768 << 10, len(got)}} {
					if !bytes.Equal(got[r[0]:r[1]], s.truth[r[0]:r[1]]) {
						t.Fatalf("[%d, %d) is not as it was when it was frozen", r[0], r[1])
					}
				}
				if s.frozen || s.freezes != 1 || taken.Tries != 1 {
					t.Errorf("frozen %v, %d times", s.frozen, s.freezes)
				}
				mem, spool := taken.Store.Bytes()
				// 256 KiB before, and after it 132 KiB up to the zeros, which take no room.
				if n := mem + spool; n < 380<<10 || n > 400<<10+150<<10 {
					t.Errorf("%d bytes of pins", n)
				}
				taken.Store.Close()
			}
		})
	}
}

// TestLeakingFreeze: what was written to while it was frozen is frozen again, and given
// up if that does not help.
func TestLeakingFreeze(t *testing.T) {
	for leaks, tries := range []int{1, 2, 3, 0} {
		s, dev := newServer(t)
		s.leaks = leaks
		taken, err := Take(t.Context(), Plan{Options: Options{Memory: 1 << 30}, Dev: dev, Scan: scan, Freezer: s, Tracker: s})
		switch {
		case tries == 0:
			if !errors.Is(err, errMoving) {
				t.Errorf("%d freezes leak: %v, want %v", leaks, err, errMoving)
			}
			continue
		case err != nil:
			t.Fatal(err)
		case taken.Tries != tries:
			t.Errorf("%d freezes leak: %d tries, want %d", leaks, taken.Tries, tries)
		}
		taken.Store.Close()
	}
}

// TestAlso holds what is a file's besides, as it was when it was frozen.
func TestAlso(t *testing.T) {
	s, dev := newServer(t)
	also := blockmap.Range{Off: 300<<10 + 512, Len: 64 << 10}
	asked := 0
	p := Plan{Options: Options{Memory: 1 << 30}, Dev: dev, Scan: scan, Freezer: s, Tracker: s, Also: func(*Scanned) iter.Seq[blockmap.Range] {
		asked++
		return slices.Values([]blockmap.Range{also})
	}}
	taken, err := Take(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Store.Close()
	got := make([]byte, also.Len)
	if _, err := taken.Store.ReadAt(got, also.Off); err != nil || !bytes.Equal(got, s.truth[also.Off:also.End()]) {
		t.Errorf("it is not as it was when it was frozen (%v)", err)
	}
	if asked < 2 {
		t.Errorf("asked %d times", asked)
	}
}

func TestTakeFails(t *testing.T) {
	for name, x := range map[string]struct {
		break_  func(*server, *Plan)
		want    string
		freezes int
	}{
		"too slow":       {func(s *server, p *Plan) { s.slow, p.Limit, p.Tracker = 30*time.Millisecond, 20*time.Millisecond, nil }, "too long", maxTries},
		"thawed by them": {func(s *server, _ *Plan) { s.thawErr = errors.New("thawed by another") }, "thawed by another", 1},
		"no room":        {func(_ *server, p *Plan) { p.Memory = 100 << 10 }, "--pin-memory", 0},
		"scan": {func(_ *server, p *Plan) {
			p.Tracker = nil
			p.Scan = func(context.Context, blockmap.Volume) (*Scanned, error) { return nil, errors.New("cannot scan") }
		}, "cannot scan", 1},
	} {
		t.Run(name, func(t *testing.T) {
			s, dev := newServer(t)
			p := Plan{Options: Options{Memory: 1 << 30}, Dev: dev, Scan: scan, Freezer: s, Tracker: s}
			x.break_(s, &p)
			_, err := Take(t.Context(), p)
			if err == nil || !bytes.Contains([]byte(err.Error()), []byte(x.want)) {
				t.Errorf("error %v, want %q", err, x.want)
			}
			if s.frozen || s.freezes != x.freezes {
				t.Errorf("frozen %v, %d times, want %d", s.frozen, s.freezes, x.freezes)
			}
		})
	}
}

// TestBadSector has a block of the filesystem's own that cannot be read: it must
// never be read from the disk afterwards, when it may be another's.
func TestBadSector(t *testing.T) {
	s, dev := newServer(t)
	s.bad = 200 << 10
	taken, err := Take(t.Context(), Plan{Options: Options{Memory: 1 << 30}, Dev: dev, Scan: scan, Freezer: s, Tracker: s})
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Store.Close()
	s.mu.Lock()
	s.bad = 0
	s.mu.Unlock()
	p := make([]byte, 12<<10)
	n, err := taken.Store.ReadAt(p, 196<<10)
	if n != 4<<10 || err == nil {
		t.Errorf("%d bytes, %v; want 4096 and the error", n, err)
	}
	if _, err := taken.Store.ReadAt(p, 204<<10); err != nil {
		t.Error(err)
	}
}

// TestLoadOutOfOrder has ranges that go back: none may be left out.
func TestLoadOutOfOrder(t *testing.T) {
	s, dev := newServer(t)
	_ = s
	store, err := NewStore(dev, Options{Memory: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	ranges := []blockmap.Range{{Off: 500 << 10, Len: 8 << 10}, {Off: 100 << 10, Len: 1000}, {Off: 503 << 10, Len: 20 << 10}, {Off: 96 << 10, Len: 1}, {Off: 1 << 20, Len: 1536}}
	if _, err := store.Load(t.Context(), slices.Values(ranges)); err != nil {
		t.Fatal(err)
	}
	if err := store.Seal(slices.Values(ranges)); err != nil {
		t.Error(err)
	}
}

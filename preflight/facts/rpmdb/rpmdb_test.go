package rpmdb

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func read(b []byte, wal []byte) ([]Package, string, error) {
	var log *File
	if wal != nil {
		log = &File{bytes.NewReader(wal), int64(len(wal))}
	}
	return Read(context.Background(), File{bytes.NewReader(b), int64(len(b))}, log)
}

// samples are headers that fit a page, need several, and have their names
// beyond what is read first.
func samples() [][]byte {
	return [][]byte{
		header("bash", "5.2.15", "3.el9", "x86_64", "", 0, 0),
		header("kernel", "5.14.0", "1.el9", "x86_64", "2", 0, 9000),
		header("late", "1", "1", "noarch", "", firstRead+100, 50_000),
		header("gpg-pubkey", "8483c65d", "5ccc5b19", "", "", 10, 600),
	}
}

var wanted = []Package{
	{"bash", "5.2.15-3.el9", "x86_64", "vendor"}, {"kernel", "2:5.14.0-1.el9", "x86_64", "vendor"}, {"late", "1-1", "noarch", "vendor"}, {"gpg-pubkey", "8483c65d-5ccc5b19", "", "vendor"},
}

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name, format string
		db           []byte
	}{
		{"bdb", "bdb", bdbFile(le, 4096, samples()...)},
		{"bdb, pages of 512", "bdb", bdbFile(le, 512, samples()...)},
		{"bdb, big-endian", "bdb", bdbFile(be, 8192, samples()...)},
		{"ndb", "ndb", ndbFile(samples()...)},
		{"sqlite", "sqlite", sqliteFile(4096, samples()...)},
		{"sqlite, pages of 8192", "sqlite", sqliteFile(8192, samples()...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, format, err := read(c.db, nil)
			if err != nil || format != c.format || !slices.Equal(got, wanted) {
				t.Errorf("%s %v %v", format, err, got)
			}
			// Cut off anywhere, it is an error, and never more than there is.
			for n := 0; n < len(c.db); n += 509 {
				got, _, err := read(c.db[:n], nil)
				if err == nil || len(got) > len(wanted) {
					t.Errorf("%d of %d bytes: %v, %d packages", n, len(c.db), err, len(got))
				}
			}
		})
	}
}

// A database whose parts refer to themselves ends, and soon.
func TestHostile(t *testing.T) {
	patch := func(b []byte, off int, v ...byte) []byte {
		b = slices.Clone(b)
		copy(b[off:], v)
		return b
	}
	loop := bdbFile(le, 512, samples()...)
	for p := 2; p < len(loop)/512; p++ {
		le.PutUint32(loop[p*512+16:], 2) // each overflow page says that page 2 follows
	}
	var many [][]byte
	for range 200 {
		many = append(many, samples()[2])
	}
	shared := ndbFile(many...) // many slots, one blob each of ...
	for i := range 200 {
		copy(shared[ndbHeader+i*ndbSlot+4:], shared[ndbHeader+4:ndbHeader+16]) // ... all of them the first
	}
	sqloop := sqliteFile(512, samples()[0])
	interior := sqliteFile(512)
	interior[512], interior[512+11] = sqliteInterior, 2 // its right child is itself
	for _, c := range []struct {
		name string
		db   []byte
		says string
	}{
		{"nothing", nil, ""}, {"zeros", make([]byte, 8192), "no database"}, {"text", []byte(strings.Repeat("text", 500)), "no database"},
		{"a cycle of overflow pages", loop, ""},
		{"a tree that is its own child", interior, "no end"},
		{"pages of 3 bytes", patch(bdbFile(le, 512), 20, 3, 0, 0, 0), "pages of 3"},
		{"four billion pages", patch(bdbFile(le, 512), 32, 255, 255, 255, 255), "cut off"},
		{"four billion slot pages", patch(ndbFile(), 12, 255, 255, 255, 255), "cut off"},
		{"a header of 4 GiB", patch(ndbFile(samples()...), 4096+12, 255, 255, 255, 255), "are to follow"},
		{"an index of 4 billion", patch(ndbFile(samples()...), 4096+16, 255, 255, 255, 255), "entries"},
		{"an odd number of items", patch(bdbFile(le, 512, samples()...), 512+20, 3), "3 items"},
		{"SQLite with no page size", patch(sqloop, 16, 0, 0), "pages of 0"},
		{"SQLite with no room in its pages", patch(sqloop, 20, 255), "for use"},
	} {
		t.Run(c.name, func(t *testing.T) {
			begin := time.Now()
			_, _, err := read(c.db, nil)
			if c.name == "a cycle of overflow pages" {
				err = errors.Join(err, errors.New("any end will do"))
			}
			if err == nil || !strings.Contains(err.Error(), c.says) || time.Since(begin) > 5*time.Second {
				t.Errorf("%v after %v", err, time.Since(begin))
			}
		})
	}
	if got, _, _ := read(shared, nil); len(got) > 200 {
		t.Errorf("%d packages", len(got))
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	db := ndbFile(samples()...)
	if _, _, err := Read(ctx, File{bytes.NewReader(db), int64(len(db))}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// One broken header takes no other package away.
func TestBrokenHeader(t *testing.T) {
	got, _, err := read(ndbFile(samples()[0], []byte("no header at all"), samples()[1]), nil)
	if err == nil || len(got) != 2 || got[1].Name != "kernel" {
		t.Errorf("%v %v", err, got)
	}
}

// The log has the newest pages, as far as its checksums go.
func TestWAL(t *testing.T) {
	old, now := sqliteFile(512, samples()[0]), sqliteFile(512, samples()[1])
	frames := func(commit uint32) []byte {
		h := make([]byte, 32)
		be.PutUint32(h, 0x377f0682)
		be.PutUint32(h[8:], 512)
		copy(h[16:], "saltsalt")
		sum := checksum(binary.LittleEndian, [2]uint32{}, h[:24])
		be.PutUint32(h[24:], sum[0])
		be.PutUint32(h[28:], sum[1])
		for p := 0; p < len(now)/512; p++ {
			f := make([]byte, 24+512)
			be.PutUint32(f, uint32(p+1))
			if p == len(now)/512-1 {
				be.PutUint32(f[4:], commit)
			}
			copy(f[8:], "saltsalt")
			copy(f[24:], now[p*512:])
			sum = checksum(binary.LittleEndian, checksum(binary.LittleEndian, sum, f[:8]), f[24:])
			be.PutUint32(f[16:], sum[0])
			be.PutUint32(f[20:], sum[1])
			h = append(h, f...)
		}
		return h
	}
	broken := frames(99)
	broken[len(broken)-1] ^= 1
	for _, c := range []struct {
		name, want string
		log        []byte
	}{
		{"committed", "kernel", frames(uint32(len(now) / 512))}, {"not committed", "bash", frames(0)}, {"a wrong checksum", "bash", broken},
		{"empty", "bash", []byte{}}, {"no log", "bash", nil}, {"of something else", "bash", bytes.Repeat([]byte("x"), 2000)},
	} {
		got, _, err := read(old, c.log)
		if err != nil || len(got) != 1 || got[0].Name != c.want {
			t.Errorf("%s: %v %v", c.name, err, got)
		}
	}
}

func FuzzRead(f *testing.F) {
	small := [][]byte{header("bash", "5", "3", "x86_64", "1", 0, 0), header("big", "1", "1", "noarch", "", 0, 700)}
	for _, db := range [][]byte{bdbFile(le, 512, small...), bdbFile(be, 512, small...), ndbFile(small...), sqliteFile(512, small...)} {
		f.Add(db, []byte{})
	}
	f.Add(sqliteFile(512, small...), bytes.Repeat([]byte{0x37, 0x7f, 6, 0x82}, 300))
	f.Fuzz(func(t *testing.T, db, log []byte) {
		if len(db) > 64<<10 || len(log) > 64<<10 {
			return
		}
		list, _, err := read(db, log)
		for _, p := range list {
			if p.Name == "" || len(p.Name) > maxText || len(p.Version) > 3*maxText {
				t.Errorf("%+v (%v)", p, err)
			}
		}
	})
}

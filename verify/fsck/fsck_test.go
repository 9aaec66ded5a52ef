package fsck

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"migimg/verify"
	"migimg/verify/decoder"
	"migimg/verify/tool"
)

// What no checker is for is skipped, with the reason; what has lost its superblock is
// undecided.
func TestSkipped(t *testing.T) {
	disk := make([]byte, 16<<20)
	lostExt4 := bytes.Clone(disk)
	at := 8<<20 + 1024
	binary.LittleEndian.PutUint16(lostExt4[at+0x38:], 0xef53)
	binary.LittleEndian.PutUint16(lostExt4[at+0x5a:], 1)
	for _, x := range []struct {
		kind  string
		bytes []byte
		want  verify.Status
		says  string
	}{
		{"swap", disk, verify.Skip, "nothing to check"},
		{"crypto_LUKS", disk, verify.Skip, "encrypted"},
		{BIOSBoot, disk, verify.Skip, "boot loader"},
		{"", disk, verify.Skip, "unknown contents"},
		{"", lostExt4, verify.Unknown, ""},
		{"jfs", disk, verify.Skip, "not run: jfs: no program is known"},
	} {
		v := Volume{Name: "partition 1", Type: x.kind, Reader: bytes.NewReader(x.bytes), Size: int64(len(x.bytes)), Err: func() error { return nil }}
		as, err := Check(t.Context(), v, Options{Deep: true})
		if err != nil || len(as) != 1 || as[0].Status != x.want || !strings.Contains(as[0].Summary, x.says) {
			t.Errorf("%q: %+v, %v", x.kind, as, err)
		}
	}
}

// What a checker says counts only where it could do its work.
func TestReport(t *testing.T) {
	found := tool.Checked{Program: "fsck.x", Found: []string{"1", "2", "3", "4", "5", "6", "7", "8"}}
	for _, x := range []struct {
		name  string
		v     Volume
		c     tool.Checked
		err   error
		image error
		want  verify.Status
		lines int
	}{
		{name: "sound", c: tool.Checked{Sound: true}, want: verify.Pass},
		{name: "sound, with a remark", c: tool.Checked{Sound: true, Found: []string{"odd"}, Notes: []string{"dirty"}}, want: verify.Pass, lines: 2},
		{name: "found", c: found, want: verify.Fail, lines: quoted + 1},
		{name: "found, and says nothing", c: tool.Checked{}, want: verify.Fail, lines: 1},
		{name: "it crashed", c: tool.Checked{}, err: errors.New("killed"), want: verify.Unknown, lines: 1},
		{name: "sound, but not all could be read", c: tool.Checked{Sound: true}, image: &decoder.ReadError{Err: errors.New("EIO")}, want: verify.Unknown, lines: 1},
		{name: "found, but not all could be read", c: found, image: &decoder.ReadError{Err: errors.New("EIO")}, want: verify.Unknown, lines: 1},
		{name: "the image is damaged there", c: tool.Checked{Sound: true}, image: errors.New("a grain points outside"), want: verify.Fail, lines: 1},
		{name: "perhaps another format's", v: Volume{Marks: []string{"ext4", "zfs_member"}}, c: found, want: verify.Unknown, lines: 1},
		{name: "volumes inside are not known", v: Volume{Closed: "raid5"}, c: tool.Checked{Sound: true}, want: verify.Unknown, lines: 1},
	} {
		ps := &decoder.Problems{}
		x.v.Err = func() error { return x.image }
		x.v.report(x.c, x.err, ps)
		if a := verify.NewAspect(x.name, "", ps); a.Status != x.want || len(a.Problems) != x.lines {
			t.Errorf("%s: %+v", x.name, a)
		}
	}
}

// FuzzLost: whatever the bytes are, what is found lies in the volume.
func FuzzLost(f *testing.F) {
	f.Add([]byte("XFSB"), int64(4096), int64(64<<20))
	f.Add(bytes.Repeat([]byte{0x53, 0xef}, 300), int64(8<<20), int64(16<<20))
	f.Add([]byte{}, int64(0), int64(0))
	f.Fuzz(func(t *testing.T, b []byte, at, size int64) {
		if size < 0 || size > 1<<40 || at < 0 {
			return
		}
		kind, off := lost(sparse{b, at, size}, size)
		if kind != "" && (off < 0 || off >= size) {
			t.Fatal(kind, off)
		}
	})
}

// sparse is zeros but for some bytes.
type sparse struct {
	b        []byte
	at, size int64
}

func (s sparse) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off > s.size-int64(len(p)) {
		return 0, errors.New("outside")
	}
	clear(p)
	for i := range p {
		if j := off + int64(i) - s.at; j >= 0 && j < int64(len(s.b)) {
			p[i] = s.b[j]
		}
	}
	return len(p), nil
}

// A mounted file is the image's only where its inode and times are, and were long before
// T0. A hard link is such a copy.
func TestLive(t *testing.T) {
	image, live := t.TempDir(), t.TempDir()
	write := func(path, s string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(image, "same"), "x")
	write(filepath.Join(image, "other"), "x")
	write(filepath.Join(live, "other"), "x")
	write(filepath.Join(image, "only here"), "x")
	if err := errors.Join(os.Link(filepath.Join(image, "same"), filepath.Join(live, "same")), os.Symlink("same", filepath.Join(live, "link")), os.Link(filepath.Join(image, "same"), filepath.Join(image, "link"))); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(2 * settled)
	for _, x := range []struct {
		name, root string
		t0         time.Time
		want       bool
	}{
		{"/same", "/", later, true},
		{"/same", "/", time.Now(), false}, // it changed at T0, or nearly
		{"/other", "/", later, false},
		{"/only here", "/", later, false},
		{"/link", "/", later, false}, // a symbolic link is not followed
		{"/sub/same", "/sub", later, true},
		{"/subother/same", "/sub", later, false},
	} {
		l := &Live{Point: live, Root: x.root, T0: x.t0}
		r, err := l.open()
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(filepath.Join(image, filepath.Base(x.name)))
		if err != nil {
			t.Fatal(err)
		}
		got := r.same(x.name, f)
		if (got != nil) != x.want {
			t.Errorf("%s below %s: %v", x.name, x.root, got)
		}
		if got != nil {
			got.file.Close()
		}
		f.Close()
		r.close()
	}
}

func TestCompare(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	p, q := make([]byte, 10), make([]byte, 10)
	for _, x := range []struct {
		a, b string
		want int64
	}{
		{"", "", -1}, {"0123456789", "0123456789", -1}, {"0123456789abc", "0123456789abc", -1},
		{"0123456789abc", "0123456789abd", 12}, {"x", "y", 0}, {"0123456789", "0123456789a", 10}, {"0123456789ab", "0123456789", 10},
	} {
		if err := errors.Join(os.WriteFile(a, []byte(x.a), 0o600), os.WriteFile(b, []byte(x.b), 0o600)); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(a)
		if err != nil {
			t.Fatal(err)
		}
		g, err := os.Open(b)
		if err != nil {
			t.Fatal(err)
		}
		_, at, err := compare(t.Context(), f, g, p, q)
		if err != nil || at != x.want {
			t.Errorf("%q, %q: %d, %v", x.a, x.b, at, err)
		}
		n, err := readData(t.Context(), f, p)
		if err != nil || n != int64(len(x.a)) {
			t.Errorf("%q: %d bytes, %v", x.a, n, err)
		}
		f.Close()
		g.Close()
	}
}

// Every difference is a failure but that of a file that moved, and one whose movement is
// not known is undecided.
func TestJudge(t *testing.T) {
	var drifted bool
	var lost error
	w := &walk{v: &Volume{Live: &Live{Point: "/", Drifted: func(string) (bool, error) { return drifted, lost }}}, ps: &decoder.Problems{}}
	w.judge("/a", true, -1)
	w.judge("/b", false, 5) // it was written to while it was read
	drifted = true
	w.judge("/c", true, 5)
	if w.equal != 1 || w.changed != 2 || len(w.ps.List()) != 0 {
		t.Errorf("%d, %d, %v", w.equal, w.changed, w.ps.List())
	}
	drifted, lost = false, errors.New("gone")
	w.judge("/d", true, 5)
	lost = nil
	w.judge("/e\n", true, 5)
	if w.ps.Count(decoder.Unknown) != 1 || w.ps.Count(decoder.Fail) != 1 || !strings.HasPrefix(w.ps.List()[1].What, `"/e\n" differs at byte 5`) {
		t.Error(w.ps.List())
	}
}

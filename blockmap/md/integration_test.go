//go:build integration

package md_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/all"
	"migimg/blockmap/ext4"
	"migimg/internal/need"
)

func run(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return string(out)
}

// write makes a file of b.
func write(t *testing.T, b []byte) string {
	t.Helper()
	img := filepath.Join(t.TempDir(), "member.img")
	if err := os.WriteFile(img, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return img
}

// examine is what mdadm says of a superblock.
func examine(t *testing.T, img string, options ...string) map[string]string {
	t.Helper()
	said := map[string]string{}
	for line := range strings.Lines(run(t, append(append([]string{"mdadm", "--examine"}, options...), img)...)) {
		if k, v, ok := strings.Cut(line, " : "); ok {
			said[strings.TrimSpace(k)] = strings.TrimSpace(v)
		}
	}
	return said
}

// TestExamine compares with mdadm, which reads superblocks without the kernel,
// and with blkid.
func TestExamine(t *testing.T) {
	need.Tool(t, "mdadm", "blkid")
	for _, c := range []struct {
		name    string
		edit    func(s *super)
		role    string // by mdadm
		options []string
		state   string
		whole   bool
	}{
		{"clean", func(*super) {}, "Active device 0", nil, "clean", false},
		{"being written", func(s *super) { s.state, s.resync = 0, 0 }, "Active device 0", nil, "active", false},
		{"second, being written", func(s *super) { s.dev, s.state, s.resync = 1, 0, 0 }, "Active device 1", nil, "active", true},
		{"spare", func(s *super) { s.roles[1], s.dev, s.diskState[1] = 0xffff, 1, 0 }, "spare", nil, "clean", true},
		{"raid5", func(s *super) { s.level, s.disks = 5, 2 }, "Active device 0", nil, "clean", true},
		{"big endian", func(s *super) { s.order = binary.BigEndian }, "Active device 0", []string{"--metadata=0.swap"}, "clean", false},
	} {
		for _, v := range versions {
			if c.options != nil && v != "0.90" {
				continue
			}
			t.Run(v+"/"+c.name, func(t *testing.T) {
				b := make([]byte, 8*mib)
				s := mirror(v, int64(len(b)))
				c.edit(s)
				s.write(b)
				img := write(t, b)
				said := examine(t, img, c.options...)
				k, r := scan(t, b)
				if said["State"] != c.state || !strings.HasSuffix(said["Checksum"], "correct") {
					t.Errorf("%v", said)
				}
				if v != "0.90" && said["Device Role"] != c.role {
					t.Errorf("role %q", said["Device Role"])
				}
				if !slices.Contains(r.Features, "metadata="+strings.TrimSuffix(said["Version"], ".00")) || !slices.Contains(r.Features, said["Raid Level"]) ||
					!slices.Contains(r.Features, "raid_devices="+said["Raid Devices"]) {
					t.Errorf("%q, mdadm says %v", r.Features, said)
				}
				id := said["Array UUID"] + said["UUID"]
				if strings.ReplaceAll(id, ":", "") != strings.ReplaceAll(r.UUID, "-", "") {
					t.Errorf("UUID %s, mdadm says %s", r.UUID, id)
				}
				if (r.Whole != "") != c.whole {
					t.Errorf("whole %q", r.Whole)
				}
				if k.inner != nil {
					got := slices.Collect(k.inner.Ranges(0, k.inner.Size()))
					off, size := said["Data Offset"], strings.Fields(said["Used Dev Size"])[0]
					want := fmt.Sprintf("%d sectors", got[0].Off/512)
					unit := int64(512)
					if v == "0.90" {
						unit = 1024
					}
					if off != want && !(off == "" && got[0].Off == 0) || size != fmt.Sprint(got[0].Len/unit) {
						t.Errorf("data %v, mdadm says %v", got, said)
					}
				}
				if c.options != nil {
					return // blkid prints the UUID of these otherwise
				}
				blkid := run(t, "blkid", "-p", "-o", "export", img)
				if !strings.Contains(blkid, "UUID="+r.UUID+"\n") || !strings.Contains(blkid, "TYPE="+r.Type+"\n") || v != "0.90" && !strings.Contains(blkid, "LABEL="+r.Label+"\n") {
					t.Errorf("%+v, blkid says %s", r, blkid)
				}
			})
		}
	}
}

// TestFilesystemInside: an ext4 in a member of each version has the map that it
// has alone, and outlives what is not carried.
func TestFilesystemInside(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mke2fs", "e2fsck", "cp")
	const size = 96 * mib
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			s := mirror(v, size)
			s.size &^= 127
			dir := t.TempDir()
			alone, img := filepath.Join(dir, "alone.img"), filepath.Join(dir, "member.img")
			for name, n := range map[string]int64{alone: int64(s.size) * 512, img: size} {
				if err := os.WriteFile(name, nil, 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Truncate(name, n); err != nil {
					t.Fatal(err)
				}
			}
			run(t, "mke2fs", "-q", "-t", "ext4", "-d", "/usr/share/zoneinfo", alone)
			fs := openFile(t, alone)
			disk := openFile(t, img)
			if _, err := io.Copy(io.NewOffsetWriter(disk, int64(s.off)*512), fs); err != nil {
				t.Fatal(err)
			}
			super := s.bytes0()
			if v != "0.90" {
				super = s.bytes1(s.at(size))
			}
			if _, err := disk.WriteAt(super, s.at(size)); err != nil {
				t.Fatal(err)
			}
			m1, info1 := scanAll(t, fs, int64(s.size)*512, ext4.Scanner{})
			m, info := scanAll(t, disk, size, all.Scanners()...)
			if info1.Whole != "" || info.Whole != "" || len(info.Children) != 1 || info.Children[0].Name != "md" || info.Children[0].Type != "ext4" {
				t.Fatalf("%+v\n%+v", info1, info)
			}
			want := freeOf(m1)
			for i := range want {
				want[i].Off += int64(s.off) * 512
			}
			got := freeOf(m)
			if !slices.Equal(got, want) {
				t.Errorf("free    %v\nmust be %v", got, want)
			}
			t.Logf("%d of %d KiB carried", m.Bytes()>>10, size>>10)
			src := rand.NewChaCha8([32]byte{2})
			for _, r := range got {
				if _, err := io.CopyN(io.NewOffsetWriter(disk, r.Off), src, r.Len); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := io.Copy(io.NewOffsetWriter(fs, 0), io.NewSectionReader(disk, int64(s.off)*512, int64(s.size)*512)); err != nil {
				t.Fatal(err)
			}
			run(t, "e2fsck", "-fn", alone)
			back := filepath.Join(dir, "back")
			if err := os.Mkdir(back, 0o755); err != nil {
				t.Fatal(err)
			}
			run(t, "debugfs", "-R", "rdump / "+back, alone)
			run(t, "diff", "-r", "--no-dereference", "-x", "lost+found", "/usr/share/zoneinfo", back)
		})
	}
}

// TestOldSuperblock: a filesystem that fills a disk which was a member once, and
// whose superblock is still there, is larger than the array was: it is carried.
func TestOldSuperblock(t *testing.T) {
	need.Tool(t, "mke2fs")
	const size = 64 * mib
	for _, v := range []string{"0.90", "1.0"} {
		img := write(t, make([]byte, size))
		run(t, "mke2fs", "-q", "-t", "ext4", img)
		f := openFile(t, img)
		s := mirror(v, size)
		super := s.bytes0()
		if v == "1.0" {
			super = s.bytes1(s.at(size))
		}
		if _, err := f.WriteAt(super, s.at(size)); err != nil {
			t.Fatal(err)
		}
		m, info := scanAll(t, f, size, all.Scanners()...)
		if m.Bytes() != size || len(info.Children) != 1 || info.Children[0].Whole == "" {
			t.Errorf("%s: %d bytes carried, %+v", v, m.Bytes(), info)
		} else {
			t.Logf("%s: %s", v, info.Children[0].Whole)
		}
	}
}

func openFile(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func scanAll(t *testing.T, f *os.File, n int64, scanners ...blockmap.Scanner) (*blockmap.Map, *blockmap.VolumeInfo) {
	t.Helper()
	m, info, err := blockmap.Scan(context.Background(), blockmap.Bytes(f, n, 512), scanners, blockmap.ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m, info
}

// freeOf is what a map does not carry.
func freeOf(m *blockmap.Map) (free []blockmap.Range) {
	at := int64(0)
	for r := range m.Ranges(0, m.Size()) {
		if r.Off > at {
			free = append(free, blockmap.Range{Off: at, Len: r.Off - at})
		}
		at = r.End()
	}
	if at < m.Size() {
		free = append(free, blockmap.Range{Off: at, Len: m.Size() - at})
	}
	return free
}

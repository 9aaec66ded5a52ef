//go:build integration

package lvm_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"migimg/blockmap"
	"migimg/blockmap/all"
	"migimg/blockmap/ext4"
	"migimg/blockmap/scantest"
	"migimg/blockmap/swap"
)

const (
	diskSize         = 560 * mib
	lvmAt, lvmSize   = 8 * mib, 250 * mib
	raidAt, raidSize = 260 * mib, 298 * mib
)

// placed is a filesystem that was made in a file of its own, and where it belongs
// on the disk by lvm2's word.
type placed struct {
	img   string
	inner blockmap.Scanner
	at    []segment // with at from the disk's start
}

// copyAll copies between the filesystem's own file and the disk.
func (p *placed) copyAll(t *testing.T, file, disk *os.File, extract bool) {
	t.Helper()
	for _, s := range p.at {
		var err error
		if extract {
			_, err = io.Copy(io.NewOffsetWriter(file, s.first), io.NewSectionReader(disk, s.at, s.n))
		} else {
			_, err = io.Copy(io.NewOffsetWriter(disk, s.at), io.NewSectionReader(file, s.first, s.n))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// onDisk maps ranges of the filesystem to the disk.
func (p *placed) onDisk(rs []blockmap.Range) (out []blockmap.Range) {
	for _, r := range rs {
		for _, s := range p.at {
			a, b := max(r.Off, s.first), min(r.End(), s.first+s.n)
			if a < b {
				out = append(out, blockmap.Range{Off: a - s.first + s.at, Len: b - a})
			}
		}
	}
	return out
}

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// filesystem makes an ext4 of n bytes with files in it, some of them deleted.
func (b *bench) filesystem(name string, n int64) string {
	b.t.Helper()
	img := b.image(name, n)
	b.run("mke2fs", "-q", "-t", "ext4", img)
	b.mounted(img, "", func(dir string) {
		rnd := rand.New(rand.NewPCG(uint64(n), 1))
		buf := make([]byte, 300<<10)
		for i := range 150 {
			for j := 0; j+8 <= len(buf); j += 8 {
				binary.LittleEndian.PutUint64(buf[j:], rnd.Uint64())
			}
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), buf[:rnd.IntN(len(buf))], 0o600); err != nil {
				b.t.Fatal(err)
			}
		}
		b.run("sync", "-f", dir)
		for i := 0; i < 150; i += 3 {
			if err := os.Remove(filepath.Join(dir, fmt.Sprint(i))); err != nil {
				b.t.Fatal(err)
			}
		}
	})
	return img
}

func (b *bench) mounted(img, options string, f func(dir string)) {
	b.t.Helper()
	dir := b.t.TempDir()
	b.run("mount", "-t", "ext4", "-o", "loop"+options, img, dir)
	done := false
	defer func() {
		if !done {
			b.run("umount", dir)
		}
	}()
	f(dir)
	b.run("umount", dir)
	done = true
}

// hashes are those of all files in an image.
func (b *bench) hashes(img string) map[string]string {
	b.t.Helper()
	m := map[string]string{}
	b.mounted(img, ",ro", func(dir string) {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			p, err := os.ReadFile(path)
			m[strings.TrimPrefix(path, dir)] = fmt.Sprintf("%d %x", len(p), sha256.Sum256(p))
			return err
		})
		if err != nil {
			b.t.Fatal(err)
		}
	})
	return m
}

// TestEndToEnd: a disk with GPT, a partition with LVM (root, in pieces around
// home, and swap) and one with a RAID1 member, in it LVM, in it ext4.
func TestEndToEnd(t *testing.T) {
	b := newBench(t)
	img := b.image("disk.img", diskSize)
	b.run("sh", "-c", fmt.Sprintf("printf 'label: gpt\nstart=1MiB, size=4MiB\nstart=%dMiB, size=%dMiB, type=lvm\nstart=%dMiB, size=%dMiB, type=raid\n' | sfdisk -q %s",
		lvmAt/mib, lvmSize/mib, raidAt/mib, raidSize/mib, img))
	disk := open(t, img)
	super, at, data := scantest.RaidMember("1.2", 0, raidSize)
	if _, err := disk.WriteAt(super, raidAt+at); err != nil {
		t.Fatal(err)
	}
	lvmDev := b.loop(img, lvmAt, lvmSize)
	raidDev := b.loop(img, raidAt+data.Off, data.Len)
	b.script(`pvcreate -q --pvmetadatacopies 2 $D0; vgcreate -q vg0 $D0; lvnew -L60M -n root vg0; lvnew -L60M -n home vg0; lvextend -q --driverloaded n -L+40M vg0/root
lvnew -L16M -n swap vg0; pvcreate -q $D1; vgcreate -q vg1 $D1; lvnew -L100M -n data vg1`)
	places := map[string]*placed{
		"2/vg0-root":    {img: b.filesystem("root", 100*mib), inner: ext4.Scanner{}},
		"2/vg0-home":    {img: b.filesystem("home", 60*mib), inner: ext4.Scanner{}},
		"2/vg0-swap":    {img: b.image("swap", 16*mib), inner: swap.Scanner{}},
		"3/md/vg1-data": {img: b.filesystem("data", 100*mib), inner: ext4.Scanner{}},
	}
	b.run("mkswap", "-q", b.path("swap"))
	var free []blockmap.Range
	for _, d := range []struct {
		dev, prefix string
		off         int64
	}{{lvmDev, "2/vg0-", lvmAt}, {raidDev, "3/md/vg1-", raidAt + data.Off}} {
		for _, s := range b.segments(d.dev) {
			s.at += d.off
			if s.lv == "" {
				free = append(free, blockmap.Range{Off: s.at, Len: s.n})
			} else {
				places[d.prefix+s.lv].at = append(places[d.prefix+s.lv].at, s)
			}
		}
	}
	if len(places["2/vg0-root"].at) < 2 {
		t.Fatal("root is not in pieces")
	}
	b.detach(lvmDev)
	b.detach(raidDev)
	files := map[string]map[string]string{}
	for name, p := range places {
		p.copyAll(t, open(t, p.img), disk, false)
		m, info := scanFile(t, p.img, 0, sizeOf(t, p.img), p.inner)
		if info.Whole != "" {
			t.Fatalf("%s alone: %s", name, info.Whole)
		}
		free = append(free, p.onDisk(freeOf(m))...)
		if name != "2/vg0-swap" {
			files[name] = b.hashes(p.img)
		}
	}
	if err := disk.Sync(); err != nil {
		t.Fatal(err)
	}

	began := time.Now()
	m, info, err := blockmap.Scan(context.Background(), blockmap.Bytes(disk, diskSize, 512), all.Scanners(), blockmap.ScanOptions{Still: func(string) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d KiB carried, in %v", m.Bytes()>>10, diskSize>>10, time.Since(began))
	for v := range info.All() {
		t.Logf("%-14s %-18s from %9d, %6d of %6d KiB %s %q", v.Name, v.Type, v.Start, v.Carried>>10, v.Size>>10, v.Whole, v.Warnings)
		if p := places[v.Name]; p != nil && (v.Whole != "" || v.Size != sizeOf(t, p.img) || (v.Start >= 0) != (len(p.at) == 1)) {
			t.Errorf("%s: %+v", v.Name, v)
		}
	}
	if got, want := freeOf(m), joined(free); !slices.Equal(got, want) {
		t.Errorf("the map is another one than that of the parts:\n%v\n%v", got, want)
	}

	punched := b.path("punched.img")
	b.run("cp", "--sparse=always", img, punched)
	garbage(t, open(t, punched), freeOf(m))
	restored := open(t, b.image("restored.img", diskSize))
	view := blockmap.NewView(disk, m)
	for r := range m.Ranges(0, diskSize) {
		if _, err := io.Copy(io.NewOffsetWriter(restored, r.Off), io.NewSectionReader(view, r.Off, r.Len)); err != nil {
			t.Fatal(err)
		}
	}
	for _, from := range []*os.File{open(t, punched), restored} {
		for _, name := range slices.Sorted(maps.Keys(places)) {
			out := b.image("extracted", sizeOf(t, places[name].img))
			places[name].copyAll(t, open(t, out), from, true)
			if files[name] == nil {
				if s := b.run("blkid", "-p", "-o", "value", "-s", "TYPE", out); strings.TrimSpace(s) != "swap" {
					t.Errorf("%s is %q", name, s)
				}
				continue
			}
			b.run("e2fsck", "-fn", out)
			if got := b.hashes(out); !maps.Equal(got, files[name]) || len(got) < 90 {
				t.Errorf("%s of %s: %d files, were %d", name, from.Name(), len(got), len(files[name]))
			}
		}
	}
}

func sizeOf(t *testing.T, path string) int64 {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

// garbage overwrites ranges with random bytes.
func garbage(t *testing.T, f *os.File, rs []blockmap.Range) {
	t.Helper()
	src := rand.NewChaCha8([32]byte{1})
	for _, r := range rs {
		if _, err := io.CopyN(io.NewOffsetWriter(f, r.Off), src, r.Len); err != nil {
			t.Fatal(err)
		}
	}
}

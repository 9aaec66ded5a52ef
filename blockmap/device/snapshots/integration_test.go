//go:build integration

package snapshots

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"migimg/internal/need"
	"migimg/internal/shell"
)

// mounted is a new btrfs on a loop device, with its top level mounted.
type mounted struct {
	t             *testing.T
	img, dir, dev string
}

func mount(t *testing.T, size, mkfs string) *mounted {
	t.Helper()
	need.Root(t)
	need.Tool(t, "mkfs.btrfs", "btrfs", "losetup", "mount")
	m := &mounted{t: t, img: t.TempDir() + "/disk.img", dir: t.TempDir()}
	m.dev = strings.TrimSpace(shell.Run(t, `truncate -s $SIZE $IMG; mkfs.btrfs -q `+mkfs+` $IMG >/dev/null 2>&1; losetup -f --show $IMG`, "SIZE="+size, "IMG="+m.img))
	t.Cleanup(func() {
		shell.Run(t, `umount -R $DIR 2>/dev/null || true; losetup -d $DEV; for i in $(seq 100); do losetup $DEV >/dev/null 2>&1 || exit 0; sleep 0.1; done; exit 1`, "DIR="+m.dir, "DEV="+m.dev)
	})
	shell.Run(t, `mount $DEV $DIR`, "DEV="+m.dev, "DIR="+m.dir)
	return m
}

func (m *mounted) sh(script string) string {
	m.t.Helper()
	return shell.Run(m.t, `cd "$DIR"; `+script, "DIR="+m.dir, "DEV="+m.dev)
}

// subvolumes are the paths of all of them, by btrfs-progs' word.
func (m *mounted) subvolumes() []string {
	m.t.Helper()
	return strings.Fields(m.sh(`btrfs subvolume list . | sed 's/.* path //'`))
}

// gone checks that nothing is left behind.
func (m *mounted) gone() {
	m.t.Helper()
	if out := m.sh(`btrfs subvolume list . | grep migimg || true; ls -a | grep migimg || true`); out != "" {
		m.t.Errorf("left behind: %s", out)
	}
	if b, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Count(string(b), m.dev+" ") > 1 {
		m.t.Errorf("mounts are left behind: %v\n%s", err, b)
	}
}

func hold(t *testing.T, points ...string) *Held {
	t.Helper()
	h, err := Hold(t.Context(), points...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Release(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// TestHold has nested subvolumes, one of them mounted elsewhere, one read-only,
// one that cannot be snapshotted.
func TestHold(t *testing.T) {
	m := mount(t, "300M", "")
	m.sh(`btrfs subvolume create @; btrfs subvolume create @/home; mkdir -p "@/home/a b/c"; btrfs subvolume create "@/home/a b/c/deep"
		echo in the deep > "@/home/a b/c/deep/file"; btrfs subvolume snapshot -r @/home ro; btrfs subvolume create swap
		btrfs subvolume create deleted; btrfs subvolume delete deleted`)
	m.sh(`truncate -s 0 swap/file; chattr +C swap/file; fallocate -l 16M swap/file; chmod 600 swap/file; mkswap swap/file; swapon swap/file`)
	t.Cleanup(func() { shell.Run(t, `swapoff $DIR/swap/file`, "DIR="+m.dir) })
	other := t.TempDir()
	shell.Run(t, `mount -o subvol=@/home $DEV $OTHER`, "DEV="+m.dev, "OTHER="+other)
	t.Cleanup(func() { shell.Run(t, `umount $OTHER 2>/dev/null || true`, "OTHER="+other) })

	h := hold(t, other, m.dir)
	if h.Count() != 5 || strings.Join(h.Left(), " ") != "/swap" {
		t.Errorf("%d snapshots, without %q", h.Count(), h.Left())
	}
	list := m.sh(`btrfs subvolume list -r . | grep -c migimg-snapshots; stat -c '%a %u' .migimg-snapshots; cat .migimg-snapshots/*/*/file`)
	if list != "6\n700 0\nin the deep\n" && list != "5\n700 0\nin the deep\n" {
		t.Errorf("%q\n%s", list, m.subvolumes())
	}
	// Its owner lives; and what a second one holds is not what the first one made.
	if n, err := Sweep(m.dir); n != 0 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
	second := hold(t, m.dir)
	if second.Count() != 5 {
		t.Errorf("%d snapshots", second.Count())
	}
	shell.Run(t, `swapoff $DIR/swap/file; swapon $DIR/swap/file`, "DIR="+m.dir)
	for _, h := range []*Held{second, h} {
		if err := h.Release(); err != nil {
			t.Fatal(err)
		}
	}
	shell.Run(t, `umount $OTHER`, "OTHER="+other)
	m.gone()
}

// TestSweep kills a process that holds.
func TestSweep(t *testing.T) {
	m := mount(t, "300M", "")
	m.sh(`btrfs quota enable .; for i in 1 2 3; do btrfs subvolume create sub$i; head -c 1M /dev/urandom > sub$i/file; done`)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^TestHelper$")
	cmd.Env = append(os.Environ(), "SNAPSHOTS_HOLD="+m.dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 8)
	if n, err := out.Read(b); err != nil || string(b[:n]) != "held" {
		t.Fatal(string(b[:n]), err)
	}
	if n, err := Sweep(m.dir); n != 0 || err != nil {
		t.Errorf("it lives: swept %d, %v", n, err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	// What is not ours stays, by whatever name: a writable snapshot, another
	// subvolume's, a folder, what is not in the list, a run of nobody.
	m.sh(`cd .migimg-snapshots/*-*; id=$(ls | grep -v owner | sort -n | tail -1); btrfs property set $id ro false; echo user > $id/mine
		btrfs subvolume snapshot -r $DIR/sub1 1000; mkdir ../empty; mkdir ../full; echo x > ../full/x`)
	n, err := Sweep(m.dir)
	if n != 3 || err == nil || !strings.Contains(err.Error(), "left alone") || !strings.Contains(err.Error(), "/full") {
		t.Errorf("swept %d, %v", n, err)
	}
	if left := m.sh(`ls .migimg-snapshots/full; ls -d .migimg-snapshots/empty 2>&1 || true; cd .migimg-snapshots/*-*; ls | wc -l; cat */mine`); !strings.Contains(left, "x\n") || !strings.Contains(left, "No such") || !strings.HasSuffix(left, "3\nuser\n") {
		t.Errorf("left %q", left)
	}
	m.sh(`cd .migimg-snapshots/*-*; rm -r ../full; btrfs subvolume delete 1000; id=$(ls | grep -v owner); rm $id/mine; btrfs property set $id ro true`)
	if n, err := Sweep(m.dir); n != 1 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
	m.gone()
	if n, err := Sweep(m.dir); n != 0 || err != nil {
		t.Errorf("nothing is there: swept %d, %v", n, err)
	}
}

// TestHelper is the process that is killed.
func TestHelper(t *testing.T) {
	point := os.Getenv("SNAPSHOTS_HOLD")
	if point == "" {
		return
	}
	h, err := Hold(t.Context(), point)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Print("held")
	time.Sleep(time.Minute)
	_ = h.Release()
}

// TestForeign refuses a folder that somebody else may write to.
func TestForeign(t *testing.T) {
	m := mount(t, "200M", "")
	for _, script := range []string{`mkdir .migimg-snapshots; chmod 777 .migimg-snapshots`, `rmdir .migimg-snapshots; ln -s /tmp .migimg-snapshots`} {
		m.sh(script)
		if h, err := Hold(t.Context(), m.dir); err == nil {
			t.Errorf("%s: %d snapshots", script, h.Count())
			_ = h.Release()
		}
	}
	if _, err := Hold(t.Context(), t.TempDir()); err == nil {
		t.Error("held what is no btrfs")
	}
	if _, err := Sweep("/proc"); err == nil || !strings.Contains(err.Error(), "no btrfs") {
		t.Error(err)
	}
	m.sh(`rm .migimg-snapshots`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Hold(ctx, m.dir); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	m.gone()
}

// TestFull has no room for a snapshot: the error says so.
func TestFull(t *testing.T) {
	m := mount(t, "120M", "--mixed")
	m.sh(`for i in $(seq 40); do btrfs subvolume create s$i >/dev/null; done; sync -f .
		for s in 4M 64k 4k 1; do i=0; while head -c $s /dev/urandom > f$s-$i 2>/dev/null; do i=$((i+1)); done; done; sync -f . || true`)
	h, err := Hold(t.Context(), m.dir)
	if err == nil {
		t.Logf("there was room for %d", h.Count())
		if err := h.Release(); err != nil {
			t.Fatal(err)
		}
	} else if !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), "no room") {
		t.Error(err)
	}
	m.gone()
}

// TestHeldBytes deletes and rewrites files, and writes until the room is used
// again, with and without holding: the bytes stay where they were, and do not.
func TestHeldBytes(t *testing.T) {
	for _, held := range []bool{true, false} {
		t.Run(fmt.Sprint(held), func(t *testing.T) {
			m := mount(t, "400M", "-d single -m single")
			m.sh(`mount -o remount,discard=sync .; btrfs subvolume create sub; head -c 20M /dev/urandom > sub/deleted; head -c 20M /dev/urandom > sub/rewritten
				truncate -s 0 sub/nocow; chattr +C sub/nocow; head -c 20M /dev/urandom > sub/nocow; sync -f .`)
			type old struct {
				at   int64
				want []byte
			}
			var olds []old
			dev, err := os.ReadFile(m.img)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"deleted", "rewritten", "nocow"} {
				want, err := os.ReadFile(filepath.Join(m.dir, "sub", name))
				if err != nil {
					t.Fatal(err)
				}
				for at := 0; at < len(want); at += 1 << 20 {
					i := bytes.Index(dev, want[at:][:4096])
					if i < 0 {
						t.Fatalf("%s is not on the device", name)
					}
					olds = append(olds, old{int64(i), want[at:][:4096]})
				}
			}
			var h *Held
			if held {
				h = hold(t, m.dir)
			}
			m.sh(`rm sub/deleted; dd if=/dev/urandom of=sub/rewritten bs=1M count=20 conv=notrunc status=none; dd if=/dev/urandom of=sub/nocow bs=1M count=20 conv=notrunc status=none; sync -f .
				i=0; while head -c 4M /dev/urandom > more$i 2>/dev/null; do i=$((i+1)); done; sync -f . || true; rm more*; sync -f .`)
			same := 0
			dev, err = os.ReadFile(m.img)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range olds {
				if bytes.Equal(dev[o.at:][:4096], o.want) {
					same++
				}
			}
			t.Logf("%d of %d blocks are as they were", same, len(olds))
			if held && same != len(olds) || !held && same > len(olds)/2 {
				t.Errorf("held %t: %d of %d blocks are as they were", held, same, len(olds))
			}
			if h == nil {
				return
			}
			before := used(t, m)
			if err := h.Release(); err != nil {
				t.Fatal(err)
			}
			m.gone()
			for range 100 {
				if before-used(t, m) >= 39<<20 {
					return
				}
				m.sh(`sync -f .; sleep 0.1`)
			}
			t.Errorf("%d bytes were used, and %d are", before, used(t, m))
		})
	}
}

func used(t *testing.T, m *mounted) int64 {
	t.Helper()
	n, err := strconv.ParseInt(strings.TrimSpace(m.sh(`btrfs filesystem df -b . | sed -n 's/^Data.*used=//p'`)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestMany measures.
func TestMany(t *testing.T) {
	m := mount(t, "600M", "")
	m.sh(`for i in $(seq 300); do btrfs subvolume create s$i >/dev/null; head -c 20k /dev/urandom > s$i/file; done; sync -f .`)
	start := time.Now()
	h := hold(t, m.dir)
	took := time.Since(start)
	start = time.Now()
	if err := h.Release(); err != nil || h.Count() != 301 {
		t.Errorf("%d snapshots, %v", h.Count(), err)
	}
	t.Logf("301 snapshots: %v, deleted in %v", took, time.Since(start))
	m.gone()
}

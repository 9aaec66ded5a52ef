//go:build integration && torture

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"migimg/internal/need"
)

// kind is a kind of filesystem. check says whether a copy is sound, as it is; replay is
// whether it has to be mounted once before, as a frozen XFS leaves its log to be replayed.
// others is the check of the others' copies, which are mounted once before in any case.
type kind struct {
	name, mkfs, opts string
	check, others    string
	replay           bool
}

// tortured are the filesystems of the torture.
var tortured = []kind{
	{"ext4", "mkfs.ext4 -q -F", "rw", "e2fsck -fn", "e2fsck -fn", false},
	{"ext4-data-journal", "mkfs.ext4 -q -F", "rw,data=journal", "e2fsck -fn", "e2fsck -fn", false},
	{"xfs", "mkfs.xfs -q -f", "rw,nouuid", "xfs_repair -n", "xfs_repair -n", true},
	{"btrfs", "mkfs.btrfs -q -f", "rw", "btrfs check", "btrfs check --check-data-csum", false},
}

// others are other ways to copy a device, for the record.
var others = []struct{ name, command string }{
	{"dd", "dd if=$0 of=$1 bs=4M iflag=direct conv=sparse status=none"},
	{"qemu-img convert", "qemu-img convert -f raw -O qcow2 -T none $0 $1.qcow2 && qemu-img convert -O raw $1.qcow2 $1 && rm $1.qcow2"},
}

// TestTorture copies a filesystem that is written to in every way there is, ROUNDS
// times: by migimg, by migimg and brought up to date, and by others for the record. What
// the device held while it was frozen is the truth that a copy is compared with.
func TestTorture(t *testing.T) {
	need.Root(t)
	rounds, files := setting("ROUNDS", 20), setting("FILES", 200_000)
	for _, x := range tortured {
		if only := os.Getenv("FS"); only != "" && x.name != only {
			continue
		}
		t.Run(x.name, func(t *testing.T) {
			s := newStage(t, x, files)
			broken := map[string]int{}
			for i := range rounds {
				s.round(t, i, broken)
			}
			for _, by := range others {
				fmt.Printf("| %s | %s | %d rounds | %d broken |\n", x.name, by.name, rounds, broken[by.name])
			}
		})
	}
}

func setting(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// round makes all copies under the same writers, and looks at them when these have
// been stopped.
func (s *stage) round(t *testing.T, n int, broken map[string]int) {
	t.Helper()
	s.start(t)
	pinned := s.pinned(t)
	var by []*copied
	for _, o := range others {
		c := s.copied(o.name)
		c.acked = s.logged() // before it begins
		run(t, "sh", "-ec", strings.NewReplacer("$0", s.dev, "$1", c.raw).Replace(o.command))
		by = append(by, c)
	}
	synced := s.synced(t)
	s.stop(t)
	pinned.judge(t, n)
	synced.judge(t, n)
	for i, c := range by {
		if why := c.wrong(t); why != "" {
			broken[others[i].name]++
			t.Logf("round %d: %s: %s", n, others[i].name, why)
		}
	}
}

// copied is a copy of the stage's disk.
type copied struct {
	*stage
	raw   string        // the file
	truth string        // another, of what the device was
	acked int           // the last entry of the log that was on disk
	kept  time.Duration // to keep the truth
}

func (s *stage) copied(name string) *copied {
	path := filepath.Join(s.dir, strings.Fields(name)[0])
	c := &copied{stage: s, raw: path, truth: path + ".truth"}
	_, _ = os.Remove(c.raw), os.Remove(c.truth)
	return c
}

// frozen keeps the truth; it is called when T0 has come, while it lasts.
func (c *copied) frozen(t *testing.T) func() {
	return func() {
		begin := time.Now()
		c.acked = c.logged()
		run(t, "dd", "if="+c.dev, "of="+c.truth, "bs=4M", "iflag=direct", "conv=sparse", "status=none")
		c.kept = time.Since(begin)
	}
}

// unpack makes the raw file of a qcow2 copy beside it.
func (c *copied) unpack(t *testing.T) {
	run(t, "qemu-img", "convert", "-O", "raw", c.raw+".qcow2", c.raw)
	_ = os.Remove(c.raw + ".qcow2")
}

// wrong says what is wrong with a copy that nobody knows the truth of.
func (c *copied) wrong(t *testing.T) string {
	if why := c.sound(c.raw, c.others, true); why != "" {
		return why
	}
	point, done := c.look(t, c.raw)
	defer done()
	n := lastEntry(filepath.Join(point, "numbered.log"))
	if n < c.acked {
		return fmt.Sprintf("the log ends at %d, and %d was on disk before", n, c.acked)
	}
	return ""
}

// pinnedCopy is one by migimg.
type pinnedCopy struct {
	*copied
	drift drift
}

// pinned mounts, copies and unmounts.
func (s *stage) pinned(t *testing.T) *pinnedCopy {
	t.Helper()
	c := &pinnedCopy{copied: s.copied("migimg")}
	point, end := mountHere(t, s.dev, momentOptions{limit: time.Minute, frozen: c.frozen(t)})
	run(t, "cp", filepath.Join(point, "disk.qcow2"), c.raw+".qcow2")
	if err := json.Unmarshal(readAll(t, filepath.Join(point, ".migimg/drift.json")), &c.drift); err != nil || c.drift.State != "tracked" {
		t.Fatalf("drift: %s: %s, %v", c.drift.State, c.drift.Detail, err)
	}
	end()
	return c
}

// judge compares a copy with the truth, file by file: only what moved may differ.
func (c *pinnedCopy) judge(t *testing.T, n int) {
	t.Helper()
	c.unpack(t)
	if why := c.sound(c.raw, c.check, c.replay); why != "" {
		t.Errorf("round %d: %s", n, why)
	}
	moved := map[string]bool{}
	for _, f := range c.drift.Files {
		moved[f.Path] = true
	}
	want, _, err := c.list(t, c.truth, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, entries, err := c.list(t, c.raw, moved)
	if err != nil {
		t.Errorf("round %d: %v", n, err)
	}
	bad, differ := 0, 0
	for path, w := range want {
		g, ok := got[path]
		switch {
		case !ok || g.meta != w.meta:
			bad++
			t.Errorf("round %d: %s is not as it was: %+v, want %+v", n, path, g, w)
		case g.sum != w.sum:
			if differ++; !moved[path] {
				bad++
				t.Errorf("round %d: %s differs from T0 and is not in the drift", n, path)
			}
		}
		if bad > 10 {
			t.FailNow()
		}
	}
	if len(got) != len(want) {
		t.Errorf("round %d: %d files, want %d", n, len(got), len(want))
	}
	if entries < c.acked {
		t.Errorf("round %d: the log ends at %d, and %d was on disk before T0", n, entries, c.acked)
	}
	fmt.Printf("| %s | pinned | %d | %d files, %d moved, %d differ; log %d of %d |\n", t.Name(), n, len(got), len(moved), differ, entries, c.acked)
}

//go:build integration

package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"migimg/internal/need"
)

// TestSameBytes: from front to back, by sixteen at a time, at random, mapped, and from a
// second mount: an image has one content.
func TestSameBytes(t *testing.T) {
	path, _ := fragmentedDisk().make(t)
	point, second := mountMigimg(t, path), mountMigimg(t, path)
	for _, f := range statusOf(t, point).Files {
		name := filepath.Join(point, f.Path)
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := os.ReadFile(filepath.Join(second, f.Path)); err != nil || !bytes.Equal(again, want) {
			t.Errorf("%s: the second mount's is another, %v", f.Path, err)
		}
		if !bytes.Equal(contents(t, name), want) {
			t.Errorf("%s: mapped, it is another", f.Path)
		}
		var readers sync.WaitGroup
		for i := range 16 {
			readers.Go(func() { atRandom(t, name, want, uint64(i)) })
		}
		readers.Wait()
	}
}

// atRandom makes 500 reads of 1 byte to 4 MiB.
func atRandom(t *testing.T, name string, want []byte, seed uint64) {
	f, err := os.Open(name)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	rng := rand.New(rand.NewPCG(seed, 4))
	b := make([]byte, 4<<20)
	for range 500 {
		off := rng.Int64N(int64(len(want)))
		n := 1 + rng.Int64N(1<<(1+rng.IntN(22)))
		m, err := f.ReadAt(b[:n], off)
		if err != nil && err != io.EOF || !bytes.Equal(b[:m], want[off:min(off+n, int64(len(want)))]) {
			t.Errorf("%s: %d bytes at %d: %v, or wrong bytes", name, n, off, err)
			return
		}
	}
}

// TestResumed: a copy that was cut off is completed by what people complete copies with,
// from another mount of the same disk too.
func TestResumed(t *testing.T) {
	need.Tool(t, "rsync", "dd", "cmp", "truncate")
	path, _ := fragmentedDisk().make(t)
	point := mountMigimg(t, path)
	files := statusOf(t, point).Files
	dir := tempDir(t)
	for i, f := range files {
		from, to := filepath.Join(point, f.Path), filepath.Join(dir, f.Path)
		run(t, "cp", "--no-preserve=mode", from, to)
		run(t, "truncate", "-s", fmt.Sprint(f.Size/3+int64(i)*1000+7), to)
	}
	plans := map[string]string{}
	for _, f := range files {
		plans[f.Path] = f.PlanDigest
	}
	run(t, program, "umount", point)
	point = mountMigimg(t, path)
	for _, f := range statusOf(t, point).Files {
		if f.PlanDigest != plans[f.Path] {
			t.Fatalf("%s: the plan is %s, it was %s", f.Path, f.PlanDigest, plans[f.Path])
		}
		from, cut := filepath.Join(point, f.Path), filepath.Join(dir, f.Path)
		for _, resume := range []string{
			`rsync --inplace --append-verify "$0" "$1"`,
			`rsync --inplace --append "$0" "$1"`,
			`dd if="$0" of="$1" iflag=skip_bytes oflag=seek_bytes skip=$(stat -c %s "$1") seek=$(stat -c %s "$1") bs=1M conv=notrunc status=none`,
			`tail -c +$(($(stat -c %s "$1") + 1)) "$0" >>"$1"`,
		} {
			to := cut + ".resumed"
			run(t, "cp", cut, to)
			run(t, "sh", "-ec", resume, from, to)
			run(t, "cmp", from, to)
		}
	}
	// Of a disk that has changed, the plan tells.
	run(t, program, "umount", point)
	part := loop(t, path, "-o", fmt.Sprint(2048*512), "--sizelimit", fmt.Sprint(fsSize))
	fs, umount := mountFS(t, part, "rw")
	writeFile(t, filepath.Join(fs, "new"), 3<<20, rand.NewChaCha8([32]byte{3}))
	umount()
	if out, err := exec.Command("losetup", "-d", part).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	for _, f := range statusOf(t, mountMigimg(t, path)).Files {
		if f.PlanDigest == plans[f.Path] && !strings.HasSuffix(f.Path, ".raw") {
			t.Errorf("%s: the plan is the same for another disk", f.Path)
		}
	}
}

//go:build integration && torture

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// syncedCopy is one by migimg that was brought up to date.
type syncedCopy struct {
	*copied
	carried spans
	out     *resynced
}

// synced copies, and brings the copy up to date.
func (s *stage) synced(t *testing.T) *syncedCopy {
	t.Helper()
	c := &syncedCopy{copied: s.copied("sync")}
	point := mountMigimg(t, s.dev, "--freeze-timeout", "1m") // however busy the disk is
	run(t, "cp", "--no-preserve=mode", filepath.Join(point, "disk.qcow2"), c.raw+".qcow2")
	r := &resync{rounds: 5, stall: time.Minute}
	r.moment.frozen = c.frozen(t)
	var err error
	if c.out, err = r.sync(context.Background(), point, c.raw+".qcow2", ""); err != nil {
		t.Fatal(err)
	}
	c.carried = r.carried
	run(t, program, "umount", point)
	return c
}

// judge compares the copy with the truth, byte for byte, and opens the databases in
// it.
func (c *syncedCopy) judge(t *testing.T, n int) {
	t.Helper()
	c.unpack(t)
	c.same(t)
	if why := c.sound(c.raw, c.check, c.replay); why != "" {
		t.Errorf("sync %d: %s", n, why)
	}
	if entries := c.databases(t); entries < c.acked {
		t.Errorf("sync %d: the log ends at %d, and %d was on disk before T0", n, entries, c.acked)
	}
	var rounds []string
	for _, r := range c.out.Rounds {
		rounds = append(rounds, fmt.Sprintf("%d MiB in %d ms", r.Bytes>>20, r.Took))
	}
	fmt.Printf("| %s | sync | %d | frozen for %d ms | %s |\n", t.Name(), n, c.out.Frozen-c.kept.Milliseconds(), strings.Join(rounds, ", "))
}

// same compares what is carried with the device as it was.
func (c *syncedCopy) same(t *testing.T) {
	t.Helper()
	var files [2]*os.File
	for i, path := range []string{c.truth, c.raw} {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files[i] = f
	}
	a, b := make([]byte, 1<<20), make([]byte, 1<<20)
	for _, r := range c.carried {
		for off := r.Off; off < r.End(); off += int64(len(a)) {
			l := min(int64(len(a)), r.End()-off)
			if _, err := files[0].ReadAt(a[:l], off); err != nil {
				t.Fatal(err)
			}
			if _, err := files[1].ReadAt(b[:l], off); err != nil {
				t.Fatal(err)
			}
			if string(a[:l]) != string(b[:l]) {
				t.Fatalf("bytes [%d, %d) are not those of the frozen device", off, off+l)
			}
		}
	}
}

// databases opens the databases in the copy and has them check themselves; it says
// how far the numbered log goes.
func (c *syncedCopy) databases(t *testing.T) int {
	t.Helper()
	point, done := c.look(t, c.raw)
	defer done()
	if got := strings.TrimSpace(run(t, "sqlite3", filepath.Join(point, "db.sqlite"), "pragma integrity_check; select count(*) > 0 from t")); got != "ok\n1" {
		t.Errorf("SQLite: %s", got)
	}
	pg := filepath.Join(point, "pg")
	_ = os.Remove(filepath.Join(pg, "data/postmaster.pid"))
	c.postgres(t, fmt.Sprintf("pg_ctl -s -w -D %s/data -o '-k %s -h \"\"' -l %s/log start", pg, pg, pg))
	defer c.postgres(t, "pg_ctl -s -m fast -w -D "+pg+"/data stop")
	c.postgres(t, "pg_amcheck -h "+pg+" --all --install-missing --heapallindexed --parent-check")
	// What pgbench keeps equal in each transaction.
	c.postgres(t, "test $(psql -h "+pg+" -Atc 'select (select sum(abalance) from pgbench_accounts) = (select sum(bbalance) from pgbench_branches) and (select sum(tbalance) from pgbench_tellers) = (select sum(delta) from pgbench_history)' postgres) = t")
	return lastEntry(filepath.Join(point, "numbered.log"))
}

package all_test

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"migimg/blockmap"
	"migimg/encoders"
	"migimg/encoders/all"
	"migimg/encoders/encodertest"
)

func TestNames(t *testing.T) {
	names, paths := map[string]bool{}, map[string]bool{}
	for _, enc := range all.Formats() {
		if names[enc.Name()] {
			t.Errorf("two formats are called %s", enc.Name())
		}
		names[enc.Name()] = true
	}
	m, err := blockmap.NewMap(1<<20, blockmap.DefaultClusterSize)
	if err != nil {
		t.Fatal(err)
	}
	for _, enc := range all.Encoders() {
		outs, err := enc.Plan(encoders.Disk{Map: m}, encoders.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range outs {
			if paths[o.Path] {
				t.Errorf("two files are called %s", o.Path)
			}
			paths[o.Path] = true
		}
	}
}

// TestLimits says which disks each format takes.
func TestLimits(t *testing.T) {
	takes := map[string]map[string]bool{
		"raw":   {"2T-sector": true, "2040G": true, "16T": true, "16T-dense": true, "64T": true},
		"qcow2": {"2T-sector": true, "2040G": true, "16T": true, "16T-dense": true, "64T": true},
		"vhd":   {"2T-sector": false, "2040G": true, "16T": false, "16T-dense": false, "64T": false},
		"vmdk":  {"2T-sector": true, "2040G": false, "16T": true, "16T-dense": false, "64T": false},

		"vhd-fixed":        {"2T-sector": false, "2040G": true, "16T": false, "16T-dense": false, "64T": false},
		"vhdx":             {"2T-sector": true, "2040G": true, "16T": true, "16T-dense": true, "64T": true},
		"vmdk-sparse":      {"2T-sector": true, "2040G": true, "16T": true, "16T-dense": false, "64T": false},
		"vmdk-flat-hosted": {"2T-sector": true, "2040G": true, "16T": true, "16T-dense": true, "64T": false},
		"vmdk-flat":        {"2T-sector": true, "2040G": true, "16T": true, "16T-dense": true, "64T": false},
		"vdi":              {"2T-sector": true, "2040G": true, "16T": true, "16T-dense": true, "64T": true},
		"ova":              {"2T-sector": true, "2040G": false, "16T": true, "16T-dense": false, "64T": false},
		"raw.gz":           {"2T-sector": true, "2040G": true, "16T": true, "16T-dense": true, "64T": true},
		"raw.zst":          {"2T-sector": true, "2040G": true, "16T": true, "16T-dense": true, "64T": true},
		"tar":              {"2T-sector": true, "2040G": true, "16T": true, "16T-dense": true, "64T": true},
		"tar.gz":           {"2T-sector": true, "2040G": true, "16T": true, "16T-dense": true, "64T": true},
	}
	for _, c := range encodertest.Large() {
		d := c.Disk(t)
		for _, enc := range all.Formats() {
			_, err := enc.Plan(d, c.Options)
			want, known := takes[enc.Name()]
			switch {
			case !known:
				t.Errorf("takes does not say which disks %s can hold", enc.Name())
			case (err == nil) != want[c.Name] || err != nil && !errors.Is(err, encoders.ErrLimit):
				t.Errorf("%s: a disk of %s: taken %v, want %v: %v", enc.Name(), c.Name, err == nil, want[c.Name], err)
			}
		}
	}
}

// fragmented is a disk of which about half is carried, in runs of about 64
// clusters.
func fragmented(t testing.TB, size int64) *blockmap.Map {
	t.Helper()
	rnd := rand.New(rand.NewPCG(1, 2))
	m, err := blockmap.FromRanges(size, blockmap.DefaultClusterSize, func(yield func(blockmap.Range) bool) {
		for at := int64(0); ; {
			at += (1 + rnd.Int64N(128)) * blockmap.DefaultClusterSize
			n := min((1+rnd.Int64N(128))*blockmap.DefaultClusterSize, size-at)
			if n <= 0 || !yield(blockmap.Range{Off: at, Len: n}) {
				return
			}
			at += n
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestPlanCost holds planning to its promise: at most a second for all
// formats of a disk of 16 TiB, and no memory that grows with its clusters but
// the bits of coarser maps.
func TestPlanCost(t *testing.T) {
	dense, err := blockmap.NewMap(16<<40, blockmap.DefaultClusterSize)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		m    *blockmap.Map
	}{
		{"dense 16 TiB", dense},
		{"fragmented 16 TiB", fragmented(t, 16<<40)},
		{"fragmented 2040 GiB", fragmented(t, 2040<<30)},
	} {
		t.Run(c.name, func(t *testing.T) {
			best, bytes := time.Hour, uint64(0)
			for range 3 { // the machine may be busy with something else
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				start := time.Now()
				for _, enc := range all.Formats() {
					if strings.HasPrefix(enc.Name(), "tar") {
						continue // the archive has a list of all pieces of the disk
					}
					if _, err := enc.Plan(encoders.Disk{Map: c.m}, encoders.Options{}); err != nil && !errors.Is(err, encoders.ErrLimit) {
						t.Fatal(err)
					}
				}
				best = min(best, time.Since(start))
				runtime.ReadMemStats(&after)
				bytes = after.TotalAlloc - before.TotalAlloc
			}
			t.Logf("%v, %d KiB", best, bytes>>10)
			if best > time.Second {
				t.Errorf("planning takes %v", best)
			}
			if bytes > 8<<20 {
				t.Errorf("planning takes %d bytes", bytes)
			}
		})
	}
}

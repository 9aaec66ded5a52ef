package encodertest

import (
	"fmt"
	"math/rand/v2"

	"migimg/blockmap"
	"migimg/encoders"
)

const (
	kib = int64(1) << 10
	mib = kib << 10
	gib = mib << 10
	tib = gib << 10

	sector  = 512
	cluster = 64 * kib
)

// Small are disks whose images are checked to the last byte.
func Small() []Case {
	all := func(size int64) []blockmap.Range { return []blockmap.Range{{Off: 0, Len: size}} }
	odd := 5*mib + 3*sector
	edges := []blockmap.Range{
		{Off: 2*mib - cluster, Len: 2 * cluster},   // between VHD blocks; 4 KiB qcow2 clusters' L2 tables
		{Off: 32*mib - cluster, Len: 2 * cluster},  // grain tables
		{Off: 256*mib - cluster, Len: 2 * cluster}, // sectors of VHD's table
		{Off: 512*mib - 3*mib, Len: 6 * mib},       // L2 tables
		{Off: 1*gib - cluster, Len: cluster},       // just before one, and nothing after it
		{Off: 4*gib - cluster, Len: 2 * cluster},   // sectors of the grain directory
		{Off: 5*gib + cluster, Len: 7 * sector},
	}
	return []Case{
		{Name: "zero-bytes", Size: 0, Cluster: cluster},
		{Name: "one-sector", Size: sector, Cluster: cluster, Carried: all(sector)},
		{Name: "empty", Size: 8 * mib, Cluster: cluster},
		{Name: "one-cluster", Size: 8 * mib, Cluster: cluster, Carried: []blockmap.Range{{Off: 3 * mib, Len: cluster}}},
		{Name: "dense", Size: odd, Cluster: cluster, Carried: all(odd)},
		{Name: "dense-aligned", Size: 4 * mib, Cluster: cluster, Carried: all(4 * mib)},
		{Name: "last-partial", Size: 9*mib + 17*sector, Cluster: cluster, Carried: []blockmap.Range{{Off: 9 * mib, Len: 17 * sector}}},
		{Name: "odd-size", Size: 3*mib + 100, Cluster: cluster, Carried: all(3*mib + 100)},
		{Name: "sparse", Size: 100 * mib, Cluster: cluster, Carried: scattered(1, 100*mib, cluster, 512*kib, 60)},
		{Name: "fragments", Size: 40*mib + sector, Cluster: cluster, Carried: scattered(2, 40*mib+sector, sector, 96*kib, 150)},
		{Name: "map-4k", Size: 24 * mib, Cluster: 4 * kib, Carried: scattered(3, 24*mib, 4*kib, 64*kib, 200)},
		{Name: "cluster-4k", Size: 24*mib + 5*sector, Cluster: cluster, Carried: scattered(4, 24*mib+5*sector, cluster, 256*kib, 50), Options: encoders.Options{ClusterSize: 4 * kib}},
		{Name: "cluster-2m", Size: 70*mib + sector, Cluster: cluster, Carried: scattered(5, 70*mib+sector, cluster, 256*kib, 20), Options: encoders.Options{ClusterSize: 2 * mib}},
		{Name: "version-2", Size: 8*mib + sector, Cluster: cluster, Carried: scattered(7, 8*mib+sector, cluster, 256*kib, 10), Options: encoders.Options{QCOW2Version: 2}},
		{Name: "edges", Size: 5*gib + 2*cluster, Cluster: cluster, Carried: edges},
	}
}

// Random are twenty disks of random sizes, maps and cluster sizes; the same
// ones each time.
func Random() (out []Case) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 13))
		size := 1 + r.Int64N(12*mib)
		if r.IntN(2) == 0 {
			size = (size + sector - 1) / sector * sector
		}
		c := Case{Name: fmt.Sprintf("random-%d", seed), Size: size, Cluster: 4 * kib << r.IntN(5)}
		unit := int64(1) << r.IntN(17)
		c.Carried = scattered(seed, size, unit, unit*(1+r.Int64N(40)), 1+r.IntN(60))
		if r.IntN(2) == 0 {
			c.Options.ClusterSize = 4 * kib << r.IntN(10)
		}
		out = append(out, c)
	}
	return out
}

// Large are disks that are planned, and read here and there.
func Large() []Case {
	few := func(size int64) []blockmap.Range {
		return append(scattered(6, size-gib, cluster, 64*mib, 2000), blockmap.Range{Off: size - 3*sector, Len: 3 * sector})
	}
	return []Case{
		{Name: "2T-sector", Size: 2*tib - sector, Cluster: cluster, Carried: few(2*tib - sector)},
		{Name: "2040G", Size: 2040 * gib, Cluster: cluster, Carried: []blockmap.Range{{Off: 0, Len: 2040 * gib}}},
		{Name: "16T", Size: 16 * tib, Cluster: cluster, Carried: few(16 * tib)},
		{Name: "16T-dense", Size: 16 * tib, Cluster: cluster, Carried: []blockmap.Range{{Off: 0, Len: 16 * tib}}},
		{Name: "64T", Size: 64 * tib, Cluster: cluster, Carried: few(64 * tib)},
	}
}

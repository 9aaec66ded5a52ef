package exfat_test

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"migimg/blockmap"
)

// dump is what dump.exfat says of a filesystem.
type dump map[string]int64

func runDump(t testing.TB, img string) dump {
	t.Helper()
	cmd := exec.Command("dump.exfat", img)
	cmd.Env = append(cmd.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("dump.exfat %s: %v\n%s", img, err, out)
	}
	d := dump{}
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if n, err := strconv.ParseInt(strings.TrimSpace(value), 0, 64); err == nil {
			d[key] = n
		}
	}
	return d
}

// freeOf reads the bitmap where dump.exfat says that it is, bit by bit, and
// checks the number of free clusters against what dump.exfat counted.
func freeOf(t testing.TB, img string) (free []blockmap.Range) {
	t.Helper()
	d := runDump(t, img)
	cluster := d["Cluster size"]
	heap := d["Cluster Heap Offset (sector offset)"] << d["Sector Size Bits"]
	f, err := os.Open(img)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	b := make([]byte, d["Bitmap size"])
	if _, err := f.ReadAt(b, heap+(d["Bitmap start cluster"]-2)*cluster); err != nil {
		t.Fatal(err)
	}
	count := int64(0)
	for i := range d["Cluster Count"] {
		if b[i/8]>>(i%8)&1 != 0 {
			continue
		}
		count++
		r := blockmap.Range{Off: heap + i*cluster, Len: cluster}
		if n := len(free); n > 0 && free[n-1].End() == r.Off {
			free[n-1].Len += r.Len
		} else {
			free = append(free, r)
		}
	}
	if want, ok := d["Free Clusters"]; !ok || count != want {
		t.Fatalf("%d clusters are free, dump.exfat says %d", count, want)
	}
	return free
}

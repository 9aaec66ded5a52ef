package fat_test

import (
	"encoding/binary"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"migimg/blockmap"
)

// fsck is what fsck.fat says of a filesystem.
type fsck struct {
	cluster, fatAt, fats, bits, fatBytes, dataAt, clusters, used int64
}

var fsckLines = regexp.MustCompile(`(?m)^ *(\d+) bytes per cluster$|` +
	`^First FAT starts at byte (\d+)|^ *(\d+) FATs?, (\d+) bit entries$|^ *(\d+) bytes per FAT|` +
	`^Data area starts at byte (\d+)|^ *(\d+) data clusters|: \d+ files, (\d+)/\d+ clusters$`)

func runFsck(t testing.TB, img string) (k fsck) {
	t.Helper()
	cmd := exec.Command("fsck.fat", "-n", "-v", img)
	cmd.Env = append(cmd.Environ(), "LC_ALL=C")
	out, _ := cmd.CombinedOutput() // where there is no backup or another label in the boot sector, it fails
	fields := []*int64{&k.cluster, &k.fatAt, &k.fats, &k.bits, &k.fatBytes, &k.dataAt, &k.clusters, &k.used}
	found := 0
	for _, m := range fsckLines.FindAllStringSubmatch(string(out), -1) {
		for i, s := range m[1:] {
			if s != "" {
				n, err := strconv.ParseInt(s, 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				*fields[i] = n
				found++
			}
		}
	}
	if found != len(fields) {
		t.Fatalf("fsck.fat says %d of %d things:\n%s", found, len(fields), out)
	}
	return k
}

// freeOf reads the first table where fsck.fat says that it is, entry by entry,
// and checks the number of clusters in use against what fsck.fat counted.
func freeOf(t testing.TB, img string) (free []blockmap.Range) {
	t.Helper()
	k := runFsck(t, img)
	f, err := os.Open(img)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	fat := make([]byte, k.fatBytes+4)
	if _, err := f.ReadAt(fat[:k.fatBytes], k.fatAt); err != nil {
		t.Fatal(err)
	}
	used := int64(0)
	for c := int64(2); c < k.clusters+2; c++ {
		bit := c * k.bits
		v := binary.LittleEndian.Uint32(fat[bit/8:]) >> (bit % 8)
		if k.bits == 32 {
			v <<= 4
		}
		if v<<(32-min(k.bits, 32)) != 0 {
			used++
			continue
		}
		r := blockmap.Range{Off: k.dataAt + (c-2)*k.cluster, Len: k.cluster}
		if n := len(free); n > 0 && free[n-1].End() == r.Off {
			free[n-1].Len += r.Len
		} else {
			free = append(free, r)
		}
	}
	if used != k.used {
		t.Fatalf("%d clusters are in use, fsck.fat says %d", used, k.used)
	}
	return free
}

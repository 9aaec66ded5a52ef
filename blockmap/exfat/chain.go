package exfat

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
)

// run is the clusters [from, to).
type run struct{ from, to int64 }

// fatBuffer is what is read of the FAT at once, in bytes.
const fatBuffer = 64 << 10

// checkFAT looks at the two entries that are no cluster's (specification, section
// 4.1), and says whether a FAT begins where it has to.
func (f *fsys) checkFAT() (string, error) {
	off := f.fatOffset * f.sector
	b := make([]byte, 8)
	if err := readFull(f.v, b, off, "FAT"); err != nil {
		return "", err
	}
	if string(b) != "\xf8\xff\xff\xff\xff\xff\xff\xff" {
		return fmt.Sprintf("the FAT at byte %d does not begin as one: run fsck.exfat", off), nil
	}
	return "", nil
}

// chain is the clusters of the file that begins in cluster c, in the file's
// order, or says why it has none. It has at most limit clusters: that bounds a
// chain that bites its tail.
func (f *fsys) chain(ctx context.Context, c, limit int64, what string) (runs []run, why string, err error) {
	var buf []byte
	at := int64(-1) // the FAT's byte at which buf begins
	for n := int64(0); c != endOfChain; n++ {
		if !f.valid(c) {
			return nil, fmt.Sprintf("the chain of the %s leads to cluster %d, of %d: run fsck.exfat", what, c, f.clusters), nil
		}
		if n == limit {
			return nil, fmt.Sprintf("the chain of the %s has more than %d clusters: run fsck.exfat", what, limit), nil
		}
		if k := len(runs); k > 0 && runs[k-1].to == c {
			runs[k-1].to++
		} else {
			runs = append(runs, run{c, c + 1})
		}
		if place := c * 4 / fatBuffer * fatBuffer; place != at {
			if err := ctx.Err(); err != nil {
				return nil, "", err
			}
			at = place
			buf = make([]byte, min(fatBuffer, (f.clusters+firstCluster)*4-at))
			if err := readFull(f.v, buf, f.fatOffset*f.sector+at, "FAT"); err != nil {
				return nil, "", err
			}
		}
		c = int64(binary.LittleEndian.Uint32(buf[c*4-at:]))
	}
	return runs, "", nil
}

// count is how many clusters there are in runs.
func count(runs []run) (n int64) {
	for _, r := range runs {
		n += r.to - r.from
	}
	return n
}

// joined sorts runs, and says whether no cluster is in two of them.
func joined(runs []run) ([]run, bool) {
	slices.SortFunc(runs, func(a, b run) int { return cmp.Compare(a.from, b.from) })
	for i := 1; i < len(runs); i++ {
		if runs[i].from < runs[i-1].to {
			return nil, false
		}
	}
	return runs, true
}

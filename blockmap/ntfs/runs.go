package ntfs

import (
	"errors"
	"fmt"
)

// run is neighbouring clusters of an attribute's contents: n from cluster vcn
// of the contents on are those from cluster lcn of the volume on. A negative
// lcn is a hole, which reads as zeros.
type run struct {
	vcn, lcn, n int64
}

const hole = -1

// maxRuns bounds the memory that the runs of one attribute take. It is more
// than what attribute lists of 256 KiB, Windows' limit, can hold in records of
// 1 KiB.
const maxRuns = 1 << 20

// stream is the contents of an attribute.
type stream struct {
	resident []byte // what is in the record; then runs is empty
	runs     []run  // ascending, without gaps
	size     int64  // bytes
	written  int64  // bytes; what is behind reads as zeros
	flags    uint16
	stored   int64 // clusters of the volume in the runs
}

// plain says whether the contents are stored as metadata is: neither compressed
// nor encrypted, and without holes, so that they are no larger than the volume.
func (s *stream) plain() bool {
	return s.flags == 0 && s.stored == s.clusters()
}

// clusters is how many clusters the runs that are known cover.
func (s *stream) clusters() int64 {
	if len(s.runs) == 0 {
		return 0
	}
	last := s.runs[len(s.runs)-1]
	return last.vcn + last.n
}

// appendRuns adds the runs of a, which must begin where those of s end. clusters
// is how many the volume has.
//
// A run is a byte whose halves say how many bytes the two numbers behind it
// have: the clusters, and the signed distance to the last run's first cluster;
// without the second, the run is a hole (ntfs-3g, libntfs-3g/runlist.c,
// ntfs_mapping_pairs_decompress).
func (s *stream) appendRuns(a attr, clusters int64) error {
	vcn, last := a.i64(16), a.i64(24)
	if vcn != s.clusters() {
		return fmt.Errorf("its runs begin at cluster %d, must at %d", vcn, s.clusters())
	}
	at := int(a[32]) | int(a[33])<<8
	if at < nonResidentHead || at > len(a) {
		return fmt.Errorf("its runs lie at byte %d", at)
	}
	lcn := int64(0)
	for b := a[at:]; ; {
		if len(b) == 0 {
			return errors.New("its runs do not end")
		}
		if b[0] == 0 {
			break
		}
		nLen, nOff := int(b[0]&15), int(b[0]>>4)
		if nLen == 0 || nLen > 8 || nOff > 8 || 1+nLen+nOff > len(b) {
			return fmt.Errorf("impossible run %#02x", b[0])
		}
		n, move := signed(b[1:1+nLen]), signed(b[1+nLen:1+nLen+nOff])
		b = b[1+nLen+nOff:]
		r := run{vcn: vcn, lcn: hole, n: n}
		if nOff > 0 {
			if move < -clusters || move > clusters {
				return fmt.Errorf("a run is %d clusters away", move)
			}
			lcn += move
			r.lcn = lcn
			if lcn < 0 || lcn >= clusters || n > clusters-lcn {
				return fmt.Errorf("a run of %d clusters lies at %d of %d", n, lcn, clusters)
			}
		}
		if n <= 0 || n > maxClusters || len(s.runs) == maxRuns {
			return fmt.Errorf("run %d has %d clusters", len(s.runs), n)
		}
		vcn += n
		if r.lcn >= 0 {
			s.stored += n
		}
		if vcn > maxClusters || s.stored > clusters {
			return fmt.Errorf("its runs cover %d clusters, %d of them stored", vcn, s.stored)
		}
		if k := len(s.runs); k > 0 && r.lcn >= 0 && s.runs[k-1].lcn >= 0 && s.runs[k-1].lcn+s.runs[k-1].n == r.lcn {
			s.runs[k-1].n += n
			continue
		}
		s.runs = append(s.runs, r)
	}
	if last != vcn-1 && last != 0 { // 0 also where nobody cared to say
		return fmt.Errorf("its runs end at cluster %d, must at %d", vcn-1, last)
	}
	return nil
}

// signed is a little-endian number of up to 8 bytes.
func signed(b []byte) int64 {
	v := int64(0)
	for i, c := range b {
		v |= int64(c) << (8 * i)
	}
	if n := len(b); n > 0 && n < 8 && b[n-1]&0x80 != 0 {
		v -= 1 << (8 * n)
	}
	return v
}

// find is the index of the run that holds cluster vcn of the contents, which
// the runs cover.
func (s *stream) find(vcn int64) int {
	lo, hi := 0, len(s.runs)
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; s.runs[mid].vcn <= vcn {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

// readStream fills p from byte off of the contents on. what names them.
func (f *fsys) readStream(s *stream, p []byte, off int64, what string) error {
	if off < 0 || int64(len(p)) > s.size-off {
		return damaged("%s: %d bytes at %d of %d", what, len(p), off, s.size)
	}
	if s.runs == nil {
		copy(p, s.resident[off:])
		return nil
	}
	if n := max(0, s.written-off); n < int64(len(p)) {
		clear(p[n:])
		p = p[:n]
	}
	c := f.boot.cluster
	if off+int64(len(p)) > s.clusters()*c {
		return damaged("%s: its runs end before byte %d", what, off+int64(len(p)))
	}
	for i := s.find(off / c); len(p) > 0; i++ {
		r := s.runs[i]
		from := off - r.vcn*c
		n := min(int64(len(p)), r.n*c-from)
		if r.lcn < 0 {
			clear(p[:n])
		} else if err := f.read(p[:n], r.lcn*c+from, what); err != nil {
			return err
		}
		p, off = p[n:], off+n
	}
	return nil
}

package vhdx

import "migimg/verify/decoder"

// checkEnd checks the file's length against what is in it. Free space may be
// anywhere in the file (2.1).
func checkEnd(f decoder.File, p *parameters, t *batReader, ps *decoder.Problems) {
	s := t.s
	all := s.taken + (p.blocks()-t.present-t.kept)*(p.block/mib) // MiB, with every block
	if t.beyond == 0 && f.Size%mib != 0 && s.end <= f.Size {
		// All structures are numbers of MiB (2.1), and so is the file.
		if p.fixed && f.Size%mib == p.size%mib {
			ps.Warnf(f.Size, "vhdx: the file has %d bytes, which is no number of MiB: qemu-img makes fixed disks so", f.Size)
		} else {
			ps.Failf(f.Size, "vhdx: the file has %d bytes, which is no number of MiB: a short copy, or something was appended", f.Size)
		}
	}
	switch {
	case p.fixed && all > s.mibs:
		// "The implementation MUST NOT reduce the size of the file to a value lower
		// than would be required to allocate every block" (2.6.2.1).
		ps.Warnf(f.Size, "vhdx: a fixed disk whose file has %d MiB; with every block it would have %d", s.mibs, all)
	case !p.fixed && f.Size-s.end >= mib:
		ps.Warnf(s.end, "vhdx: %d bytes of free space after the last block", f.Size-s.end)
	}
}

// checkTail checks that nothing lies in the last block after the disk's end.
func (d *disk) checkTail(ps *decoder.Problems) {
	last := int64(len(d.places)) - 1
	rest := d.size - last*d.block
	if d.places[last] == hole || d.places[last] == damaged {
		return
	}
	at := int64(d.places[last])*mib + rest
	buf := make([]byte, min(mib, d.block-rest))
	for left := min(d.block-rest, d.f.Size-at); left > 0; {
		b := buf[:min(left, int64(len(buf)))]
		if _, err := d.f.ReadAt(b, at); err != nil {
			return // the content's check comes by here, too
		}
		for i, c := range b {
			if c != 0 {
				ps.Warnf(at+int64(i), "vhdx: bytes after the disk's end in its last block")
				return
			}
		}
		at, left = at+int64(len(b)), left-int64(len(b))
	}
}

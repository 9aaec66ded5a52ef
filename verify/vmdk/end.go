package vmdk

import (
	"bytes"
	"encoding/binary"

	"migimg/verify/decoder"
)

// checkStreamEnd checks how a stream ends: its last grain, then one sector of
// zeros, which is the end-of-stream marker, then nothing.
func checkStreamEnd(f decoder.File, h *header, t *tables, ps *decoder.Problems) {
	end := h.overhead // of the last grain
	if t.last >= 0 {
		b, err := f.Bytes(t.max*sector, 12)
		if err != nil {
			ps.Err(t.max*sector, "vmdk: marker of the last grain", err)
			return
		}
		end = roundUp(t.max*sector + 12 + int64(binary.LittleEndian.Uint32(b[8:])))
	}
	if t.next != nil {
		t.next[len(t.next)-1] = uint32(min(end/sector, 1<<32-1))
		for i := len(t.next) - 2; i >= 0 && t.next[i] == 0; i-- {
			t.next[i] = t.next[i+1] // tables after the last grain
		}
		if first := int64(t.next[0]) * sector; t.last >= 0 && first != h.overhead {
			ps.Failf(64, "vmdk: header: the metadata ends at %d, the first grain begins at %d", h.overhead, first)
		}
	}
	switch want := end + sector; {
	case f.Size < end:
		ps.Failf(f.Size, "vmdk: the file has %d bytes; its grains and the end-of-stream marker need %d: %d are missing", f.Size, want, want-f.Size)
	case f.Size < want && h.flags&flagRedundant != 0:
		ps.Warnf(end, "vmdk: no end-of-stream marker, as qemu-img writes it: ovftool and vSphere refuse the image")
	case f.Size < want:
		ps.Failf(end, "vmdk: no end-of-stream marker: the file has %d bytes, %d are missing", f.Size, want-f.Size)
	default:
		checkEOS(f, h, end, ps)
	}
}

func checkEOS(f decoder.File, h *header, end int64, ps *decoder.Problems) {
	b, err := f.Bytes(end, sector)
	if err != nil {
		ps.Err(end, "vmdk: end-of-stream marker", err)
		return
	}
	if !bytes.Equal(b, make([]byte, sector)) {
		ps.Failf(end, "vmdk: no end-of-stream marker after the last grain")
	}
	over := f.Size - end - sector
	if over > 0 && h.flags&flagRedundant != 0 && over < h.grain {
		// qemu-img leaves the room of the next grain at the end.
		if b, err := f.Bytes(end, f.Size-end); err == nil && bytes.Equal(b, make([]byte, len(b))) {
			ps.Warnf(end, "vmdk: %d bytes of zeros after the last grain instead of one sector, as qemu-img writes it: ovftool and vSphere refuse the image", len(b))
			return
		}
	}
	if over > 0 {
		ps.Failf(end+sector, "vmdk: %d bytes after the end-of-stream marker", over)
	}
}

// checkSparseEnd checks that a sparse disk ends with its last grain.
func checkSparseEnd(f decoder.File, h *header, t *tables, ps *decoder.Problems) {
	end := h.overhead
	if t.count > 0 {
		end = t.max*sector + h.grain
	}
	switch {
	case f.Size < end:
		ps.Failf(f.Size, "vmdk: the file has %d bytes; its last grain ends at %d: %d are missing", f.Size, end, end-f.Size)
	case f.Size > end:
		ps.Failf(end, "vmdk: %d bytes after the last grain", f.Size-end)
	}
}

func roundUp(n int64) int64 { return (n + sector - 1) / sector * sector }

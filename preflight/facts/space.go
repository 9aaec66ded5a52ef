package facts

import (
	"encoding/binary"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// Space is how full a filesystem is.
type Space struct {
	// Volume is the volume's name, Point where the guest has it ("" where that is
	// not known), FSType its kind.
	Volume, Point, FSType string
	// Size and Free are in bytes; Inodes and FreeInodes are -1 where the format
	// has no fixed number or it is not known.
	Size, Free         int64
	Inodes, FreeInodes int64
	// Source is "statfs" of a mounted filesystem, or "superblock".
	Source string
	// Err is why it is not known.
	Err string
}

// space finds the free space of every filesystem of the disk: of mounted ones
// from the kernel, of others from the superblock, where that has it.
func (g *gatherer) space() {
	points := g.points()
	for i, v := range g.f.Disk.Volumes {
		if v.Container {
			continue
		}
		s := Space{Volume: v.Name, FSType: v.Type, Point: points[v.Name], Inodes: -1, FreeInodes: -1}
		if m, ok := g.mountedAt(v.Name); ok {
			s.FSType, s.Source = m.FSType, "statfs"
			if s.Point == "" && g.f.Guest.RootPath == "/" {
				s.Point = m.Point
			}
			s.statfs(g.livePath(m.Point))
		} else {
			switch v.Type {
			case "ext2", "ext3", "ext4", "xfs", "btrfs":
			default:
				continue
			}
			s.Source = "superblock"
			s.offline(g, g.f.Disk.Volumes[i])
		}
		g.f.Space = append(g.f.Space, s)
	}
}

// points are the guest's mount points by volume.
func (g *gatherer) points() map[string]string {
	p := map[string]string{}
	for _, l := range g.f.Fstab.Lines {
		if l.Resolved.Place == OnDisk && len(l.Point) > 0 && l.Point[0] == '/' {
			if n := g.f.Disk.Volumes[l.Resolved.Volume].Name; p[n] == "" || len(l.Point) < len(p[n]) {
				p[n] = l.Point
			}
		}
	}
	for _, x := range g.f.Guest.Mounted {
		if x.Volume != "" && p[x.Volume] == "" {
			p[x.Volume] = x.At
		}
	}
	if g.f.Guest.Found {
		p[g.f.Guest.Root] = "/"
	}
	return p
}

func (g *gatherer) mountedAt(volume string) (Mount, bool) {
	for _, m := range g.mountsByPoint() {
		if m.Partition == volume {
			return m, true
		}
	}
	return Mount{}, false
}

func (s *Space) statfs(at string) {
	var st unix.Statfs_t
	if err := unix.Statfs(at, &st); err != nil {
		s.Err = fmt.Sprintf("%s: %v", at, err)
		return
	}
	s.Size, s.Free = int64(st.Blocks)*st.Frsize, int64(st.Bfree)*st.Frsize
	if st.Files > 0 {
		s.Inodes, s.FreeInodes = int64(st.Files), int64(st.Ffree)
	}
}

// offline reads the counters of the superblock. They are those of the last
// clean unmount: after a crash they lag behind.
func (s *Space) offline(g *gatherer, v Volume) {
	switch {
	case v.Clean == "recover" || v.Clean == "errors" || v.Clean == "dirty":
		s.Err = "it was not unmounted, and its counters are older than its contents"
		return
	case v.Whole != "":
		s.Err = v.Whole
		return
	}
	r, size, err := g.bytesOf(v.Name)
	if err != nil {
		s.Err = err.Error()
		return
	}
	off, n := map[string]int64{"xfs": 0, "btrfs": 65536}[v.Type], 512
	if v.Type[:3] == "ext" {
		off, n = 1024, 1024
	}
	b := make([]byte, n)
	if k, err := r.ReadAt(b, off); k < n && err != nil {
		s.Err = err.Error()
		if err == io.EOF {
			s.Err = "the volume ends before its superblock"
		}
		return
	}
	switch v.Type {
	case "xfs":
		s.xfs(b)
	case "btrfs": // struct btrfs_super_block: total_bytes 0x70, bytes_used 0x78
		s.Size = int64(binary.LittleEndian.Uint64(b[0x70:]))
		s.Free = s.Size - int64(binary.LittleEndian.Uint64(b[0x78:]))
	default:
		s.ext(b)
	}
	if s.Err == "" && (s.Size <= 0 || s.Free < 0 || s.Free > s.Size || v.Type != "btrfs" && s.Size > size) {
		s.Size, s.Free, s.Inodes, s.FreeInodes, s.Err = 0, 0, -1, -1, "the counters of its superblock make no sense"
	}
}

// ext: Linux, Documentation/filesystems/ext4/super.rst. The high halves count
// with the feature 64bit.
func (s *Space) ext(b []byte) {
	u32 := func(o int) int64 { return int64(binary.LittleEndian.Uint32(b[o:])) }
	shift := u32(24)
	if binary.LittleEndian.Uint16(b[56:]) != 0xEF53 || shift > 6 {
		s.Err = "no superblock"
		return
	}
	blocks, free := u32(4), u32(12)
	if u32(96)&0x80 != 0 {
		blocks, free = blocks|u32(0x150)<<32, free|u32(0x158)<<32
	}
	if blocks < 0 || free < 0 || blocks > 1<<50 || free > 1<<50 {
		s.Err = "the counters of its superblock make no sense"
		return
	}
	s.Size, s.Free = blocks<<(10+shift), free<<(10+shift)
	s.Inodes, s.FreeInodes = u32(0), u32(16)
}

// xfs: struct xfs_dsb of fs/xfs/libxfs/xfs_format.h. Inodes are made when they
// are needed, so that their number says nothing.
func (s *Space) xfs(b []byte) {
	if string(b[:4]) != "XFSB" {
		s.Err = "no superblock"
		return
	}
	bs := int64(binary.BigEndian.Uint32(b[4:]))
	blocks, free := binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[144:])
	if bs < 512 || bs > 65536 || blocks > 1<<46 || free > 1<<46 {
		s.Err = "the counters of its superblock make no sense"
		return
	}
	s.Size, s.Free = int64(blocks)*bs, int64(free)*bs
}

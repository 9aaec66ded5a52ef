package track

import (
	"fmt"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// typeFinder is what of a *btf.Spec is used here.
type typeFinder interface {
	TypeByName(name string, typ any) error
}

// field is where a member of a kernel structure lies, and how wide it is.
type field struct {
	off  int16
	size asm.Size
}

// layout is what the programs know of the running kernel's structures. They are
// no interface of the kernel: members move from release to release, and the
// kernel itself says where they are (/sys/kernel/btf/vmlinux).
type layout struct {
	rqOpf, rqLen, rqSector, rqBio field // struct request
	// rqDisk leads from a request to its gendisk: rq_disk up to 5.16, then
	// q and disk.
	rqDisk []field

	bioOpf, bioSector, bioLen, bioNext field   // struct bio
	bioDisk                            []field // bi_bdev, bd_disk

	diskDev []field // gendisk: part0, bd_dev

	// rwPage says whether drivers still can be asked to write a page without a bio
	// (block_device_operations.rw_page, removed in 6.3).
	rwPage bool
}

// readLayout asks the kernel's type information.
func readLayout(types typeFinder) (*layout, error) {
	f := finder{types: types}
	l := &layout{
		rqOpf:     f.member("request", "cmd_flags"),
		rqLen:     f.member("request", "__data_len"),
		rqSector:  f.member("request", "__sector"),
		rqBio:     f.member("request", "bio"),
		bioOpf:    f.member("bio", "bi_opf"),
		bioSector: f.nested("bio", "bi_iter", "bvec_iter", "bi_sector"),
		bioLen:    f.nested("bio", "bi_iter", "bvec_iter", "bi_size"),
		bioNext:   f.member("bio", "bi_next"),
		bioDisk:   []field{f.member("bio", "bi_bdev"), f.member("block_device", "bd_disk")},
		// Not major and first_minor: they are 0 for disks with extended numbers up
		// to 5.13 (genhd.c, blk_alloc_devt).
		diskDev: []field{f.member("gendisk", "part0"), f.member("block_device", "bd_dev")},
		rwPage:  f.has("block_device_operations", "rw_page"),
	}
	if f.has("request", "rq_disk") {
		l.rqDisk = []field{f.member("request", "rq_disk")}
	} else {
		l.rqDisk = []field{f.member("request", "q"), f.member("request_queue", "disk")}
	}
	if f.err != nil {
		return nil, f.err
	}
	for _, w := range []struct {
		name string
		f    field
		size asm.Size
	}{
		{"request.cmd_flags", l.rqOpf, asm.Word}, {"request.__data_len", l.rqLen, asm.Word}, {"request.__sector", l.rqSector, asm.DWord},
		{"bio.bi_opf", l.bioOpf, asm.Word}, {"bio.bi_iter.bi_size", l.bioLen, asm.Word}, {"bio.bi_iter.bi_sector", l.bioSector, asm.DWord},
		{"block_device.bd_dev", l.diskDev[1], asm.Word},
	} {
		if w.f.size != w.size {
			return nil, fmt.Errorf("the kernel's %s has another width than any kernel known to migimg", w.name)
		}
	}
	return l, nil
}

// argument is the place of the argument that points to a structure, among those
// of a tracepoint. Tracepoints had the request queue before it up to 5.10.
func argument(types typeFinder, tracepoint, structure string) (int, error) {
	var def *btf.Typedef
	if err := types.TypeByName("btf_trace_"+tracepoint, &def); err != nil {
		return 0, fmt.Errorf("the kernel has no tracepoint %s: %w", tracepoint, err)
	}
	if ptr, ok := btf.UnderlyingType(def.Type).(*btf.Pointer); ok {
		if proto, ok := btf.UnderlyingType(ptr.Target).(*btf.FuncProto); ok {
			for i, p := range proto.Params {
				target, ok := btf.UnderlyingType(p.Type).(*btf.Pointer)
				if !ok || i == 0 { // the first is the probe's own
					continue
				}
				if s, ok := btf.UnderlyingType(target.Target).(*btf.Struct); ok && s.Name == structure {
					return i - 1, nil
				}
			}
		}
	}
	return 0, fmt.Errorf("the kernel's tracepoint %s has no argument of type struct %s", tracepoint, structure)
}

// finder keeps the first error.
type finder struct {
	types typeFinder
	err   error
}

func (f *finder) structure(name string) *btf.Struct {
	var s *btf.Struct
	if err := f.types.TypeByName(name, &s); err != nil {
		if f.err == nil {
			f.err = fmt.Errorf("the kernel's type information lacks struct %s: %w", name, err)
		}
		return nil
	}
	return s
}

func (f *finder) has(structure, member string) bool {
	s := f.structure(structure)
	if s == nil {
		return false
	}
	_, _, ok := lookup(s.Members, member)
	return ok
}

func (f *finder) member(structure, member string) field {
	return f.nested(structure, member)
}

// nested finds structure.member, or structure.member.inner with inner a member
// of the structure named next.
func (f *finder) nested(structure, member string, next ...string) field {
	s := f.structure(structure)
	if s == nil {
		return field{}
	}
	off, typ, ok := lookup(s.Members, member)
	if !ok {
		if f.err == nil {
			f.err = fmt.Errorf("the kernel's struct %s has no member %s", structure, member)
		}
		return field{}
	}
	if len(next) > 0 {
		in := f.nested(next[0], next[1], next[2:]...)
		in.off += int16(off)
		return in
	}
	size, err := btf.Sizeof(typ)
	width := map[int]asm.Size{1: asm.Byte, 2: asm.Half, 4: asm.Word, 8: asm.DWord}[size]
	if err != nil || (width != asm.Word && width != asm.DWord) || off > 1<<14 {
		if f.err == nil {
			f.err = fmt.Errorf("the kernel's %s.%s is %d bytes wide at offset %d", structure, member, size, off)
		}
		return field{}
	}
	return field{int16(off), width}
}

// lookup finds a member by name, within structures and unions without a name,
// too, and its offset in bytes.
func lookup(members []btf.Member, name string) (off uint32, typ btf.Type, ok bool) {
	for _, m := range members {
		if m.Name == name && m.BitfieldSize == 0 {
			return m.Offset.Bytes(), m.Type, true
		}
		if m.Name != "" {
			continue
		}
		var inner []btf.Member
		switch t := btf.UnderlyingType(m.Type).(type) {
		case *btf.Struct:
			inner = t.Members
		case *btf.Union:
			inner = t.Members
		}
		if o, t, ok := lookup(inner, name); ok {
			return m.Offset.Bytes() + o, t, true
		}
	}
	return 0, nil, false
}

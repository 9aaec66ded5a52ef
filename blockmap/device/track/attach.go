package track

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// ErrUnavailable is in errors.Is of what Start returns where the kernel, the
// disk or missing rights make tracking impossible. The other ways to a
// consistent image remain.
var ErrUnavailable = errors.New("the write tracker is not available")

func unavailable(err error) error { return fmt.Errorf("%w: %w", ErrUnavailable, err) }

// kernelError says what to do about an error of bpf(2).
func kernelError(what string, err error) error {
	why := ""
	switch {
	case errors.Is(err, unix.ENOSYS):
		why = "; the kernel is built without CONFIG_BPF_SYSCALL"
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		why = "; run as root, or with CAP_BPF and CAP_PERFMON, outside of a container, and see whether /sys/kernel/security/lockdown is at [confidentiality]"
	case errors.Is(err, unix.ENOMEM):
		why = "; there is not enough memory for the bitmaps"
	case errors.Is(err, ebpf.ErrNotSupported), errors.Is(err, unix.EINVAL):
		why = "; Linux 5.12 or later is needed, with CONFIG_DEBUG_INFO_BTF"
	}
	return unavailable(fmt.Errorf("%s: %w%s", what, err, why))
}

// kernelTypes is the type information that the kernel has of itself.
func kernelTypes() (*btf.Spec, error) {
	const path = "/sys/kernel/btf/vmlinux"
	if _, err := os.Stat(path); err != nil {
		return nil, unavailable(fmt.Errorf("%w; Linux 5.12 or later is needed, with CONFIG_DEBUG_INFO_BTF", err))
	}
	spec, err := btf.LoadSpec(path)
	if err != nil {
		return nil, unavailable(fmt.Errorf("reading the kernel's type information: %w", err))
	}
	return spec, nil
}

// memory is a map's values as user space sees them.
type memory []uint64

func mapMemory(m *ebpf.Map, words int64) (memory, error) {
	page := int64(os.Getpagesize())
	length := (words*8 + page - 1) / page * page
	b, err := unix.Mmap(m.FD(), 0, int(length), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, err
	}
	return unsafe.Slice((*uint64)(unsafe.Pointer(&b[0])), length/8), nil
}

func (m memory) unmap() error {
	if m == nil {
		return nil
	}
	return unix.Munmap(unsafe.Slice((*byte)(unsafe.Pointer(&m[0])), len(m)*8))
}

// kernel is everything of a Tracker that the kernel holds.
type kernel struct {
	maps  []*ebpf.Map
	progs []*ebpf.Program
	links []link.Link
	// once are the programs attached once: an event that one of them misses is
	// lost. The others have copies.
	once []*ebpf.Program

	bits, ring, control memory
	outer, inner        *ebpf.Map // see grace
}

func (k *kernel) close() error {
	var errs []error
	for _, l := range k.links {
		errs = append(errs, l.Close())
	}
	for _, p := range k.progs {
		errs = append(errs, p.Close())
	}
	for _, m := range []memory{k.bits, k.ring, k.control} {
		errs = append(errs, m.unmap())
	}
	for _, m := range k.maps {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}

func (k *kernel) newMap(spec ebpf.MapSpec) (*ebpf.Map, error) {
	m, err := ebpf.NewMap(&spec)
	if err != nil {
		return nil, kernelError("making the map "+spec.Name, err)
	}
	k.maps = append(k.maps, m)
	return m, nil
}

// array makes an array of words that user space sees as memory.
func (k *kernel) array(name string, valueWords, entries int64) (*ebpf.Map, memory, error) {
	m, err := k.newMap(ebpf.MapSpec{
		Name: name, Type: ebpf.Array, KeySize: 4, ValueSize: uint32(8 * valueWords), MaxEntries: uint32(entries),
		Flags: unix.BPF_F_MMAPABLE,
	})
	if err != nil {
		return nil, nil, err
	}
	mem, err := mapMemory(m, valueWords*entries)
	if err != nil {
		return nil, nil, kernelError("mapping the memory of "+name, err)
	}
	return m, mem, nil
}

// load makes the maps.
func (k *kernel) load(geo geometry, bios bool) (fds maps, err error) {
	bitmap, mem, err := k.array("migimg_bits", 1, 2*geo.words)
	if err != nil {
		return fds, err
	}
	k.bits = mem
	ring, mem, err := k.array("migimg_ring", 1, 2*ringSize)
	if err != nil {
		return fds, err
	}
	k.ring = mem
	control, mem, err := k.array("migimg_control", int64(os.Getpagesize()/8), 1)
	if err != nil {
		return fds, err
	}
	k.control = mem
	fds = maps{bits: bitmap.FD(), ring: ring.FD(), control: control.FD()}
	if bios {
		m, err := k.newMap(ebpf.MapSpec{Name: "migimg_inflight", Type: ebpf.Hash, KeySize: 8, ValueSize: 8, MaxEntries: maxInflight})
		if err != nil {
			return fds, err
		}
		fds.inflight = m.FD()
	}
	inner := ebpf.MapSpec{Name: "migimg_inner", Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1}
	if k.inner, err = k.newMap(inner); err != nil {
		return fds, err
	}
	k.outer, err = k.newMap(ebpf.MapSpec{Name: "migimg_grace", Type: ebpf.ArrayOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 1, InnerMap: &inner})
	return fds, err
}

// grace waits until every program that was running has ended. Programs run with
// preemption disabled and under rcu_read_lock (kernel/trace/bpf_trace.c,
// __bpf_trace_run), and bpf(2) waits for an RCU grace period after it has changed
// a map of maps, so that user space knows that no program uses the old one any
// more (kernel/bpf/syscall.c, maybe_wait_bpf_programs). membarrier(2) would do
// the same, but refuses with nohz_full and does nothing with one processor.
func (k *kernel) grace() error {
	return k.outer.Update(uint32(0), k.inner, ebpf.UpdateAny)
}

// hook is a program and where it goes.
type hook struct {
	tracepoint string
	structure  string // what the tracepoint is about
	copies     int
	assemble   func(p *program, arg int) asm.Instructions
}

// hooks are the tracepoints of a kind of device. Of programs that run in
// interrupts there are three copies, see doc.go.
func hooks(bios bool) []hook {
	if bios {
		return []hook{
			{"block_bio_complete", "bio", 3, (*program).completed},
			{"block_bio_queue", "bio", 1, (*program).queue},
			{"block_bio_remap", "bio", 1, (*program).queue},
		}
	}
	return []hook{
		{"block_rq_complete", "request", 3, (*program).request},
		{"block_rq_issue", "request", 1, (*program).request},
	}
}

// attach loads and attaches all programs.
func (k *kernel) attach(dev uint64, geo geometry, bios bool, fds maps, types *btf.Spec, l *layout) error {
	for _, h := range hooks(bios) {
		arg, err := argument(types, h.tracepoint, h.structure)
		if err != nil {
			return unavailable(err)
		}
		for range h.copies {
			p := &program{layout: l, maps: fds, geo: geo, dev: unix.Major(dev)<<20 | unix.Minor(dev)}
			prog, err := ebpf.NewProgramWithOptions(&ebpf.ProgramSpec{
				Name: "migimg_track", Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: h.tracepoint,
				Instructions: h.assemble(p, arg),
				// The kernel shows its structures only to programs under a licence
				// that goes with its own (kernel/bpf/verifier.c).
				License: "Dual MIT/GPL",
			}, ebpf.ProgramOptions{KernelTypes: types})
			if err != nil {
				return kernelError("loading the program for "+h.tracepoint, err)
			}
			k.progs = append(k.progs, prog)
			if h.copies == 1 {
				k.once = append(k.once, prog)
			}
			at, err := link.AttachTracing(link.TracingOptions{Program: prog, AttachType: ebpf.AttachTraceRawTp})
			if err != nil {
				return kernelError("attaching to "+h.tracepoint, err)
			}
			k.links = append(k.links, at)
		}
	}
	return nil
}

package track

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

var (
	u32 = &btf.Int{Name: "unsigned int", Size: 4}
	u64 = &btf.Int{Name: "unsigned long", Size: 8}
)

func structure(name string, size uint32, members ...btf.Member) *btf.Struct {
	return &btf.Struct{Name: name, Size: size, Members: members}
}

func member(name string, off uint32, t btf.Type) btf.Member {
	return btf.Member{Name: name, Offset: btf.Bits(off * 8), Type: t}
}

func pointer(t btf.Type) btf.Type { return &btf.Pointer{Target: t} }

// kernelSpec is type information as two kinds of kernels have it: up to 5.10 the
// tracepoints had the queue as an argument, up to 5.16 requests had a disk.
func kernelSpec(t *testing.T, old bool) *btf.Spec {
	t.Helper()
	bdev := structure("block_device", 64, member("bd_dev", 52, &btf.Typedef{Name: "dev_t", Type: u32}))
	disk := structure("gendisk", 128, member("major", 0, u32), member("part0", 64, pointer(bdev)))
	bdev.Members = append(bdev.Members, member("bd_disk", 16, pointer(disk)))
	queue := structure("request_queue", 200)
	iter := structure("bvec_iter", 20, member("bi_sector", 0, u64), member("bi_size", 8, u32))
	bio := structure("bio", 120, member("bi_bdev", 8, pointer(bdev)), member("bi_opf", 16, u32), member("bi_iter", 32, iter))
	bio.Members = append(bio.Members, member("bi_next", 0, pointer(bio)))
	inner := &btf.Union{Size: 8, Members: []btf.Member{member("__sector", 0, u64), member("other", 0, u64)}}
	rq := structure("request", 100,
		member("q", 0, pointer(queue)), member("cmd_flags", 24, u32), member("__data_len", 44, u32),
		member("", 48, inner), member("bio", 56, pointer(bio)))
	fops := structure("block_device_operations", 8)
	if old {
		rq.Members = append(rq.Members, member("rq_disk", 80, pointer(disk)))
		fops.Members = append(fops.Members, member("rw_page", 0, u64))
	} else {
		queue.Members = append(queue.Members, member("disk", 104, pointer(disk)))
	}
	params := []btf.FuncParam{{Type: pointer(&btf.Void{})}}
	if old {
		params = append(params, btf.FuncParam{Name: "q", Type: pointer(queue)})
	}
	params = append(params, btf.FuncParam{Name: "rq", Type: pointer(rq)})
	trace := &btf.Typedef{Name: "btf_trace_block_rq_issue", Type: pointer(&btf.FuncProto{Return: &btf.Void{}, Params: params})}
	b, err := btf.NewBuilder([]btf.Type{trace, rq, bio, fops, queue, disk}, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func TestLayout(t *testing.T) {
	for _, old := range []bool{false, true} {
		spec := kernelSpec(t, old)
		l, err := readLayout(spec)
		if err != nil {
			t.Fatal(err)
		}
		if l.rqSector != (field{48, asm.DWord}) || l.rqLen != (field{44, asm.Word}) || l.bioLen != (field{40, asm.Word}) ||
			l.bioSector != (field{32, asm.DWord}) || l.diskDev[1] != (field{52, asm.Word}) || l.rwPage != old {
			t.Errorf("old %v: %+v", old, l)
		}
		path, want := l.rqDisk, field{104, asm.DWord}
		if old {
			want = field{80, asm.DWord}
		}
		if got := path[len(path)-1]; got != want || old != (len(path) == 1) {
			t.Errorf("old %v: the disk is at %+v", old, path)
		}
		arg, err := argument(spec, "block_rq_issue", "request")
		if err != nil || old != (arg == 1) {
			t.Errorf("old %v: argument %d, %v", old, arg, err)
		}
		if _, err := argument(spec, "block_rq_issue", "bio"); err == nil {
			t.Error("an argument that is not there was found")
		}
		if _, err := argument(spec, "block_nothing", "bio"); err == nil {
			t.Error("a tracepoint that is not there was found")
		}
	}
}

// lacking hides a structure.
type lacking struct {
	typeFinder
	name string
}

func (l lacking) TypeByName(name string, typ any) error {
	if name == l.name {
		return btf.ErrNotFound
	}
	return l.typeFinder.TypeByName(name, typ)
}

func TestLayoutOfUnknownKernels(t *testing.T) {
	spec := kernelSpec(t, false)
	for _, name := range []string{"request", "bio", "gendisk", "bvec_iter", "block_device", "request_queue", "block_device_operations"} {
		if _, err := readLayout(lacking{spec, name}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without struct %s: %v", name, err)
		}
	}
}

// What the library makes of atomic operations: 0.22.0 turned each into an addition.
func TestAtomicsAreEncoded(t *testing.T) {
	for op, want := range map[asm.AtomicOp]uint32{asm.OrAtomic: 0x40, asm.FetchAdd: 0x01, asm.Xchg: 0xe1} {
		var b bytes.Buffer
		if _, err := atomically(op, asm.R1, asm.R2).Marshal(&b, binary.LittleEndian); err != nil {
			t.Fatal(err)
		}
		raw := b.Bytes()
		if raw[0] != 0xdb || binary.LittleEndian.Uint32(raw[4:]) != want {
			t.Errorf("%v is % x", op, raw)
		}
	}
}

// Every jump has a target, and every target is reached: the kernel takes nothing
// else.
func TestProgramsAssemble(t *testing.T) {
	l, err := readLayout(kernelSpec(t, false))
	if err != nil {
		t.Fatal(err)
	}
	geo, _ := newGeometry(1<<40, 0)
	for _, bios := range []bool{false, true} {
		for _, h := range hooks(bios) {
			p := &program{layout: l, geo: geo, maps: maps{1, 2, 3, 4}, dev: 7 << 20}
			ins := h.assemble(p, 0)
			if err := ins.Marshal(&bytes.Buffer{}, binary.LittleEndian); err != nil {
				t.Errorf("%s: %v", h.tracepoint, err)
			}
			targets, err := ins.SymbolOffsets()
			if err != nil {
				t.Errorf("%s: %v", h.tracepoint, err)
			}
			for ref := range ins.ReferenceOffsets() {
				if _, ok := targets[ref]; !ok {
					t.Errorf("%s: no label %q", h.tracepoint, ref)
				}
			}
		}
	}
}

func TestInspect(t *testing.T) {
	sys := t.TempDir()
	write := func(number, name, content string) {
		t.Helper()
		p := filepath.Join(sys, "devices", number, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		link := filepath.Join(sys, "dev", "block", number)
		_ = os.MkdirAll(filepath.Dir(link), 0o755)
		_ = os.Symlink(filepath.Join(sys, "devices", number), link)
	}
	write("8:0", "mq/0/x", "")
	write("8:0", "queue/dax", "0")
	write("8:0", "queue/zoned", "none")
	write("8:1", "partition", "1")
	write("253:0", "queue/dax", "0")
	write("253:0", "inflight", "       0        3")
	write("259:0", "queue/dax", "1")
	write("8:16", "queue/zoned", "host-managed")
	for _, c := range []struct {
		dev  uint64
		want string
		bios bool
	}{
		{unix.Mkdev(8, 0), "", false}, {unix.Mkdev(253, 0), "", true}, {unix.Mkdev(8, 1), "is a partition", false},
		{unix.Mkdev(259, 0), "DAX", false}, {unix.Mkdev(8, 16), "zoned", false}, {unix.Mkdev(8, 32), "does not know", false},
	} {
		d, err := inspect(sys, c.dev, &layout{})
		if c.want == "" && (err != nil || d.bios != c.bios || d.idle() == c.bios) ||
			c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%d:%d: %+v, %v", unix.Major(c.dev), unix.Minor(c.dev), d, err)
		}
	}
	write("", "../kernel/realtime", "1")
	if _, err := inspect(sys, unix.Mkdev(8, 0), &layout{}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a realtime kernel: %v", err)
	}
}

func TestKernelErrors(t *testing.T) {
	for errno, want := range map[error]string{unix.EPERM: "root", unix.ENOSYS: "CONFIG_BPF_SYSCALL", unix.EINVAL: "5.12"} {
		if err := kernelError("x", errno); !errors.Is(err, ErrUnavailable) || !errors.Is(err, errno) || !strings.Contains(err.Error(), want) {
			t.Error(err)
		}
	}
}

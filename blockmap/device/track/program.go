package track

import (
	"fmt"

	"github.com/cilium/ebpf/asm"
)

// Operations (include/linux/blk_types.h, enum req_op; the same since 4.8). What
// is none of the first four counts as a write: all operations that change the
// medium are odd, and an unknown one is better counted once too often.
const (
	opRead    = 0
	opFlush   = 2
	opScsiIn  = 32 // up to 5.15
	opDrvIn   = 34
	opDiscard = 3
	opSecure  = 5  // REQ_OP_SECURE_ERASE
	opScsiOut = 33 // up to 5.15
	opDrvOut  = 35
)

const (
	// maxWords is how many words of the bitmap a program sets at most: at 4 KiB a
	// grain, a request of 16 MiB. Longer ones go to the ring.
	maxWords = 64
	// maxDiscards is how many separate ranges one discard request can have
	// (NVMe: 256, virtio and SCSI: fewer).
	maxDiscards = 256
	// ringSize is how many long ranges each epoch's ring holds between two calls of
	// Written, Ranges, Lost or Epoch.
	ringSize = 1 << 16
)

// The control words, by index: bytes [8*i, 8*i+8) of the map `control`.
const (
	ctlEpoch = 0 // which half of bits and ring is written: 0 or 1
	ctlLost  = 1 // reasons why tracking failed, ORed
	ctlHead  = 8 // ranges ever put into ring 0; ring 1's is 8 words later
)

// Reasons in the control word ctlLost.
const (
	lostPassthrough = 1 << iota
	lostOverflow
	lostPosition
	lostInternal
)

// maps are the descriptors of the maps that programs use.
type maps struct {
	bits, ring, control, inflight int
}

// program assembles one eBPF program. R6 to R9 survive calls of helpers.
type program struct {
	layout *layout
	maps   maps
	dev    uint32 // as the kernel writes it: major<<20 | minor
	geo    geometry
	// probe, if it is set, loads a field in another way: tests run programs on
	// memory of their own.
	probe func(p *program, dst, src asm.Register, f field)

	ins   asm.Instructions
	label string // the next instruction's
	count int
}

func (p *program) emit(ins ...asm.Instruction) {
	for _, in := range ins {
		if p.label != "" {
			in = in.WithSymbol(p.label)
			p.label = ""
		}
		p.ins = append(p.ins, in)
	}
}

// at gives the next instruction a label.
func (p *program) at(label string) {
	if p.label != "" { // two labels on one instruction
		p.emit(asm.Mov.Reg(asm.R0, asm.R0))
	}
	p.label = label
}

func (p *program) unique(name string) string {
	p.count++
	return fmt.Sprintf("%s%d", name, p.count)
}

// load reads a field of the structure that src points to. What was in R1 to R5
// must not be needed afterwards.
func (p *program) load(dst, src asm.Register, f field) {
	if p.probe != nil {
		p.probe(p, dst, src, f)
		return
	}
	p.emit(asm.LoadMem(dst, src, f.off, f.size))
}

// start loads the tracepoint's argument into R6 and its operation into R9, and
// leaves if it is none that writes.
func (p *program) start(arg int, opf field) {
	p.at("start")
	p.emit(asm.LoadMem(asm.R6, asm.R1, int16(8*arg), asm.DWord),
		asm.JEq.Imm(asm.R6, 0, "exit"))
	p.load(asm.R9, asm.R6, opf)
	p.emit(asm.And.Imm(asm.R9, 0xff)) // REQ_OP_MASK
	for _, op := range []int32{opRead, opFlush, opScsiIn, opDrvIn} {
		p.emit(asm.JEq.Imm(asm.R9, op, "exit"))
	}
}

// ours leaves if the device is another one; path leads from R6 to the gendisk.
// A request without a disk (to a tape, a controller) has none of our sectors.
func (p *program) ours(path []field) {
	src := asm.R6
	for _, f := range append(append([]field(nil), path...), p.layout.diskDev[0]) {
		p.load(asm.R1, src, f)
		p.emit(asm.JEq.Imm(asm.R1, 0, "exit"))
		src = asm.R1
	}
	p.load(asm.R1, asm.R1, p.layout.diskDev[1])
	p.emit(asm.Mov.Imm32(asm.R2, int32(p.dev)), // without the sign
		asm.JNE.Reg(asm.R1, asm.R2, "exit"))
}

// request assembles the program of block_rq_issue and block_rq_complete.
func (p *program) request(arg int) asm.Instructions {
	l := p.layout
	p.start(arg, l.rqOpf)
	p.ours(l.rqDisk)
	p.emit(asm.JEq.Imm(asm.R9, opScsiOut, "passthrough"),
		asm.JEq.Imm(asm.R9, opDrvOut, "passthrough"))
	// A discard may have been joined with others elsewhere on the disk: then only
	// its bios know where (block/blk-merge.c, ELEVATOR_DISCARD_MERGE).
	p.emit(asm.JEq.Imm(asm.R9, opDiscard, "discard"),
		asm.JEq.Imm(asm.R9, opSecure, "discard"))
	p.at("single")
	p.load(asm.R7, asm.R6, l.rqSector)
	p.load(asm.R8, asm.R6, l.rqLen)
	p.emit(asm.JEq.Imm(asm.R8, 0, "exit")) // a flush: no data, sector 0 or -1
	p.epoch(asm.R9)
	p.grains(asm.R7, asm.R8, "nowhere")
	p.mark()

	p.at("discard")
	p.load(asm.R1, asm.R6, l.rqBio)
	p.emit(asm.JEq.Imm(asm.R1, 0, "single"))
	p.load(asm.R2, asm.R1, l.bioNext)
	p.emit(asm.JEq.Imm(asm.R2, 0, "single"))
	p.load(asm.R6, asm.R6, l.rqBio)
	p.emit(asm.JEq.Imm(asm.R6, 0, "exit"))
	p.epoch(asm.R9)
	p.discards()
	return p.finish()
}

// discards puts the range of each bio from R6 on into the ring. R9 is the epoch.
func (p *program) discards() {
	p.emit(asm.Mov.Imm(asm.R8, 0))
	p.at("bio")
	p.emit(asm.StoreMem(asm.RFP, -24, asm.R8, asm.DWord)) // the count, while R8 is a length
	p.load(asm.R7, asm.R6, p.layout.bioSector)
	p.load(asm.R8, asm.R6, p.layout.bioLen)
	p.emit(asm.JEq.Imm(asm.R8, 0, "next"))
	p.grains(asm.R7, asm.R8, "next")
	p.push(asm.R7, asm.R8)
	p.at("next")
	p.load(asm.R6, asm.R6, p.layout.bioNext)
	p.emit(asm.JEq.Imm(asm.R6, 0, "exit"),
		asm.LoadMem(asm.R8, asm.RFP, -24, asm.DWord),
		asm.Add.Imm(asm.R8, 1),
		asm.JLT.Imm(asm.R8, maxDiscards, "bio"),
		asm.Ja.Label("overflow"))
}

// epoch loads the current epoch.
func (p *program) epoch(dst asm.Register) {
	p.emit(asm.LoadMapValue(asm.R1, p.maps.control, 8*ctlEpoch),
		asm.LoadMem(dst, asm.R1, 0, asm.DWord),
		asm.And.Imm(dst, 1))
}

// grains turns a sector and a length in bytes, at least 1, into the first and
// the last grain, cut at the disk's end; it goes to outside if all of it lies
// behind the end.
func (p *program) grains(from, to asm.Register, outside string) {
	inside := p.unique("inside")
	p.emit(asm.LoadImm(asm.R1, p.geo.sectors()-1, asm.DWord),
		asm.JGT.Reg(from, asm.R1, outside),
		asm.Add.Imm(to, 511), // a length is below 2^32, a sector here below 2^54: no overflow
		asm.RSh.Imm(to, 9),
		asm.Add.Reg(to, from),
		asm.Sub.Imm(to, 1),
		asm.JLE.Reg(to, asm.R1, inside),
		asm.Mov.Reg(to, asm.R1))
	p.at(inside)
	p.emit(asm.RSh.Imm(from, int32(p.geo.shift-9)),
		asm.RSh.Imm(to, int32(p.geo.shift-9)))
}

// mark sets the bits of grains R7 to R8 in epoch R9 and ends the program.
func (p *program) mark() {
	p.emit(asm.Mov.Reg(asm.R1, asm.R8), asm.RSh.Imm(asm.R1, 6),
		asm.Mov.Reg(asm.R2, asm.R7), asm.RSh.Imm(asm.R2, 6),
		asm.Sub.Reg(asm.R1, asm.R2),
		asm.JGE.Imm(asm.R1, maxWords, "long"),
		// From here on R6 is the epoch's first word, R9 counts.
		asm.Mov.Reg(asm.R6, asm.R9),
		asm.Mul.Imm(asm.R6, int32(p.geo.words)),
		asm.Mov.Imm(asm.R9, 0))
	p.at("word")
	p.emit(
		asm.Mov.Reg(asm.R1, asm.R7), asm.RSh.Imm(asm.R1, 6),
		asm.Mov.Reg(asm.R2, asm.R8), asm.RSh.Imm(asm.R2, 6),
		asm.Mov.Imm(asm.R3, -1),
		asm.Mov.Reg(asm.R4, asm.R7), asm.And.Imm(asm.R4, 63),
		asm.LSh.Reg(asm.R3, asm.R4), // the bits from R7 on
		asm.JNE.Reg(asm.R1, asm.R2, "mask"),
		asm.Mov.Imm(asm.R5, 63),
		asm.Mov.Reg(asm.R4, asm.R8), asm.And.Imm(asm.R4, 63),
		asm.Sub.Reg(asm.R5, asm.R4), asm.And.Imm(asm.R5, 63),
		asm.Mov.Imm(asm.R4, -1), asm.RSh.Reg(asm.R4, asm.R5),
		asm.And.Reg(asm.R3, asm.R4)) // but not after R8
	p.at("mask")
	p.emit(asm.StoreMem(asm.RFP, -16, asm.R3, asm.DWord),
		asm.Add.Reg(asm.R1, asm.R6),
		asm.StoreMem(asm.RFP, -4, asm.R1, asm.Word))
	p.lookup(p.maps.bits)
	p.emit(asm.LoadMem(asm.R3, asm.RFP, -16, asm.DWord),
		// Bits that are set already need no locked instruction: this epoch does not
		// lose them.
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord),
		asm.And.Reg(asm.R1, asm.R3),
		asm.JEq.Reg(asm.R1, asm.R3, "set"),
		atomically(asm.OrAtomic, asm.R0, asm.R3))
	p.at("set")
	p.emit(asm.RSh.Imm(asm.R7, 6), asm.Add.Imm(asm.R7, 1), asm.LSh.Imm(asm.R7, 6),
		asm.JGT.Reg(asm.R7, asm.R8, "exit"),
		asm.Add.Imm(asm.R9, 1),
		asm.JLT.Imm(asm.R9, maxWords, "word"),
		asm.Ja.Label("internal"))

	p.at("long")
	p.push(asm.R7, asm.R8)
	p.emit(asm.Ja.Label("exit"))
}

// push puts grains first to last into the ring of epoch R9. A slot that is not
// empty holds what user space has not taken yet: it is overwritten, and lost.
func (p *program) push(first, last asm.Register) {
	p.pack(first, last)
	p.emit(
		asm.LoadMapValue(asm.R1, p.maps.control, 8*ctlHead),
		asm.Mov.Reg(asm.R2, asm.R9), asm.And.Imm(asm.R2, 1), asm.LSh.Imm(asm.R2, 6),
		asm.Add.Reg(asm.R1, asm.R2),
		asm.Mov.Imm(asm.R2, 1),
		atomically(asm.FetchAdd, asm.R1, asm.R2),
		asm.And.Imm(asm.R2, ringSize-1),
		asm.Mov.Reg(asm.R3, asm.R9), asm.Mul.Imm(asm.R3, ringSize),
		asm.Add.Reg(asm.R2, asm.R3),
		asm.StoreMem(asm.RFP, -4, asm.R2, asm.Word))
	p.lookup(p.maps.ring)
	p.emit(asm.LoadMem(asm.R1, asm.RFP, -16, asm.DWord),
		atomically(asm.Xchg, asm.R0, asm.R1),
		asm.JNE.Imm(asm.R1, 0, "overflow"))
}

// pack stores grains first to last as one word, first<<32 | how many, never 0,
// at FP-16.
func (p *program) pack(first, last asm.Register) {
	p.emit(asm.Mov.Reg(asm.R1, last), asm.Sub.Reg(asm.R1, first), asm.Add.Imm(asm.R1, 1),
		asm.Mov.Reg(asm.R2, first), asm.LSh.Imm(asm.R2, 32),
		asm.Or.Reg(asm.R1, asm.R2),
		asm.StoreMem(asm.RFP, -16, asm.R1, asm.DWord))
}

// lookup has R0 point to the element of an array whose index is at FP-4.
func (p *program) lookup(fd int) {
	p.emit(asm.LoadMapPtr(asm.R1, fd),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "internal"))
}

// atomically is an operation on the word that dst points to. Constant is set as well,
// because cilium/ebpf 0.22.0 encodes it in place of the operation, so that each
// would be an addition (asm.Instruction.Marshal).
func atomically(op asm.AtomicOp, dst, src asm.Register) asm.Instruction {
	in := op.Mem(dst, src, asm.DWord, 0)
	in.Constant = int64(op >> 8)
	return in
}

// finish adds the ends that are used, for the verifier takes no code that is
// never reached: the reasons for being lost, and exit.
func (p *program) finish() asm.Instructions {
	used := make(map[string]bool)
	for _, in := range p.ins {
		used[in.Reference()] = true
	}
	if used["nowhere"] { // behind the disk's end: grown meanwhile, or no position at all
		p.at("nowhere")
		p.emit(asm.JNE.Imm(asm.R7, -1, "exit"),
			asm.Mov.Imm(asm.R2, lostPosition), asm.Ja.Label("lost"))
	}
	for _, end := range []struct {
		label  string
		reason int32
	}{{"passthrough", lostPassthrough}, {"overflow", lostOverflow}, {"internal", lostInternal}} {
		if used[end.label] {
			p.at(end.label)
			p.emit(asm.Mov.Imm(asm.R2, end.reason), asm.Ja.Label("lost"))
		}
	}
	p.at("lost")
	p.emit(asm.LoadMapValue(asm.R1, p.maps.control, 8*ctlLost),
		atomically(asm.OrAtomic, asm.R1, asm.R2))
	p.at("exit")
	p.emit(asm.Mov.Imm(asm.R0, 0), asm.Return())
	return p.ins
}

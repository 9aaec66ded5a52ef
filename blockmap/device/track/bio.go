package track

import "github.com/cilium/ebpf/asm"

// Devices without requests of their own (dm, md, zram, NVMe multipath) are seen
// through bios. A bio's position is gone when it completes, for drivers advance
// it as they work: so it is remembered, by the bio's address, when it is queued.

// maxInflight is how many bios to a device can be under way.
const maxInflight = 1 << 16

// queue assembles the program of block_bio_queue and block_bio_remap. The
// latter sees bios that another device passes on as they are: those are traced
// as queued only once (block/blk-core.c, BIO_TRACE_COMPLETION).
func (p *program) queue(arg int) asm.Instructions {
	l := p.layout
	p.start(arg, l.bioOpf)
	p.ours(l.bioDisk)
	p.load(asm.R7, asm.R6, l.bioSector)
	p.load(asm.R8, asm.R6, l.bioLen)
	p.emit(asm.JEq.Imm(asm.R8, 0, "exit")) // a flush
	p.epoch(asm.R9)
	p.grains(asm.R7, asm.R8, "nowhere")
	p.pack(asm.R7, asm.R8)
	p.emit(asm.StoreMem(asm.RFP, -24, asm.R6, asm.DWord))
	p.emit(asm.LoadMapPtr(asm.R1, p.maps.inflight),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -24),
		asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, -16),
		asm.Mov.Imm(asm.R4, 0), // BPF_ANY: an address that is used again
		asm.FnMapUpdateElem.Call(),
		asm.JNE.Imm(asm.R0, 0, "overflow"))
	p.mark()
	return p.finish()
}

// completed assembles the program of block_bio_complete. What is not remembered
// is another device's, or was handled by a copy of this program.
func (p *program) completed(arg int) asm.Instructions {
	p.start(arg, p.layout.bioOpf)
	p.emit(asm.StoreMem(asm.RFP, -24, asm.R6, asm.DWord),
		asm.LoadMapPtr(asm.R1, p.maps.inflight),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -24),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "exit"),
		asm.LoadMem(asm.R7, asm.R0, 0, asm.DWord),
		asm.LoadMapPtr(asm.R1, p.maps.inflight),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -24),
		asm.FnMapDeleteElem.Call())
	p.epoch(asm.R9)
	p.emit(asm.Mov.Reg(asm.R8, asm.R7),
		asm.LSh.Imm(asm.R8, 32), asm.RSh.Imm(asm.R8, 32),
		asm.RSh.Imm(asm.R7, 32),
		asm.Add.Reg(asm.R8, asm.R7),
		asm.Sub.Imm(asm.R8, 1))
	p.mark()
	return p.finish()
}

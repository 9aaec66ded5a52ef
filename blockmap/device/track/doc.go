// Package track knows which parts of a disk were written since a moment, while
// the system runs: small eBPF programs in the kernel's block layer set one bit
// for each grain (4 KiB, as a rule) that a write, a discard or a zeroing touches,
// once when it is issued to the driver and once when it completes. No kernel
// module, no compiler and no tracefs are needed; Linux 5.12 or later with type
// information (CONFIG_DEBUG_INFO_BTF, which distributions set) and root are.
//
// # What is promised
//
// "What a read returned is as old as the epoch's beginning if its bits are still
// clear after it returned", for every write that was issued after the beginning.
// The program runs within blk_mq_start_request, before the driver hears of the
// request (block/blk-mq.c), so its bit is set before the device can change a
// byte. The bytes of the read come from the device, so whatever they show
// happened before it returned; a write that they show was issued before that, its
// bit was set before that, and the kernel's way from the bit through queue, device
// and completion to the reader has the barriers that put these in order. Who looks
// for the bit after the read returned finds it. A write that a read does not show
// may be found, too: that is only caution.
//
// A write that was under way when the epoch began is known when it completes,
// for then its bits are set again. What was read before that may be torn, and
// only a look after its completion tells. It is in the Set of the epoch before,
// in which it was issued; FIFREEZE waits for all writes of a filesystem, so that
// an epoch that begins while it is frozen has none of them.
//
// [Tracker.Epoch] switches between two bitmaps, so that no bit is lost: programs
// read the number of the bitmap once, the one that is left is taken only after all
// programs that had read its number have ended (an RCU grace period, see grace),
// and until then both are asked.
//
// # Why nothing is lost
//
// There is no queue of events that could overflow, but bits. The exceptions are
// found out, and Lost says so: long requests (above 64 words of bits) and discards
// of several ranges go to a ring of 65536 that is emptied twenty times a second,
// and a slot that is not empty when it is used again is noticed.
//
// What could still keep a bit from being set is a program that the kernel does
// not run. Programs on classic tracepoints (perf events) are skipped whenever any
// BPF program is active on the same processor, and while bpf(2) works on a map;
// before 6.7 not even a counter tells (kernel/trace/bpf_trace.c, trace_call_bpf):
// an interrupt that completes a request while another request is being issued is
// enough. Hence raw tracepoints with type information are used here, which run
// whatever else does, except within themselves: since 6.1 a program is skipped if
// the same program is active on the same processor (__bpf_trace_run), because an
// interrupt came while it ran. Tracepoints run with preemption disabled, so at
// most three contexts of a processor are within one at a time: a task, a soft
// interrupt and a hard one; block requests do not end in NMIs. Of programs for
// completions three copies are attached: each context that was interrupted was
// within one copy, so for the third one copy is left, and every completion is seen
// by one copy at least. They set the same bits, and a bit that is set costs no
// locked instruction. Requests are issued by tasks alone (blk_mq_run_hw_queue must
// not be called from interrupts), so there is one copy, and the kernel's counter
// of skipped runs (since 5.12) is asked: if it is not 0, track is lost.
//
// # What counts as a write, and where
//
// Every operation but reads and flushes (requests without data, sector 0 or -1)
// counts. Requests carry the whole disk's sectors, whichever partition was
// written to; the disk is found through the request's queue. Bios can only be
// merged into requests that were not issued yet. A request that completes in parts
// is marked whole, with what remains of it, each time, and so is one that fails
// or is requeued, for it was issued. Discards may be merged though they are not
// neighbours (blk-merge.c, ELEVATOR_DISCARD_MERGE; NVMe, virtio): those are
// followed bio by bio.
//
// Devices without requests (dm, md, zram, NVMe multipath heads) are seen through
// block_bio_queue, block_bio_remap and block_bio_complete. Their driver may forget
// a bio's place as it works on it, so that is remembered from queueing to
// completion. A write that was under way at Start has no place: Start waits for
// a moment without one where the driver counts them. A sync after Start makes sure
// of filesystems' writes in any case.
//
// # What is not seen
//
//   - Stores to mapped files of DAX filesystems (pmem): Start refuses such disks.
//   - Pages written by rw_page (zram, brd, pmem before 6.3): Start refuses.
//   - Zone resets: Start refuses zoned disks.
//   - Commands that programs send themselves (SG_IO, NVMe ioctl and io_uring
//     passthrough) carry no position. Those that transfer data to the device make
//     track Lost. Those without a transfer look like reads: FORMAT UNIT, NVMe
//     Format, Sanitize and Write Zeroes, sent by hand to a disk in use.
//   - What changes a disk from outside: another host, another path to the same
//     disk, a write to the file under a loop device, a disk image's hypervisor.
//   - Writes behind the end that the disk had at Start.
package track

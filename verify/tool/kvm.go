package tool

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"
)

const (
	// kvmTime is how long the probe may take; hardware needs about 50 ms for it and
	// the program as long to start.
	kvmTime = 3 * time.Second
	// kvmLoops is how often the probe counts. A KVM that interprets a guest outside of
	// 64-bit mode instead of running it (kvm_pvm, and others inside of virtual
	// machines) was seen to do a third of a million in a second: with it a boot loader
	// takes hours, and emulation by QEMU is a hundred times as fast.
	kvmLoops = 50_000_000
	// probePort ends the program with the exit code 2*probeValue+1.
	probePort, probeValue = 0x501, 0x2a
)

// probeROM is firmware of 64 KiB, which ends at 4 GiB, where a processor starts: it
// counts, and says that it is done.
func probeROM() []byte {
	rom := make([]byte, 64<<10)
	code := []byte{0x66, 0xb9} // mov ecx, kvmLoops
	code = binary.LittleEndian.AppendUint32(code, kvmLoops)
	code = append(code, 0x66, 0x49, 0x75, 0xfc, // dec ecx; jnz to it
		0xb0, probeValue, // mov al, probeValue
		0xba, probePort&0xff, probePort>>8, 0xee, // mov dx, probePort; out dx, al
		0xf4, 0xeb, 0xfd) // hlt; jmp to it
	const at = 0xff00
	copy(rom[at:], code)
	const start = 0xfff0
	rel := uint16(at - (start + 3) + 1<<16)
	copy(rom[start:], []byte{0xe9, byte(rel), byte(rel >> 8)}) // jmp at
	return rom
}

// KVM says whether guests really run on this machine's processor. why says why not.
// /dev/kvm is no proof: a guest is started, and must get on.
func (q QemuSystem) KVM(ctx context.Context) (works bool, why string, err error) {
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return false, err.Error(), nil
	}
	f.Close()
	took, err := q.probe(ctx, "kvm", kvmTime)
	switch {
	case ctx.Err() != nil:
		return false, "", ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return false, fmt.Sprintf("/dev/kvm is there, but a guest that counts to %d million did not end within %v", kvmLoops/1_000_000, kvmTime), nil
	case err != nil:
		return false, err.Error(), nil
	}
	return true, fmt.Sprintf("a guest counted to %d million within %v", kvmLoops/1_000_000, took.Round(10*time.Millisecond)), nil
}

// probe runs the firmware on an accelerator.
func (q QemuSystem) probe(ctx context.Context, accel string, timeout time.Duration) (time.Duration, error) {
	f, err := os.CreateTemp("", "migimg-rom-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(probeROM())
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, err
	}
	start := time.Now()
	_, err = run(ctx, timeout, nil, q.path, "-nodefaults", "-no-user-config", "-display", "none",
		"-machine", "pc,accel="+accel, "-m", "16", "-bios", f.Name(), "-device", fmt.Sprintf("isa-debug-exit,iobase=%#x,iosize=1", probePort))
	var exit *ExitError
	switch {
	case err == nil:
		return 0, errors.New("qemu: the probe ended without a word")
	case errors.As(err, &exit) && exit.Code == 2*probeValue+1:
		return time.Since(start), nil
	}
	return 0, err
}

package facts

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"

	"migimg/preflight/facts/efi"
)

// Arch is which processors the guest's programs are made for, as uname -m names
// them: "x86_64", "i686", "aarch64", "ppc64le", "s390x" and others.
type Arch struct {
	// Userland is of the guest's shell, Kernel of the kernel that boots; "" where
	// it cannot be told. The files are what it was told from.
	Userland, UserlandFile string
	Kernel, KernelFile     string
}

var elfMachines = map[elf.Machine]string{elf.EM_X86_64: "x86_64", elf.EM_386: "i686", elf.EM_AARCH64: "aarch64", elf.EM_ARM: "arm",
	elf.EM_PPC64: "ppc64", elf.EM_S390: "s390x", elf.EM_RISCV: "riscv64", elf.EM_LOONGARCH: "loongarch64", elf.EM_MIPS: "mips"}

var efiMachines = map[string]string{"x64": "x86_64", "ia32": "i686", "aa64": "aarch64", "arm": "arm", "riscv64": "riscv64", "loongarch64": "loongarch64"}

// elfArch is the machine of an ELF file by its first 20 bytes (e_ident, e_machine
// at 18), or "".
func elfArch(head []byte) string {
	if len(head) < 20 || string(head[:4]) != elf.ELFMAG {
		return ""
	}
	var order binary.ByteOrder = binary.LittleEndian
	if elf.Data(head[elf.EI_DATA]) == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	m := elfMachines[elf.Machine(order.Uint16(head[18:]))]
	if m == "ppc64" && order == binary.LittleEndian {
		m = "ppc64le"
	}
	return m
}

// kernelArch is the machine of a kernel image: of an ELF file, an EFI program, an
// x86 bzImage (Documentation/arch/x86/boot.rst: xloadflags at 0x236, bit 0 says
// that it is a 64-bit kernel, from protocol 2.12 on) or an arm64 Image.
func kernelArch(r io.ReaderAt, size int64) string {
	head := make([]byte, 0x240)
	n, _ := r.ReadAt(head, 0) // what is not there is zero and tells nothing
	head = head[:n]
	if a := elfArch(head); a != "" {
		return a
	}
	if p, err := efi.Open(r, size); err == nil && efiMachines[p.Arch] != "" {
		return efiMachines[p.Arch]
	}
	if n < 0x240 {
		return ""
	}
	switch {
	case string(head[0x202:0x206]) == "HdrS" && binary.LittleEndian.Uint16(head[0x206:]) >= 0x20c:
		if head[0x236]&1 != 0 {
			return "x86_64"
		}
		return "i686"
	case bytes.Equal(head[56:60], []byte("ARM\x64")):
		return "aarch64"
	}
	return ""
}

// archOf is the machine of a file of the guest, "" where it cannot be told.
func (g *gatherer) archOf(name string, tell func(io.ReaderAt, int64) string) (string, error) {
	f, err := g.fs.Open(guestName(name))
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // nothing was written
	fi, err := f.Stat()
	if err != nil {
		return "", err
	}
	r, ok := f.(io.ReaderAt)
	if !ok || !fi.Mode().IsRegular() {
		return "", errors.New("not a regular file")
	}
	return tell(r, fi.Size()), nil
}

func elfOf(r io.ReaderAt, _ int64) string {
	var head [20]byte
	n, _ := r.ReadAt(head[:], 0) // a short file is no ELF file
	return elfArch(head[:n])
}

// arch looks at the shell and the kernel; module is one of the kernel's, or empty.
func (g *gatherer) arch(module string) {
	a := &g.f.Kernels.Arch
	for _, p := range []string{"usr/bin/sh", "bin/sh", "usr/bin/bash", "usr/bin/busybox", "usr/lib/systemd/systemd", "sbin/init"} {
		m, err := g.archOf(p, elfOf)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			g.f.Kernels.Problems = append(g.f.Kernels.Problems, err.Error())
			continue
		}
		if m != "" {
			a.Userland, a.UserlandFile = m, "/"+p
			break
		}
	}
	if e, ok := g.f.Boot.DefaultEntry(); ok && e.Kernel.Path != "" {
		if m, err := g.archOf(e.Kernel.Path, kernelArch); err == nil && m != "" {
			a.Kernel, a.KernelFile = m, e.Kernel.Path
			return
		}
	}
	if module != "" {
		if m, err := g.archOf(module, elfOf); err == nil && m != "" {
			a.Kernel, a.KernelFile = m, module
		}
	}
}

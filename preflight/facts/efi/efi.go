// Package efi reads EFI programs: boot loaders, shim, kernels with a stub, and
// unified kernel images. It tells what a program is and gives access to its
// sections; nothing is executed.
//
// The headers are read here and not by debug/pe's NewFile: that one reads every
// relocation and symbol that a file claims to have, which is gigabytes for a
// hostile one. Its types and constants are used.
package efi

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Kind is what a program is.
type Kind string

// The kinds; anything else is Other.
const (
	Shim        Kind = "shim"
	GRUB        Kind = "grub"
	SystemdBoot Kind = "systemd-boot"
	Unified     Kind = "uki"    // a unified kernel image (UAPI.5)
	Kernel      Kind = "kernel" // a Linux kernel with the EFI stub
	Other       Kind = "other"
)

// ErrNotEFI says that a file is no EFI program.
var ErrNotEFI = errors.New("not an EFI program")

// maxSections bounds the section table. The format's own loader takes 96; a
// unified image with several profiles has a few dozen.
const maxSections = 256

// Program is an EFI program. It reads from where it was opened.
type Program struct {
	// Arch is the machine as the fallback's file name has it: "x64", "aa64",
	// "ia32", "arm", "riscv64", "loongarch64", or "" for any other.
	Arch string
	Kind Kind
	// Signed says that a signature is attached; whose it is, is not looked at.
	Signed   bool
	sections []section
	r        io.ReaderAt
}

type section struct {
	name      string
	off, size int64
}

// archs are the machine types of the UEFI specification's removable media paths
// (2.10, 3.5.1.1) by their number in the header.
var archs = map[uint16]string{
	pe.IMAGE_FILE_MACHINE_AMD64: "x64", pe.IMAGE_FILE_MACHINE_ARM64: "aa64", pe.IMAGE_FILE_MACHINE_I386: "ia32",
	pe.IMAGE_FILE_MACHINE_ARMNT: "arm", pe.IMAGE_FILE_MACHINE_THUMB: "arm", pe.IMAGE_FILE_MACHINE_RISCV64: "riscv64", pe.IMAGE_FILE_MACHINE_LOONGARCH64: "loongarch64",
}

// Open reads the headers of a file of size bytes. The error is ErrNotEFI for
// anything but an EFI program, else it is the reader's.
func Open(r io.ReaderAt, size int64) (*Program, error) {
	p := &Program{Kind: Other, r: r}
	dos := make([]byte, 0x40)
	if err := p.at(dos, 0, size); err != nil {
		return nil, err
	}
	if string(dos[:2]) != "MZ" {
		return nil, fmt.Errorf("efi: byte 0: %w", ErrNotEFI)
	}
	at := int64(binary.LittleEndian.Uint32(dos[0x3c:]))
	var coff pe.FileHeader
	head := make([]byte, 4+binary.Size(coff))
	if err := p.at(head, at, size); err != nil {
		return nil, err
	}
	if string(head[:4]) != "PE\x00\x00" {
		return nil, fmt.Errorf("efi: byte %d: no PE header: %w", at, ErrNotEFI)
	}
	if err := binary.Read(bytes.NewReader(head[4:]), binary.LittleEndian, &coff); err != nil {
		return nil, fmt.Errorf("efi: byte %d: %w", at, err)
	}
	p.Arch = archs[coff.Machine]
	at += int64(len(head))
	opt := make([]byte, coff.SizeOfOptionalHeader)
	if err := p.at(opt, at, size); err != nil {
		return nil, err
	}
	p.Signed = signed(opt)
	if coff.NumberOfSections > maxSections {
		return nil, fmt.Errorf("efi: %d sections; at most %d are read: %w", coff.NumberOfSections, maxSections, ErrNotEFI)
	}
	if err := p.table(at+int64(len(opt)), int(coff.NumberOfSections), size); err != nil {
		return nil, err
	}
	p.Kind = p.kind()
	return p, nil
}

// at reads len(b) bytes; a file that ends before them is no program.
func (p *Program) at(b []byte, off, size int64) error {
	if off+int64(len(b)) > size {
		return fmt.Errorf("efi: byte %d: the file ends there: %w", size, ErrNotEFI)
	}
	if n, err := p.r.ReadAt(b, off); n < len(b) {
		return fmt.Errorf("efi: byte %d: %w", off, err)
	}
	return nil
}

// signed looks at the data directory's entry 4, the attribute certificate table
// (PE format, "Optional Header Data Directories").
func signed(opt []byte) bool {
	if len(opt) < 2 {
		return false
	}
	at := map[uint16]int{0x10b: 96, 0x20b: 112}[binary.LittleEndian.Uint16(opt)]
	if at == 0 || len(opt) < at+5*8 || binary.LittleEndian.Uint32(opt[at-4:]) < 5 {
		return false
	}
	return binary.LittleEndian.Uint32(opt[at+4*8+4:]) > 0
}

func (p *Program) table(at int64, n int, size int64) error {
	var h pe.SectionHeader32
	step := binary.Size(h)
	b := make([]byte, n*step)
	if err := p.at(b, at, size); err != nil {
		return err
	}
	for i := range n {
		if err := binary.Read(bytes.NewReader(b[i*step:]), binary.LittleEndian, &h); err != nil {
			return fmt.Errorf("efi: section %d: %w", i, err)
		}
		// What is in the file is padded to the alignment: VirtualSize is the length.
		s := section{string(bytes.TrimRight(h.Name[:], "\x00")), int64(h.PointerToRawData), int64(min(h.VirtualSize, h.SizeOfRawData))}
		if s.off+s.size > size {
			return fmt.Errorf("efi: section %q ends at byte %d, the file at %d: it is cut short: %w", s.name, s.off+s.size, size, io.ErrUnexpectedEOF)
		}
		p.sections = append(p.sections, s)
	}
	return nil
}

// Section is a section's contents. Of a unified image with several profiles it
// is the first profile's: what stands behind a section .profile belongs to that
// one (UAPI.5, "Multi-Profile UKIs"), and the first is started by default.
func (p *Program) Section(name string) (*io.SectionReader, bool) {
	var found *section
	profiles := 0
	for i, s := range p.sections {
		if s.name == ".profile" {
			if profiles++; profiles > 1 {
				break
			}
		}
		if s.name == name {
			found = &p.sections[i]
		}
	}
	if found == nil {
		return nil, false
	}
	return io.NewSectionReader(p.r, found.off, found.size), true
}

// maxText bounds the text sections that are read, in bytes.
const maxText = 64 << 10

// Text is the contents of a text section, "" where there is none. A section that
// is too large is an error.
func (p *Program) Text(name string) (string, error) {
	s, ok := p.Section(name)
	if !ok {
		return "", nil
	}
	if s.Size() > maxText {
		return "", fmt.Errorf("efi: section %s has %d bytes; at most %d are read", name, s.Size(), maxText)
	}
	b, err := io.ReadAll(s)
	if err != nil {
		return "", fmt.Errorf("efi: section %s: %w", name, err)
	}
	text, _, _ := strings.Cut(string(b), "\x00")
	return strings.TrimSpace(text), nil
}

func (p *Program) has(name string) bool {
	return slices.ContainsFunc(p.sections, func(s section) bool { return s.name == name })
}

// kind goes by the sections that each program alone has: systemd's .sdmagic, the
// names in .sbat (shim's SBAT.md), shim's .vendor_cert, GRUB's mods, and the
// kernel's boot header.
func (p *Program) kind() Kind {
	if p.has(".linux") {
		return Unified
	}
	magic, _ := p.Text(".sdmagic") // an unreadable section names nothing
	if strings.HasPrefix(magic, "#### LoaderInfo: systemd-boot") {
		return SystemdBoot
	}
	sbat, _ := p.Text(".sbat")
	for line := range strings.Lines(sbat) {
		name, _, _ := strings.Cut(line, ",")
		switch {
		case name == "shim":
			return Shim
		case name == "grub":
			return GRUB
		case strings.HasPrefix(name, "systemd-boot"):
			return SystemdBoot
		}
	}
	switch {
	case p.has(".vendor_"): // .vendor_cert, of which a header holds eight letters
		return Shim
	case p.has("mods"):
		return GRUB
	}
	var head [0x206]byte
	if n, _ := p.r.ReadAt(head[:], 0); n == len(head) {
		if string(head[0x202:]) == "HdrS" || string(head[56:60]) == "ARM\x64" || string(head[4:8]) == "zimg" {
			return Kernel
		}
	}
	return Other
}

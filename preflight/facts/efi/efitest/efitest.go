// Package efitest makes EFI programs for tests: headers and sections as a linker
// lays them out, and no code.
package efitest

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
)

// Align is the alignment of sections in the file, in bytes.
const Align = 512

// Section is a section of the program.
type Section struct{ Name, Data string }

// Program is an x86-64 program of the given sections.
func Program(sections ...Section) []byte {
	var b bytes.Buffer
	put := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) } // to memory: cannot fail
	dos := make([]byte, 0x80)
	copy(dos, "MZ")
	dos[0x3c] = 0x80
	b.Write(dos)
	b.WriteString("PE\x00\x00")
	put(pe.FileHeader{Machine: pe.IMAGE_FILE_MACHINE_AMD64, NumberOfSections: uint16(len(sections)), SizeOfOptionalHeader: 240})
	put(pe.OptionalHeader64{Magic: 0x20b, FileAlignment: Align, Subsystem: 10, NumberOfRvaAndSizes: 16})
	at := round(b.Len() + 40*len(sections))
	for _, s := range sections {
		h := pe.SectionHeader32{VirtualSize: uint32(len(s.Data)), SizeOfRawData: uint32(round(len(s.Data))), PointerToRawData: uint32(at)}
		copy(h.Name[:], s.Name)
		put(h)
		at += round(len(s.Data))
	}
	for _, s := range sections {
		b.Write(make([]byte, round(b.Len())-b.Len()))
		b.WriteString(s.Data)
	}
	b.Write(make([]byte, round(b.Len())-b.Len()))
	return b.Bytes()
}

func round(n int) int { return (n + Align - 1) / Align * Align }

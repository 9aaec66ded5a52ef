package efi

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"migimg/preflight/facts/efi/efitest"
)

func TestOpen(t *testing.T) {
	for _, c := range []struct {
		name     string
		sections []efitest.Section
		kind     Kind
	}{
		{"uki", []efitest.Section{{Name: ".linux", Data: "kernel"}, {Name: ".cmdline", Data: "root=UUID=x"}}, Unified},
		{"systemd-boot", []efitest.Section{{Name: ".sdmagic", Data: "#### LoaderInfo: systemd-boot 255 ####"}}, SystemdBoot},
		{"shim", []efitest.Section{{Name: ".sbat", Data: "sbat,1,SBAT Version,sbat,1,x\nshim,4,UEFI shim,shim,1,x\n"}}, Shim},
		{"old shim", []efitest.Section{{Name: ".text"}, {Name: ".vendor_", Data: "x"}}, Shim},
		{"grub", []efitest.Section{{Name: ".sbat", Data: "sbat,1,SBAT Version,sbat,1,x\ngrub,3,FSF,grub,2.06,x\n"}}, GRUB},
		{"old grub", []efitest.Section{{Name: ".text", Data: "x"}, {Name: "mods", Data: "x"}}, GRUB},
		{"other", []efitest.Section{{Name: ".text", Data: "x"}}, Other},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := efitest.Program(c.sections...)
			p, err := Open(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			if p.Kind != c.kind || p.Arch != "x64" || p.Signed {
				t.Errorf("%+v, want %s", p, c.kind)
			}
			for _, s := range c.sections {
				if got, err := p.Text(s.Name); err != nil || got != strings.TrimSpace(s.Data) {
					t.Errorf("%s: %q, %v", s.Name, got, err)
				}
			}
			for n := range len(b) { // every cut is an error, and none a panic
				if _, err := Open(bytes.NewReader(b[:n]), int64(n)); err == nil && n < len(b)-efitest.Align {
					t.Errorf("%d of %d bytes are taken for a program", n, len(b))
					break
				}
			}
		})
	}
}

func TestProfiles(t *testing.T) {
	b := efitest.Program(efitest.Section{Name: ".linux", Data: "k"}, efitest.Section{Name: ".cmdline", Data: "base"},
		efitest.Section{Name: ".profile", Data: "ID=main"}, efitest.Section{Name: ".cmdline", Data: "first"},
		efitest.Section{Name: ".profile", Data: "ID=reset"}, efitest.Section{Name: ".cmdline", Data: "second"})
	p, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := p.Text(".cmdline"); got != "first" {
		t.Errorf("%q: the first profile's command line is started", got)
	}
}

func TestErrors(t *testing.T) {
	if _, err := Open(strings.NewReader("#!/bin/sh\n"+strings.Repeat(" ", 100)), 110); !errors.Is(err, ErrNotEFI) {
		t.Errorf("a script: %v", err)
	}
	b := efitest.Program(efitest.Section{Name: ".linux", Data: strings.Repeat("k", 5000)})
	if _, err := Open(bytes.NewReader(b[:1500]), 1500); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a cut program: %v", err)
	}
	big := efitest.Program(efitest.Section{Name: ".cmdline", Data: strings.Repeat("k", maxText+1)})
	p, err := Open(bytes.NewReader(big), int64(len(big)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Text(".cmdline"); err == nil {
		t.Error("a text of 64 KiB is read")
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(efitest.Program(efitest.Section{Name: ".linux", Data: "k"}, efitest.Section{Name: ".cmdline", Data: "root=/dev/vda"}))
	f.Add([]byte("MZ"))
	if b, err := os.ReadFile("/usr/lib/systemd/boot/efi/linuxx64.efi.stub"); err == nil {
		f.Add(b[:min(len(b), 4096)])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		for _, s := range p.sections {
			if r, ok := p.Section(s.name); ok && r.Size() > int64(len(b)) {
				t.Errorf("section %q of %d bytes in a file of %d", s.name, r.Size(), len(b))
			}
			_, _ = p.Text(s.name)
		}
	})
}

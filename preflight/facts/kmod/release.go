package kmod

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrNoRelease says that a kernel image does not tell its release in a place
// that is read: it is not an x86 bzImage.
var ErrNoRelease = errors.New("the kernel image does not tell its release")

// Release reads the release, as uname -r prints it, from an x86 kernel image,
// for guests whose file names do not tell it (Arch: vmlinuz-linux). The header
// field kernel_version at 0x20e points to a text, 0x200 bytes before it
// (Documentation/arch/x86/boot.rst).
func Release(r io.ReaderAt) (string, error) {
	var h [0x210]byte
	if _, err := r.ReadAt(h[:], 0); err != nil {
		if errors.Is(err, io.EOF) {
			err = ErrNoRelease
		}
		return "", fmt.Errorf("kmod: kernel image: %w", err)
	}
	if string(h[0x202:0x206]) != "HdrS" || binary.LittleEndian.Uint16(h[0x206:]) < 0x200 {
		return "", fmt.Errorf("kmod: kernel image: no x86 boot header: %w", ErrNoRelease)
	}
	at := int64(binary.LittleEndian.Uint16(h[0x20e:]))
	if at == 0 {
		return "", fmt.Errorf("kmod: kernel image: no version: %w", ErrNoRelease)
	}
	var text [256]byte
	n, err := r.ReadAt(text[:], at+0x200)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("kmod: kernel image: byte %d: %w", at+0x200, err)
	}
	line, _, ended := bytes.Cut(text[:n], []byte{0})
	release, _, _ := strings.Cut(string(line), " ")
	if !ended || release == "" || strings.ContainsFunc(release, func(c rune) bool { return c <= ' ' || c > '~' || c == '/' }) {
		return "", fmt.Errorf("kmod: kernel image: byte %d: no text: %w", at+0x200, ErrNoRelease)
	}
	return release, nil
}

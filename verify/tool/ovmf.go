package tool

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// firmwareDirs hold the descriptors of firmware, the first one's going before others
// of the same name (QEMU, docs/interop/firmware.json). A variable for tests.
var firmwareDirs = []string{"/etc/qemu/firmware", "/usr/share/qemu/firmware"}

// descriptor is what is read of one.
type descriptor struct {
	Types   []string `json:"interface-types"`
	Mapping struct {
		Device     string
		Executable struct{ Filename, Format string }
		Template   struct{ Filename, Format string } `json:"nvram-template"`
	}
	Targets  []struct{ Architecture string }
	Features []string
}

// findOVMF finds UEFI firmware for x86_64 without Secure Boot, and the template of
// its variables.
func findOVMF() ([2]string, error) {
	files := map[string]string{}
	for _, dir := range slices.Backward(firmwareDirs) {
		found, _ := filepath.Glob(filepath.Join(dir, "*.json")) // the pattern is sound
		for _, f := range found {
			files[filepath.Base(f)] = f
		}
	}
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names) // the order of preference
	for _, name := range names {
		b, err := os.ReadFile(files[name])
		var d descriptor
		if err != nil || json.Unmarshal(b, &d) != nil || !d.plain() {
			continue
		}
		pair := [2]string{d.Mapping.Executable.Filename, d.Mapping.Template.Filename}
		if readable(pair[0]) && readable(pair[1]) {
			return pair, nil
		}
	}
	return [2]string{}, fmt.Errorf("UEFI firmware for QEMU (package ovmf or edk2-ovmf; described in %s): %w", strings.Join(firmwareDirs, ", "), ErrNotInstalled)
}

// plain says that it is UEFI in flash memory for any PC, and checks no signatures.
func (d *descriptor) plain() bool {
	x86 := slices.ContainsFunc(d.Targets, func(t struct{ Architecture string }) bool { return t.Architecture == "x86_64" })
	special := slices.ContainsFunc(d.Features, func(f string) bool { return f == "secure-boot" || f == "requires-smm" })
	m := d.Mapping
	return x86 && !special && slices.Contains(d.Types, "uefi") && m.Device == "flash" && m.Executable.Format == "raw" && m.Template.Format == "raw"
}

func readable(path string) bool {
	f, err := os.Open(path)
	if err == nil {
		f.Close()
	}
	return err == nil
}

package bootcfg

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"migimg/preflight/facts/efi/efitest"
)

func ukiFile(osrel, cmdline string) *fstest.MapFile {
	return &fstest.MapFile{Data: efitest.Program(efitest.Section{Name: ".osrel", Data: osrel}, efitest.Section{Name: ".cmdline", Data: cmdline + "\n\x00"},
		efitest.Section{Name: ".uname", Data: "6.1"}, efitest.Section{Name: ".linux", Data: "kernel"}, efitest.Section{Name: ".initrd", Data: "initrd"})}
}

// Unified images and loader entries are one list, in systemd-boot's order.
func TestUnified(t *testing.T) {
	const fedora = "ID=fedora\nPRETTY_NAME=\"Fedora 41\"\nVERSION_ID=41\n"
	for _, c := range []struct {
		name          string
		files         map[string]*fstest.MapFile
		conf, want    string
		kernel, words string
	}{
		{"one", map[string]*fstest.MapFile{"boot/EFI/Linux/a.efi": ukiFile(fedora, "root=UUID=1 ro")}, "", "Fedora 41", "/boot/EFI/Linux/a.efi", "root=UUID=1 ro"},
		{"the newer version", map[string]*fstest.MapFile{"boot/EFI/Linux/a.efi": ukiFile(fedora, "a"), "boot/EFI/Linux/b.efi": ukiFile("ID=fedora\nNAME=F\nVERSION_ID=42\n", "b")}, "", "F", "/boot/EFI/Linux/b.efi", "b"},
		{"the first sort key", map[string]*fstest.MapFile{"boot/EFI/Linux/a.efi": ukiFile(fedora, "a"), "boot/EFI/Linux/z.efi": ukiFile("ID=arch\nNAME=Arch\n", "z")}, "", "Arch", "/boot/EFI/Linux/z.efi", "z"},
		{"no tries left", map[string]*fstest.MapFile{"boot/EFI/Linux/a+0-3.efi": ukiFile("ID=arch\nNAME=Arch\n", "a"), "boot/EFI/Linux/z.efi": ukiFile(fedora, "z")}, "", "Fedora 41", "/boot/EFI/Linux/z.efi", "z"},
		{"before entries without a sort key", map[string]*fstest.MapFile{"boot/EFI/Linux/a.efi": ukiFile(fedora, "a"), "boot/loader/entries/x.conf": {Data: []byte(entryFile("X", "k", ""))}, "boot/k": {}}, "", "Fedora 41", "/boot/EFI/Linux/a.efi", "a"},
		{"by pattern", map[string]*fstest.MapFile{"boot/EFI/Linux/a.efi": ukiFile(fedora, "a"), "boot/EFI/Linux/B.efi": ukiFile(fedora, "b")}, "default b*\n", "Fedora 41", "/boot/EFI/Linux/B.efi", "b"},
		{"named by an entry", map[string]*fstest.MapFile{"boot/u.efi": ukiFile(fedora, "own"), "boot/loader/entries/x.conf": {Data: []byte("title U\nuki /u.efi\n")}}, "", "U", "/boot/u.efi", "own"},
		{"with an add-on", map[string]*fstest.MapFile{"boot/EFI/Linux/a.efi": ukiFile(fedora, "a"), "boot/EFI/Linux/a.efi.extra.d/x.addon.efi": ukiFile("", "console=ttyS0")}, "", "Fedora 41", "/boot/EFI/Linux/a.efi", "a console=ttyS0"},
		{"an entry without its kernel", map[string]*fstest.MapFile{"boot/loader/entries/b.conf": {Data: []byte(entryFile("B", "gone", ""))}, "boot/loader/entries/a.conf": {Data: []byte(entryFile("A", "k", ""))}, "boot/k": {}}, "", "A", "/boot/k", "root=UUID=1 ro"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := guest(map[string]string{"boot/EFI/systemd/systemd-bootx64.efi": "", "boot/loader/loader.conf": c.conf})
			for k, v := range c.files {
				g[k] = v
			}
			cfg := first(t, g, Env{Firmware: "uefi"})
			e, ok := cfg.DefaultEntry()
			if !ok || cfg.Loader != SystemdBoot {
				t.Fatalf("no default: %+v", cfg)
			}
			got := []string{e.Title, e.Kernel, e.Cmdline}
			if d := cmp.Diff([]string{c.want, c.kernel, c.words}, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if e.Unified != strings.HasSuffix(e.Kernel, ".efi") {
				t.Errorf("unified: %v", e.Unified)
			}
		})
	}
}

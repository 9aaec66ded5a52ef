package facts

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMachine(t *testing.T) {
	for _, x := range []struct {
		name, cpuinfo, vendor, product, hypervisor string
		want                                       Machine
	}{
		{"server", "processor: 0\nflags\t\t: fpu vmx\n", "Dell Inc.", "PowerEdge R640", "", Machine{Known: true, Name: "Dell Inc. PowerEdge R640"}},
		{"KVM", "flags\t\t: fpu hypervisor lahf_lm\n", "QEMU", "Standard PC (i440FX + PIIX, 1996)", "", Machine{Known: true, Virtual: true, Name: "QEMU Standard PC (i440FX + PIIX, 1996)"}},
		{"Xen", "flags\t\t: fpu\n", "", "", "xen", Machine{Known: true, Virtual: true}},
		{"arm64 in a cloud", "processor: 0\nFeatures: fp asimd\n", "Amazon EC2", "t4g.micro", "", Machine{Known: true, Virtual: true, Name: "Amazon EC2 t4g.micro"}},
		{"arm64", "processor: 0\nFeatures: fp asimd\n", "Ampere", "Mt. Jade", "", Machine{Name: "Ampere Mt. Jade"}},
		{"nothing", "", "", "", "", Machine{}},
	} {
		t.Run(x.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range map[string]string{"cpuinfo": x.cpuinfo, "class/dmi/id/sys_vendor": x.vendor, "class/dmi/id/product_name": x.product, "hypervisor/type": x.hypervisor} {
				if text == "" {
					continue
				}
				p := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(p, []byte(text+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			g := &gatherer{f: &Facts{}, src: &Source{Proc: dir, Sys: dir}}
			g.machine()
			g.f.Guest.Live, g.f.Guest.RootPath = true, "/mnt"
			g.machine()
			if g.f.Machine != (Machine{}) {
				t.Errorf("of a disk that does not run: %+v", g.f.Machine)
			}
			g.f.Guest.RootPath = "/"
			if g.machine(); g.f.Machine != x.want {
				t.Errorf("%+v, want %+v", g.f.Machine, x.want)
			}
		})
	}
}

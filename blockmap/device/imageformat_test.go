package device

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file of a format that is no raw disk is refused by its name; one that only looks
// like it elsewhere is not.
func TestImageFormat(t *testing.T) {
	for _, c := range []struct {
		name, want string
		off        int
		magic      string
	}{
		{"qcow2", "qcow2", 0, "QFI\xfb"},
		{"vmdk", "VMDK", 0, "KDMV"},
		{"a VMDK's descriptor", "VMDK", 0, "# Disk DescriptorFile\n"},
		{"vhd", "VHD", 0, "conectix"},
		{"vhdx", "VHDX", 0, "vhdxfile"},
		{"vdi", "VDI", 64, "\x7f\x10\xda\xbe"},
		{"a fixed VHD is a disk with a footer", "", 4096 - 512, "conectix"},
		{"a disk that holds one", "", 512, "QFI\xfb"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := make([]byte, 4096)
			copy(b[c.off:], c.magic)
			file := filepath.Join(t.TempDir(), "disk")
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
			d, err := Open(file)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want == "":
				d.Close()
			case err == nil || !strings.Contains(err.Error(), "is a "+c.want+" image"):
				t.Errorf("%v, want a %s image", err, c.want)
			}
		})
	}
	if d, err := Open("imageformat.go"); err != nil { // shorter than a header need not be
		t.Error(err)
	} else {
		d.Close()
	}
}

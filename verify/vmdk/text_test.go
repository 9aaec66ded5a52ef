package vmdk

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"migimg/verify/decoder"
	"migimg/verify/internal/build"
	"migimg/verify/internal/decodertest"
)

// flat is the descriptor of a disk of 64 KiB in disk-flat.vmdk.
func flat() string {
	return strings.Replace(build.Descriptor("monolithicFlat", "disk-flat.vmdk", 128), `SPARSE "disk-flat.vmdk"`, `FLAT "disk-flat.vmdk" 0`, 1)
}

func TestText(t *testing.T) {
	disk, _ := build.Disk(1, 64<<10, 4096)
	for _, c := range []struct {
		name, from, to string
		want           string // "" is none
		readable       bool
	}{
		{"good", "", "", "", true},
		{"vmfs", "", "", "", true},
		{"sectors", "RW 128", "RW 129", "fail vmdk: disk-flat.vmdk has 65536 bytes, the descriptor says 66048: 512 are missing", true},
		{"fewer sectors", "RW 128", "RW 127", "fail vmdk: disk-flat.vmdk has 65536 bytes, the descriptor says 65024", true},
		{"offset", `vmdk" 0`, `vmdk" 128`, "fail vmdk: descriptor: an extent of FLAT 128", true},
		{"no offset", `vmdk" 0`, `vmdk"`, "fail vmdk: descriptor: an extent of FLAT, must be FLAT 0", true},
		{"kind", "FLAT", "SPARSE", "fail vmdk: descriptor: an extent of SPARSE 0", true},
		{"type", "monolithicFlat", "twoGbMaxExtentFlat", "unknown vmdk: descriptor: the type", false},
		{"folder", "disk-flat.vmdk", "../disk-flat.vmdk", "holds a folder", false},
		{"absolute", "disk-flat.vmdk", "/etc/shadow", "holds a folder", false},
		{"another system's folder", "disk-flat.vmdk", `a\disk.vmdk`, "holds a folder", false},
		{"missing", "disk-flat.vmdk", "else.vmdk", "fail vmdk: the disk's data: else.vmdk", false},
		{"forbidden", "disk-flat.vmdk", "secret.vmdk", "unknown vmdk: the disk's data", false},
		{"two extents", "RW 128", "RW 1 FLAT \"x\" 0\nRW 128", "2 extents", false},
		{"no CID", "CID=1234abcd\n", "", "CID is missing", true},
		{"short", "\n", "\n", "", true},
		{"binary", "lsilogic", "lsi\x00ogic", "is not ASCII", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(flat(), c.from, c.to, 1)
			switch c.name {
			case "vmfs":
				text = strings.NewReplacer("monolithicFlat", "vmfs", `FLAT "disk-flat.vmdk" 0`, `VMFS "disk-flat.vmdk"`).Replace(text)
			case "short":
				text, c.want = text[:len(text)-1], "the last line does not end"
			}
			ps := &decoder.Problems{}
			f := decoder.File{R: strings.NewReader(text), Size: int64(len(text))}
			if !IsText(f) {
				t.Error("it is not recognised")
			}
			d, _, err := OpenText(f, func(name string) (decoder.File, error) {
				switch name {
				case "disk-flat.vmdk":
					return decoder.File{R: bytes.NewReader(disk), Size: int64(len(disk))}, nil
				case "secret.vmdk":
					return decoder.File{}, errors.New("forbidden")
				case "else.vmdk":
					return decoder.File{}, fs.ErrNotExist
				}
				t.Errorf("%q was opened", name)
				return decoder.File{}, fs.ErrNotExist
			}, ps)
			var all []string
			for _, p := range ps.List() {
				all = append(all, string(p.Severity)+" "+p.What)
			}
			if s := strings.Join(all, "\n"); err != nil || (d != nil) != c.readable || !strings.Contains(s, c.want) || c.want == "" && s != "" {
				t.Errorf("readable %v, %v: %s", d != nil, err, s)
			}
		})
	}
}

// FuzzText checks that no text crashes the check or names a file elsewhere.
func FuzzText(f *testing.F) {
	f.Add(flat())
	f.Fuzz(func(t *testing.T, text string) {
		ps := &decoder.Problems{}
		d, _, err := OpenText(decoder.File{R: strings.NewReader(text), Size: int64(len(text))}, func(name string) (decoder.File, error) {
			if !fs.ValidPath(name) || strings.Contains(name, "/") || name == "." {
				t.Errorf("%q was opened", name)
			}
			return decoder.File{R: strings.NewReader(text), Size: int64(len(text))}, nil
		}, ps)
		if err != nil {
			t.Fatal(err)
		}
		decodertest.Promises(t, d, ps)
	})
}

package vmdk_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"migimg/encoders"
	"migimg/encoders/encodertest"
	"migimg/encoders/vmdk"
)

// inspect applies the rules by which OpenStack's Glance, Nova and Cinder admit
// a VMDK (oslo.utils, imageutils/format_inspector.py), written from a
// description of them. It returns the extents' file names.
func inspect(head []byte) ([]string, error) {
	le := binary.LittleEndian
	if string(head[:4]) != "KDMV" {
		return nil, fmt.Errorf("magic %q", head[:4])
	}
	if v := le.Uint32(head[4:]); v < 1 || v > 3 {
		return nil, fmt.Errorf("version %d", v)
	}
	if le.Uint64(head[56:]) == 1<<64-1 {
		return nil, fmt.Errorf("the directory is in a footer")
	}
	at, n := le.Uint64(head[28:])*512, le.Uint64(head[36:])*512
	if at != 0x200 || at+n > uint64(len(head)) {
		return nil, fmt.Errorf("the descriptor is at %#x, %d bytes", at, n)
	}
	text := bytes.TrimRight(head[at:at+n], "\x00")
	var extents []string
	created := ""
	for i, line := range strings.Split(string(text), "\n") {
		for _, r := range line {
			if r >= 0x80 || r < 0x20 {
				return nil, fmt.Errorf("line %d: %q is not plain ASCII", i+1, line)
			}
		}
		key, value, pair := strings.Cut(line, "=")
		lower := strings.ToLower(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(lower, "ddb"):
		case strings.HasPrefix(lower, "rw ") || strings.HasPrefix(lower, "rdonly ") || strings.HasPrefix(lower, "noaccess "):
			name := strings.Trim(line[strings.Index(line, `"`):], `"`)
			if strings.Contains(name, "/") {
				return nil, fmt.Errorf("line %d: extent %q leaves the folder", i+1, name)
			}
			if len(strings.Fields(line)) != 4 || !strings.HasPrefix(line, "RW ") {
				return nil, fmt.Errorf("line %d: QEMU reads no such sparse extent: %q", i+1, line)
			}
			extents = append(extents, name)
		case pair && !strings.Contains(key, " "):
			if key == "createType" {
				created = strings.Trim(value, `"`)
			}
		default:
			return nil, fmt.Errorf("line %d: %q is none of the known forms", i+1, line)
		}
	}
	if created != "streamOptimized" && created != "monolithicSparse" {
		return nil, fmt.Errorf("createType %q", created)
	}
	if len(extents) == 0 {
		return nil, fmt.Errorf("no extent")
	}
	return extents, nil
}

func TestOpenStack(t *testing.T) {
	seen := 0
	for _, c := range encodertest.Small() {
		outs, err := vmdk.Encoder{}.Plan(c.Disk(t), encoders.Options{})
		if err != nil {
			continue // the conformance test looks at errors
		}
		seen++
		head := make([]byte, 21*512)
		if _, err := encodertest.Plain(outs[0].Layout, c.View(t)).ReadAt(head, 0); err != nil {
			t.Fatal(err)
		}
		extents, err := inspect(head)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		if len(extents) != 1 || extents[0] != outs[0].Path {
			t.Errorf("%s: the extents are %q, the file is %q", c.Name, extents, outs[0].Path)
		}
		checkDescriptor(t, c.Name, head[512:], outs[0].VirtualSize/512)
	}
	if seen == 0 {
		t.Error("no disk was encoded")
	}
}

// checkDescriptor asks for the lines that VMware's products want.
func checkDescriptor(t *testing.T, name string, b []byte, sectors int64) {
	t.Helper()
	text := string(bytes.TrimRight(b, "\x00"))
	var cid string
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(line, "CID="); ok {
			cid = strings.TrimSpace(v)
		}
	}
	cylinders := min((sectors+255*63-1)/(255*63), 65535)
	for _, want := range []string{
		"# Disk DescriptorFile\nversion=1\n",
		"\nparentCID=ffffffff\n",
		"\ncreateType=\"streamOptimized\"\n",
		fmt.Sprintf("\nRW %d SPARSE \"disk.vmdk\"\n", sectors),
		fmt.Sprintf("\nddb.geometry.cylinders = \"%d\"\n", cylinders),
		"\nddb.geometry.heads = \"255\"\n",
		"\nddb.geometry.sectors = \"63\"\n",
		"\nddb.adapterType = \"lsilogic\"\n",
		cid + "\"\nddb.virtualHWVersion = \"4\"\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s: the descriptor has no %q:\n%s", name, want, text)
		}
	}
	if len(cid) != 8 || cid == "ffffffff" || cid == "fffffffe" || cid == "00000000" {
		t.Errorf("%s: CID is %q", name, cid)
	}
	i := strings.Index(text, "ddb.longContentID = \"")
	if long, _, ok := strings.Cut(text[i+len("ddb.longContentID = \""):], "\""); i < 0 || !ok || len(long) != 32 {
		t.Errorf("%s: longContentID is %q", name, long)
	}
}

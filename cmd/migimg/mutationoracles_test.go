//go:build integration

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"migimg/verify"
	"migimg/verify/tool"
)

// unpackers print the raw disk in an image that QEMU does not read.
var unpackers = map[string]string{
	"raw.gz":  `gzip -dc "$0"`,
	"raw.zst": `zstd -dcq "$0"`,
	"tar":     `tar -xOf "$0"`,
	"tar.gz":  `tar -xzOf "$0"`,
	"ova":     `tar -xOf "$0" disk.vmdk >"$0.vmdk" && qemu-img convert -f vmdk -O raw "$0.vmdk" "$0.out" && cat "$0.out"`,
}

// slack says that another program reads the same disk out of the mutated image.
func (s *subject) slack(t *testing.T) bool {
	t.Helper()
	if unpack, ok := unpackers[s.name]; ok {
		out, err := exec.Command("bash", "-c", "set -o pipefail; cmp <("+unpack+") <("+strings.ReplaceAll(unpack, "$0", "$1")+") && "+unpack+" >/dev/null", s.path, s.whole).CombinedOutput()
		if err != nil {
			t.Logf("%v %s", err, out)
		}
		return err == nil
	}
	qemu, err := tool.FindQemuImg()
	if err != nil {
		t.Fatal(err)
	}
	same, detail, err := qemu.Compare(context.Background(), s.format, s.whole, s.format, s.path)
	if err != nil || !same {
		t.Logf("qemu-img compare: %v %s", err, detail)
	}
	return err == nil && same
}

// ask lets other programs look at the mutated image.
func (s *subject) ask(t *testing.T, kind string) {
	t.Helper()
	ctx := context.Background()
	found := s.others[kind]
	qemu, err := tool.FindQemuImg()
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains([]string{verify.QCOW2, verify.VMDK, verify.VHDX, verify.VDI}, s.format) {
		found["qemu-img check"] += 0
		if r, err := qemu.Check(ctx, s.format, s.path); err != nil || r.Corruptions+r.Errors+r.Leaks > 0 {
			found["qemu-img check"]++
		}
	}
	if unpack, ok := unpackers[s.name]; ok {
		found["unpacking"] += 0
		if err := exec.Command("bash", "-c", "set -o pipefail; "+unpack+" >/dev/null", s.path).Run(); err != nil {
			found["unpacking"]++
		}
	}
	if !slices.Contains([]string{"qcow2", "vhd", "vmdk"}, s.name) {
		return
	}
	found["libyal"] += 0
	point := tempDir(t)
	raw, unmount, err := tool.LibyalMount(ctx, s.format, s.path, point)
	if err != nil {
		found["libyal"]++
		return
	}
	if err := exec.Command("cp", raw, "/dev/null").Run(); err != nil {
		found["libyal"]++
	}
	if err := unmount(); err != nil {
		t.Error(err)
	}
	_ = os.Remove(point) // thousands of them, else
}

// report prints rows of the table in docs/verify.md, and holds the test to them.
func (s *subject) report(t *testing.T) {
	t.Helper()
	for _, kind := range []string{"bit", "cut", "swapped", "stale", "garbage"} {
		o := s.others[kind]
		var others []string
		for _, program := range []string{"qemu-img check", "libyal", "unpacking"} {
			if n, ok := o[program]; ok {
				others = append(others, fmt.Sprintf("%s %d", program, n))
			}
		}
		t.Logf("| %s | %s | %d | %d | %d | %s |", s.name, kind, s.made[kind], o["verify"], o["slack"], strings.Join(others, ", "))
		if o["verify"]+o["slack"] != s.made[kind] {
			t.Errorf("%s: %d were neither found nor without a difference", kind, s.made[kind]-o["verify"]-o["slack"])
		}
	}
}

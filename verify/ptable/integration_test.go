//go:build integration

package ptable

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"migimg/internal/need"
)

// What sfdisk wrote and reads is what is read here.
func TestAgainstSfdisk(t *testing.T) {
	need.Tool(t, "sfdisk")
	for _, c := range []struct{ name, script string }{
		{"mbr", "label: dos\nlabel-id: 0x1234abcd\nstart=2048,size=4096,type=83,bootable\nstart=8192,size=2048,type=82\n"},
		{"logical", "label: dos\nsize=4M,type=83\nsize=20M,type=5\nsize=2M,type=83\nsize=3M,type=8e\nsize=1M,type=7\n"},
		{"lba extended last", "label: dos\nsize=1M,type=83\nsize=1M,type=83\nsize=1M,type=c\ntype=f\nsize=2M,type=83\nsize=2M,type=83\n"},
		{"gpt", "label: gpt\nsize=4M,type=U,name=\"EFI\"\nsize=1M,type=21686148-6449-6E6F-744E-656564454649\ntype=L,attrs=\"LegacyBIOSBootable\"\n"},
		{"gpt with gaps", "label: gpt\nstart=4096,size=2048\n5: start=20480,size=2048\n"},
		{"no partitions", "label: dos\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "disk")
			disk := make([]byte, 32<<20)
			if err := os.WriteFile(path, disk, 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("sfdisk", "-q", path)
			cmd.Stdin = strings.NewReader(c.script)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			out, err := exec.Command("sfdisk", "--json", path).Output()
			if err != nil {
				t.Fatal(err)
			}
			var want struct {
				PartitionTable struct {
					Label, ID  string
					Partitions []struct {
						Node, Type, UUID, Name string
						Start, Size            int64
					}
				}
			}
			if err := json.Unmarshal(out, &want); err != nil {
				t.Fatal(err)
			}
			if disk, err = os.ReadFile(path); err != nil {
				t.Fatal(err)
			}
			got, err := Read(bytes.NewReader(disk), int64(len(disk)))
			if err != nil {
				t.Fatal(err)
			}
			w := want.PartitionTable
			kind := map[string]string{"dos": MBR, "gpt": GPT}[w.Label]
			if got.Kind != kind || !strings.EqualFold(got.ID, strings.TrimPrefix(w.ID, "0x")) || len(got.Broken)+len(got.Odd) > 0 || len(got.Partitions) != len(w.Partitions) {
				t.Fatalf("%+v\n%s", got, out)
			}
			for i, p := range got.Partitions {
				q := w.Partitions[i]
				if path+fmt.Sprint(p.Number) != q.Node || p.Start != q.Start*512 || p.Size != q.Size*512 || !strings.EqualFold(p.ID, q.UUID) || p.Name != q.Name ||
					!strings.EqualFold(p.Type, fmt.Sprintf("%02s", q.Type)) {
					t.Errorf("%+v, sfdisk says %+v", p, q)
				}
			}
		})
	}
}

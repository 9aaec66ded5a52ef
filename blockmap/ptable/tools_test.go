//go:build integration

package ptable

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/internal/need"
)

// image makes a sparse file of size bytes.
func image(t *testing.T, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

// loop makes a loop device of a file, with sectors of 4096 bytes, for the test's
// duration.
func loop(t *testing.T, path string) string {
	t.Helper()
	need.Root(t)
	need.Tool(t, "losetup")
	dev := strings.TrimSpace(run(t, "", "losetup", "-b", "4096", "--show", "-f", path))
	t.Cleanup(func() { run(t, "", "losetup", "-d", dev) })
	return dev
}

// sfdisk writes a table.
func sfdisk(t *testing.T, script, path string) {
	t.Helper()
	run(t, script, "sfdisk", "--no-reread", "--no-tell-kernel", path)
}

// run runs a tool with stdin and returns its output.
func run(t *testing.T, stdin, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %v: %v\n%s%s", name, args, err, out.String(), errs.String())
	}
	return out.String()
}

// readImage is Read of a file or device, with the sector size as known.
func readImage(t *testing.T, path string, sectorSize int64) *Table {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, err := f.Seek(0, 2)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Read(blockmap.Bytes(f, size, sectorSize))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// sfdiskTable is what sfdisk --json says.
type sfdiskTable struct {
	Label      string `json:"label"`
	ID         string `json:"id"`
	FirstLBA   int64  `json:"firstlba"`
	LastLBA    int64  `json:"lastlba"`
	SectorSize int64  `json:"sectorsize"`
	Partitions []struct {
		Node     string `json:"node"`
		Start    int64  `json:"start"`
		Size     int64  `json:"size"`
		Type     string `json:"type"`
		UUID     string `json:"uuid"`
		Name     string `json:"name"`
		Attrs    string `json:"attrs"`
		Bootable bool   `json:"bootable"`
	} `json:"partitions"`
}

// compareSfdisk holds got against sfdisk's reading of the same disk.
func compareSfdisk(t *testing.T, got *Table, path string, sectorSize int64) {
	t.Helper()
	var doc struct {
		Table sfdiskTable `json:"partitiontable"`
	}
	if err := json.Unmarshal([]byte(run(t, "", "sfdisk", "--json", path)), &doc); err != nil {
		t.Fatal(err)
	}
	want := doc.Table
	if kind := map[string]Kind{"dos": KindMBR, "gpt": KindGPT}[want.Label]; got.Kind != kind {
		t.Fatalf("kind %s, sfdisk says %s", got.Kind, want.Label)
	}
	if id := strings.ToLower(strings.TrimPrefix(want.ID, "0x")); got.ID != id {
		t.Errorf("ID %s, sfdisk says %s", got.ID, id)
	}
	if got.GPT != nil && (got.GPT.FirstUsableLBA != want.FirstLBA || got.GPT.LastUsableLBA != want.LastLBA) {
		t.Errorf("usable %d to %d, sfdisk says %d to %d", got.GPT.FirstUsableLBA, got.GPT.LastUsableLBA, want.FirstLBA, want.LastLBA)
	}
	if len(got.Partitions) != len(want.Partitions) {
		t.Fatalf("%d partitions, sfdisk says %d: %+v", len(got.Partitions), len(want.Partitions), got.Partitions)
	}
	for i, w := range want.Partitions {
		g := got.Partitions[i]
		number, err := strconv.Atoi(strings.TrimLeft(strings.TrimPrefix(w.Node, path), "p"))
		if err != nil {
			t.Fatal(err)
		}
		kind := strings.ToLower(w.Type)
		if want.Label == "dos" {
			kind = fmt.Sprintf("0x%02s", kind)
		}
		bootable := w.Bootable || strings.Contains(w.Attrs, "LegacyBIOSBootable")
		if g.Number != number || g.Start != w.Start*sectorSize || g.Size != w.Size*sectorSize || g.Type != kind ||
			g.Name != w.Name || g.Bootable != bootable || (w.UUID != "" && g.UUID != strings.ToLower(w.UUID)) {
			t.Errorf("partition %+v, sfdisk says %+v", g, w)
		}
	}
}

// comparePartx holds got against libblkid's reading of the same disk.
func comparePartx(t *testing.T, got *Table, path string, sectorSize int64) {
	t.Helper()
	args := []string{"-g", "-r", "-o", "NR,START,SECTORS,UUID,TYPE,FLAGS", "-S", strconv.FormatInt(sectorSize, 10), path}
	lines := strings.Split(strings.TrimSpace(run(t, "", "partx", args...)), "\n")
	var want, have []string
	for _, l := range lines {
		if f := strings.Split(l, " "); len(f) >= 5 {
			f = f[:5]
			if strings.HasPrefix(f[4], "0x") {
				f[4] = fmt.Sprintf("0x%02s", f[4][2:])
			}
			want = append(want, strings.Join(f, " "))
		}
	}
	for _, p := range got.Partitions {
		have = append(have, fmt.Sprintf("%d %d %d %s %s", p.Number, p.Start/512, p.Size/512, p.UUID, p.Type))
	}
	if a, b := strings.Join(have, "\n"), strings.Join(want, "\n"); a != b {
		t.Errorf("partitions:\n%s\npartx says:\n%s", a, b)
	}
}

// sound fails the test on a Broken table.
func sound(t *testing.T, tab *Table) {
	t.Helper()
	if tab.Broken != "" {
		t.Errorf("broken: %s", tab.Broken)
	}
}

// randomMBR is an sfdisk script of primaries and logicals with gaps.
func randomMBR(r *rand.Rand, sectors int64) string {
	var s strings.Builder
	fmt.Fprintf(&s, "label: dos\nlabel-id: 0x%08x\n", r.Uint32())
	kinds := []string{"83", "82", "8e", "fd", "c", "7", "ef", "b"}
	at := 1 + r.Int64N(2048)
	extended := r.IntN(5) // 0: none, else the slot
	for slot := 1; slot <= 4 && at < sectors/2; slot++ {
		size := 2 + r.Int64N(sectors/8)
		if slot == extended {
			size = sectors/4 + r.Int64N(sectors/8)
			fmt.Fprintf(&s, "%d: start=%d, size=%d, type=%s\n", slot, at, size, []string{"5", "f", "85"}[r.IntN(3)])
			in, n := at, 5
			for n < 5+r.IntN(12) {
				in += 1 + r.Int64N(200)
				length := 1 + r.Int64N(size/8)
				if in+length >= at+size-4096 {
					break
				}
				fmt.Fprintf(&s, "%d: start=%d, size=%d, type=%s\n", n, in, length, kinds[r.IntN(len(kinds))])
				in += length
				n++
			}
		} else if r.IntN(4) != 0 {
			boot := ""
			if r.IntN(3) == 0 {
				boot = ", bootable"
			}
			fmt.Fprintf(&s, "%d: start=%d, size=%d, type=%s%s\n", slot, at, size, kinds[r.IntN(len(kinds))], boot)
		}
		at += size + r.Int64N(3000)
	}
	return s.String()
}

// randomGPT is an sfdisk script of up to 20 partitions with gaps and holes in
// the numbering.
func randomGPT(r *rand.Rand, sectors int64) string {
	var s strings.Builder
	s.WriteString("label: gpt\n")
	if r.IntN(3) == 0 {
		fmt.Fprintf(&s, "table-length: %d\n", []int{32, 64, 128, 200, 256}[r.IntN(5)])
	}
	kinds := []string{"linux", "swap", "uefi", "lvm", "raid", "home", "21686148-6449-6E6F-744E-656564454649", "0FC63DAF-8483-4772-8E79-3D69D8477DE4"}
	names := []string{"", "root", "EFI system partition", "Größe ß", "日本語のなまえ", "𝛑 and 😀"}
	at := 2048 + r.Int64N(100)
	for n := 1; n <= 20 && at < sectors*3/4; n++ {
		size := 1 + r.Int64N(sectors/16)
		if r.IntN(4) != 0 {
			fmt.Fprintf(&s, "%d: start=%d, size=%d, type=%s", n, at, size, kinds[r.IntN(len(kinds))])
			if name := names[r.IntN(len(names))]; name != "" {
				fmt.Fprintf(&s, ", name=%q", name)
			}
			if r.IntN(4) == 0 {
				s.WriteString(`, attrs="LegacyBIOSBootable"`)
			}
			s.WriteString("\n")
		}
		at += size + r.Int64N(2000)
	}
	return s.String()
}

func TestRandomLayoutsAgainstTools(t *testing.T) {
	need.Tool(t, "sfdisk", "partx", "blkid")
	compared := 0
	for seed := range uint64(40) {
		for _, label := range []string{"mbr", "gpt"} {
			for _, sectorSize := range []int64{512, 4096} {
				if sectorSize == 4096 && seed%4 != 0 {
					continue
				}
				t.Run(fmt.Sprintf("%s/%d/%d", label, sectorSize, seed), func(t *testing.T) {
					r := rand.New(rand.NewPCG(seed, uint64(sectorSize)))
					size := 64<<20 + r.Int64N(1<<30)
					size -= size % sectorSize
					path := image(t, size)
					script := randomGPT(r, size/sectorSize)
					if label == "mbr" {
						script = randomMBR(r, size/sectorSize)
					}
					if sectorSize == 4096 {
						path = loop(t, path)
					}
					sfdisk(t, script, path)
					got := readImage(t, path, sectorSize)
					sound(t, got)
					compared += len(got.Partitions)
					if len(got.Problems) > 0 {
						t.Errorf("problems: %v", got.Problems)
					}
					compareSfdisk(t, got, path, sectorSize)
					if len(got.Partitions) > 0 {
						comparePartx(t, got, path, sectorSize)
					}
					if blkid := run(t, "", "blkid", "-p", "-o", "export", path); !strings.Contains(blkid, "PTUUID="+got.ID+"\n") {
						t.Errorf("ID %s, blkid says %s", got.ID, blkid)
					}
					if label == "gpt" || sectorSize == 512 { // an image file tells nothing of its sectors
						if again := readImage(t, path, 0); fmt.Sprint(again.Partitions) != fmt.Sprint(got.Partitions) || again.Broken != "" {
							t.Errorf("with an unknown sector size: %+v", again)
						}
					}
				})
			}
		}
	}
	if t.Logf("%d partitions compared", compared); compared < 500 {
		t.Errorf("only %d partitions compared", compared)
	}
}

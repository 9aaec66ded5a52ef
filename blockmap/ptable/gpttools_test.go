//go:build integration

package ptable

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"migimg/internal/need"
)

// patch overwrites bytes of a file.
func patch(t *testing.T, path string, off int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
}

// contains says whether some text has the part.
func contains(texts []string, part string) bool {
	for _, s := range texts {
		if strings.Contains(s, part) {
			return true
		}
	}
	return false
}

// TestGPTAgainstSgdisk walks the states that gdisk can make of a disk, and what
// it can say of them: sgdisk -v.
func TestGPTAgainstSgdisk(t *testing.T) {
	need.Tool(t, "sgdisk", "sfdisk", "partx")
	const size = 256 * mib
	three := []string{"-n", "1:2048:+16M", "-t", "1:ef00", "-n", "2:0:+32M", "-t", "2:8300", "-c", "2:root", "-n", "5:0:0", "-t", "5:8200"}
	for _, tc := range []struct {
		name          string
		args          [][]string // sgdisk calls
		then          func(t *testing.T, path string)
		kind          Kind
		problem       string
		broken        string
		primary, back bool
		partitions    int
	}{
		{name: "plain", args: [][]string{three}, kind: KindGPT, primary: true, back: true, partitions: 3},
		{name: "empty", args: [][]string{{"-o"}}, kind: KindGPT, primary: true, back: true},
		{name: "256 entries", args: [][]string{{"-S", "256", "-n", "200:2048:+1M", "-n", "256:0:+1M"}}, kind: KindGPT, primary: true, back: true, problem: "numbers above 255", partitions: 2},
		{name: "hybrid", args: [][]string{three, {"-h", "1:2"}}, kind: KindHybrid, problem: "hybrid MBR", primary: true, back: true, partitions: 3},
		{name: "hybrid with EE last", args: [][]string{three, {"-h", "2:EE"}}, kind: KindHybrid, problem: "hybrid MBR", primary: true, back: true, partitions: 3},
		{name: "moved main table", args: [][]string{{"-j", "1024", "-n", "1:4096:+1M"}}, kind: KindGPT, primary: true, back: true, partitions: 1},
		{name: "grown", args: [][]string{three}, kind: KindGPT, primary: true, back: true, problem: "the disk has grown", partitions: 3,
			then: func(t *testing.T, p string) { truncate(t, p, size+64*mib) }},
		{name: "grown and repaired", args: [][]string{three}, kind: KindGPT, primary: true, back: true, partitions: 3,
			then: func(t *testing.T, p string) { truncate(t, p, size+64*mib); run(t, "", "sgdisk", "-e", p) }},
		{name: "shrunk", args: [][]string{three}, kind: KindGPT, broken: "truncated",
			then: func(t *testing.T, p string) { truncate(t, p, size-mib) }},
		{name: "no primary", args: [][]string{three}, kind: KindGPT, back: true, problem: "primary GPT header does not verify", partitions: 3,
			then: func(t *testing.T, p string) { patch(t, p, 512, make([]byte, 512)) }},
		{name: "no backup", args: [][]string{three}, kind: KindGPT, primary: true, problem: "backup GPT header", partitions: 3,
			then: func(t *testing.T, p string) { patch(t, p, size-512, make([]byte, 512)) }},
		{name: "bad primary entries", args: [][]string{three}, kind: KindGPT, back: true, problem: "checksum of the entries", partitions: 3,
			then: func(t *testing.T, p string) { patch(t, p, 1024+40, []byte{1}) }},
		{name: "neither", args: [][]string{three}, kind: KindGPT, broken: "neither",
			then: func(t *testing.T, p string) {
				patch(t, p, 512, make([]byte, 512))
				patch(t, p, size-512, make([]byte, 512))
			}},
		{name: "no protective MBR", args: [][]string{three}, kind: KindGPT, primary: true, back: true, broken: "no protective MBR", partitions: 3,
			then: func(t *testing.T, p string) { patch(t, p, 0, make([]byte, 512)) }},
		{name: "turned into MBR", args: [][]string{three, {"-m", "1:2:5"}}, kind: KindMBR, partitions: 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := image(t, size)
			for _, a := range tc.args {
				run(t, "", "sgdisk", append(a, path)...)
			}
			if tc.then != nil {
				tc.then(t, path)
			}
			got := readImage(t, path, 512)
			if got.Kind != tc.kind || len(got.Partitions) != tc.partitions {
				t.Errorf("%s with %d partitions, want %s with %d", got.Kind, len(got.Partitions), tc.kind, tc.partitions)
			}
			if (tc.broken == "") != (got.Broken == "") || !strings.Contains(got.Broken, tc.broken) {
				t.Errorf("broken: %q, want %q", got.Broken, tc.broken)
			}
			if (tc.problem == "") != (len(got.Problems) == 0) && tc.broken == "" || tc.problem != "" && !contains(got.Problems, tc.problem) {
				t.Errorf("problems %q, want %q", got.Problems, tc.problem)
			}
			if h := got.GPT; h != nil && (h.PrimaryOK != tc.primary || h.BackupOK != tc.back) {
				t.Errorf("primary %v (%s), backup %v (%s)", h.PrimaryOK, h.PrimaryError, h.BackupOK, h.BackupError)
			}
			if got.Broken == "" && len(got.Partitions) > 0 {
				comparePartx(t, got, path, 512)
			}
			// Where sgdisk finds nothing to complain of, neither do we. (It repairs in
			// memory before it verifies, and says so.)
			out := run(t, "", "sgdisk", "-v", path)
			fine := strings.Contains(out, "No problems found") && !strings.Contains(out, "corrupt") && !strings.Contains(out, "Creating") && !strings.Contains(out, "invalid") && !strings.Contains(out, "Warning")
			if fine && (got.Broken != "" || got.GPT == nil || !got.GPT.BackupOK) {
				t.Errorf("sgdisk: %s\nbroken: %s", out, got.Broken)
			}
		})
	}
}

func truncate(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

// TestOtherSectorSize copies a disk of one sector size to a device of the other.
func TestOtherSectorSize(t *testing.T) {
	need.Tool(t, "sfdisk", "partx")
	path := image(t, 512*mib)
	dev := loop(t, path)
	sfdisk(t, "label: gpt\nstart=256, size=1024\nsize=2048\n", dev)
	run(t, "", "sync", dev)

	got := readImage(t, dev, 4096)
	sound(t, got)
	comparePartx(t, got, dev, 4096)
	if unknown := readImage(t, path, 0); unknown.SectorSize != 4096 || unknown.Broken != "" || fmt.Sprint(unknown.Partitions) != fmt.Sprint(got.Partitions) {
		t.Errorf("sector size unknown: %+v", unknown)
	}
	wrong := readImage(t, path, 512)
	if wrong.SectorSize != 4096 || !strings.Contains(wrong.Broken, "sectors of 4096") {
		t.Errorf("sector size 512: %+v", wrong)
	}
}

// TestParted has a table made by a third program.
func TestParted(t *testing.T) {
	need.Tool(t, "parted", "sfdisk", "partx")
	t.Run("gpt", func(t *testing.T) {
		path := image(t, 128*mib)
		run(t, "", "parted", "-s", path, "mklabel", "gpt", "mkpart", "boot", "1MiB", "20MiB", "mkpart", "data", "ext4", "30MiB", "100%", "set", "1", "bios_grub", "on")
		got := readImage(t, path, 0)
		sound(t, got)
		compareSfdisk(t, got, path, 512)
		if got.Partitions[0].TypeName != "BIOS boot" || got.Partitions[1].TypeName != "Linux filesystem" {
			t.Errorf("%+v", got.Partitions)
		}
	})
	t.Run("msdos from sector 63", func(t *testing.T) {
		path := image(t, 128*mib)
		run(t, "", "parted", "-s", "-a", "none", path, "mklabel", "msdos", "mkpart", "primary", "63s", "20000s", "mkpart", "extended", "20001s", "200000s",
			"mkpart", "logical", "20064s", "40000s", "mkpart", "logical", "50000s", "60000s", "mkpart", "logical", "60100s", "60200s", "mkpart", "logical", "150000s", "200000s",
			"set", "1", "boot", "on", "rm", "6")
		got := readImage(t, path, 0)
		sound(t, got)
		compareSfdisk(t, got, path, 512)
		comparePartx(t, got, path, 512)
		if n := len(got.Partitions); n != 5 {
			t.Errorf("%d partitions", n)
		}
	})
}

// TestTypesAgainstSfdisk checks that the types that have a name here have one
// for sfdisk.
func TestTypesAgainstSfdisk(t *testing.T) {
	need.Tool(t, "sfdisk")
	gpt := strings.ToLower(run(t, "", "sfdisk", "--label", "gpt", "-T"))
	for id, name := range gptTypes {
		if !strings.Contains(gpt, id) {
			t.Logf("sfdisk does not know %s %s", id, name)
		}
	}
	dos := run(t, "", "sfdisk", "--label", "dos", "-T")
	for id, name := range mbrTypes {
		if !strings.Contains(dos, fmt.Sprintf("\n%2x  ", id)) {
			t.Errorf("sfdisk does not know 0x%02x %s", id, name)
		}
	}
}

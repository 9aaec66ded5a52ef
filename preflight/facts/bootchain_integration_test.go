//go:build integration

package facts

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"migimg/internal/need"
)

// GRUB's own boot sector and core image, as grub-bios-setup lays them out: the
// sector names the one behind it.
func TestRealGRUB(t *testing.T) {
	need.Tool(t, "grub-mkimage")
	core := filepath.Join(t.TempDir(), "core.img")
	if out, err := exec.Command("grub-mkimage", "-O", "i386-pc", "-o", core, "-p", "/boot/grub", "biosdisk", "part_msdos", "ext2").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	boot, err := os.ReadFile("/usr/lib/grub/i386-pc/boot.img")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(core)
	if err != nil {
		t.Fatal(err)
	}
	disk := append(boot, b...)
	s := readSector(bytes.NewReader(disk), "", 0)
	if s.Code != CodeGRUB2 || s.NextAt != 512 || s.Next != "core" {
		t.Errorf("%+v", s)
	}
	clear(disk[512:])
	if s := readSector(bytes.NewReader(disk), "", 0); s.Next != "empty" {
		t.Errorf("without its core: %+v", s)
	}
	copy(disk[512:], "EFI PART")
	if s := readSector(bytes.NewReader(disk), "", 0); s.Next != "gpt" {
		t.Errorf("under a GPT: %+v", s)
	}
}

// syslinux's boot sectors only hand over.
func TestRealSyslinux(t *testing.T) {
	need.Tool(t, "isohybrid")
	files, err := filepath.Glob("/usr/lib/syslinux/mbr/*mbr.bin")
	if err != nil || len(files) == 0 {
		t.Fatalf("no boot sectors of syslinux: %v", err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if s := readSector(bytes.NewReader(append(b, make([]byte, 512)...)), "", 0); s.Code != CodeActive {
			t.Errorf("%s: %+v", f, s)
		}
	}
}

// kmod's reading of the same file.
func TestRealModprobe(t *testing.T) {
	need.Tool(t, "modprobe")
	const file = "# x\nblacklist virtio-blk\ninstall vfat /bin/true\nalias scsi_hostadapter mpt-spi\ninstall \\\n  udf /bin/false\n  blacklist a_b\nblacklist\noptions x y=z\n"
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/a.conf", []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("modprobe", "-c", "-C", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(out)) {
		w := strings.Fields(line)
		if len(w) > 1 && (w[0] == RuleBlacklist || w[0] == RuleInstall || w[0] == RuleAlias && w[1] == "scsi_hostadapter") {
			want = append(want, strings.ReplaceAll(strings.Join(w, " "), "-", "_"))
		}
	}
	var got []string
	for _, r := range ParseModprobe("/f", RuleGuest, file) {
		got = append(got, strings.TrimSpace(strings.Join([]string{r.Kind, r.Module, strings.Join(strings.Fields(r.Value), " ")}, " ")))
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Errorf("%q, kmod %q", got, want)
	}
}

// A shell's reading of the same assignments.
func TestRealShell(t *testing.T) {
	need.Tool(t, "sh")
	n := 0
	for _, v := range []string{`0`, `"a b"`, `'a "b" c'`, `"a \"b\" \$c \\ \x"`, `a\ b`, `"two` + "\n" + `lines"`, `a"b c"d'e f'`, `""`, `x # comment`, `"#"`, `a#b`, `x;`} {
		text := "V=" + v + "\n"
		x := ParseShellFile("/f", text)
		out, err := exec.Command("sh", "-c", text+`printf %s "$V"`).Output()
		if err != nil || len(x.Settings) != 1 || len(x.Problems) > 0 {
			t.Errorf("%s: %+v, shell: %v", text, x, err)
			continue
		}
		if x.Settings[0].Value != string(out) {
			t.Errorf("%s: %q, a shell has %q", text, x.Settings[0].Value, out)
		}
		n++
	}
	for _, text := range []string{"V=\"a\n", "V='a\n", "V=`a\n", "V=$(a\n"} {
		err := exec.Command("sh", "-n", "-c", text).Run()
		if x := ParseShellFile("/f", text); (err != nil) != (len(x.Problems) > 0) {
			t.Errorf("%q: problems %v, shell: %v", text, x.Problems, err)
		}
		n++
	}
	t.Logf("%d values agree with a shell", n)
}

//go:build integration

package facts

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"migimg/internal/need"
	"migimg/preflight/facts/storage"
)

// generated runs one of systemd's generators over a file, and returns the links
// it makes, by the name of the unit.
func generated(t *testing.T, generator, variable, text string) map[string]string {
	t.Helper()
	program := "/usr/lib/systemd/system-generators/" + generator
	need.Tool(t, program)
	dir := t.TempDir()
	file := filepath.Join(dir, "in")
	out := filepath.Join(dir, "out")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(out, 0o700); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program, out, out, out)
	c.Env = append(os.Environ(), variable+"="+file)
	if b, err := c.CombinedOutput(); err != nil {
		t.Logf("%s: %v\n%s", generator, err, b)
	}
	links := map[string]string{}
	err := filepath.WalkDir(out, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if by := filepath.Base(filepath.Dir(p)); strings.HasSuffix(by, ".requires") || strings.HasSuffix(by, ".wants") {
				if strings.Contains(by, ".target.") {
					links[d.Name()] = by
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return links
}

// Every type with every option, against systemd's own generator: what holds up
// the boot, and which target it belongs to.
func TestFstabGenerator(t *testing.T) {
	types := []string{"ext4", "xfs", "btrfs", "vfat", "nfs", "nfs4", "cifs", "smb3", "glusterfs", "ceph", "fuse.sshfs", "fuse.glusterfs", "davfs", "9p", "vboxsf", "fuse.vmhgfs-fuse", "virtiofs", "lustre", "afs", "ocfs2", "tmpfs"}
	options := []string{"defaults", "nofail", "noauto", "_netdev", "nofail,_netdev", "x-systemd.automount", "noauto,x-systemd.automount", "x-systemd.wanted-by=foo.service", "x-systemd.device-timeout=5", "ro,relatime"}
	var text strings.Builder
	type key struct{ fstype, options string }
	point := map[key]string{}
	for i, ty := range types {
		for k, o := range options {
			p := fmt.Sprintf("/m%dx%d", i, k)
			point[key{ty, o}] = p
			fmt.Fprintf(&text, "/dev/disk/by-uuid/%d %s %s %s 0 0\n", i, p, ty, o)
		}
	}
	links := generated(t, "systemd-fstab-generator", "SYSTEMD_FSTAB", text.String())
	if len(links) == 0 {
		t.Fatal("the generator made nothing")
	}
	byPoint := map[string]FstabLine{}
	for _, l := range ParseFstab(text.String()).Lines {
		byPoint[l.Point] = l
	}
	n := 0
	for k, p := range point {
		l := byPoint[p]
		by := links[p[1:]+".mount"]
		required := by == "local-fs.target.requires" || by == "remote-fs.target.requires"
		if required == l.Optional() {
			t.Errorf("%+v: optional %v, systemd: %q", k, l.Optional(), by)
			continue
		}
		if by != "" && strings.HasPrefix(by, "remote-fs") != l.Remote() && !strings.HasPrefix(by, "foo.") {
			t.Errorf("%+v: remote %v, systemd: %q", k, l.Remote(), by)
			continue
		}
		n++
	}
	t.Logf("%d of %d lines agree", n, len(point))
}

func TestCryptsetupGenerator(t *testing.T) {
	options := []string{"luks", "nofail", "noauto", "_netdev", "luks,discard", "swap", "x-initrd.attach", "tpm2-device=auto", "nofail,_netdev", "-"}
	var text strings.Builder
	for i, o := range options {
		fmt.Fprintf(&text, "m%d UUID=%d none %s\n", i, i, o)
	}
	links := generated(t, "systemd-cryptsetup-generator", "SYSTEMD_CRYPTTAB", text.String())
	if len(links) == 0 {
		t.Fatal("the generator made nothing")
	}
	n := 0
	for _, e := range storage.ParseCrypttab(text.String()).Entries {
		by := links["systemd-cryptsetup@"+e.Name+".service"]
		if strings.HasSuffix(by, ".requires") == e.Optional() {
			t.Errorf("%s: optional %v, systemd: %q", e.Options, e.Optional(), by)
			continue
		}
		n++
	}
	t.Logf("%d of %d entries agree", n, len(options))
}

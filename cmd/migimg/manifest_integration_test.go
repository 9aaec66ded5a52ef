//go:build integration

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"migimg/internal/need"
)

// proven verifies a copy by a manifest and says how it went.
func proven(t *testing.T, manifest, copied string, args ...string) (int, string) {
	t.Helper()
	return exitStatus(t, append([]string{"verify", "--manifest", manifest, copied}, args...)...)
}

// TestManifest: copies of every format, and what other programs made of them, are proven
// when the mount and the disk have gone; what is wrong with one is named.
func TestManifest(t *testing.T) {
	need.Root(t)
	need.Tool(t, "qemu-img", "cp")
	d := fragmentedDisk()
	fill := d.fill
	d.fill = func(t testing.TB, dir string) {
		fill(t, dir)
		if err := os.WriteFile(filepath.Join(dir, "sub", "marked"), []byte(strings.Repeat("MARKER", 50000)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path, _ := d.make(t)
	dir := tempDir(t)
	file := filepath.Join(dir, "server.manifest.json")
	point := mountMigimg(t, path)
	files := statusOf(t, point).Files

	write := func() string {
		t.Helper()
		out := run(t, program, "manifest", point)
		if err := os.WriteFile(file, []byte(out), 0o600); err != nil {
			t.Fatal(err)
		}
		return out
	}
	run(t, "cp", filepath.Join(point, files[1].Path), dir)
	half := filepath.Join(dir, "half")
	write()
	run(t, "dd", "if="+filepath.Join(point, "disk.raw"), "of="+half, "bs=1M", "count=1", "status=none")
	if code, out := proven(t, file, filepath.Join(dir, files[1].Path)); code != exitOK || !strings.Contains(out, "100 % of the disk is proven") {
		t.Fatalf("the copy that was read first: exit %d, %s", code, out)
	}
	for _, f := range files {
		run(t, "cp", "--preserve=xattr", filepath.Join(point, f.Path), dir)
	}
	write()
	run(t, program, "umount", point)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}

	for _, f := range files {
		for _, args := range [][]string{nil, {"--sample", "20%"}, {"--max-duration", "1m"}} {
			if code, out := proven(t, file, filepath.Join(dir, f.Path), args...); code != exitOK {
				t.Errorf("%s %v: exit %d, %s", f.Path, args, code, out)
			}
		}
	}
	converted := filepath.Join(dir, "converted.vdi")
	run(t, "qemu-img", "convert", "-f", "qcow2", "-O", "vdi", filepath.Join(dir, "disk.qcow2"), converted)
	if code, out := proven(t, file, converted); code != exitOK || !strings.Contains(out, "100 %") {
		t.Errorf("a converted copy: exit %d, %s", code, out)
	}

	for name, c := range map[string]struct {
		file   string
		change string // a shell command, of the file $0
		says   []string
	}{
		"a bit": {"disk.qcow2", `qemu-img convert -f qcow2 -O raw "$0" "$0.raw"
			at=$(grep -abo -m 1 MARKER "$0.raw" | head -n 1 | cut -d: -f1)
			printf x | dd of="$0.raw" bs=1 seek="$at" conv=notrunc status=none
			qemu-img convert -f raw -O qcow2 "$0.raw" "$0"; setfattr -x user.migimg.plan-digest "$0"`, []string{"partition 1 (ext4): /", "/sub/marked"}},
		"short":  {"disk.qcow2", `truncate -s -70000 "$0"`, []string{"the last 70000 are missing"}},
		"grown":  {"disk.vmdk", `printf garbage >>"$0"`, []string{"7 were added"}},
		"others": {"disk.vhd", `cat "$(dirname "$0")/half" >"$0"`, []string{"are missing"}},
	} {
		bad := filepath.Join(dir, "bad-"+c.file)
		run(t, "cp", "--preserve=xattr", filepath.Join(dir, c.file), bad)
		run(t, "sh", "-c", c.change, bad)
		code, out := proven(t, file, bad)
		if code != exitFindings {
			t.Errorf("%s: exit %d, %s", name, code, out)
		}
		for _, want := range c.says {
			if !strings.Contains(out, want) {
				t.Errorf("%s: nothing of %q in %s", name, want, out)
			}
		}
	}
}

// TestManifestOfExport: an export has one as well, also where it goes into a pipe.
func TestManifestOfExport(t *testing.T) {
	need.Root(t)
	d := fragmentedDisk()
	path, _ := d.make(t)
	dir := tempDir(t)
	for _, name := range []string{"disk.qcow2", "disk.vhdx"} {
		to := filepath.Join(dir, name)
		run(t, program, "export", "--manifest", to+".json", path, to)
		if code, out := proven(t, to+".json", to); code != exitOK || !strings.Contains(out, "100 %") {
			t.Errorf("%s: exit %d, %s", name, code, out)
		}
	}
	to := filepath.Join(dir, "piped.vhd")
	run(t, "sh", "-c", `"$0" export --image-format vhd --manifest "$2.json" "$1" - >"$2"`, program, path, to)
	if code, out := proven(t, to+".json", to); code != exitOK || !strings.Contains(out, "100 %") {
		t.Errorf("a piped image: exit %d, %s", code, out)
	}
}

// TestManifestRefused: what cannot be meant is said.
func TestManifestRefused(t *testing.T) {
	dir := tempDir(t)
	image, empty := filepath.Join(dir, "x.raw"), filepath.Join(dir, "empty")
	for _, f := range []string{image, empty} {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for args, says := range map[string]string{
		"--manifest " + empty + " " + image:                      "unexpected EOF",
		"--manifest " + dir + "/none " + image:                   "no such file",
		"--sample 5% " + image:                                   "--sample goes with --manifest",
		"--manifest " + empty + " --sample 5 " + image:           "no share such as 5%",
		"--manifest " + empty + " --sample 0% " + image:          "no share such as 5%",
		"--manifest " + empty + " --source " + dir + " " + image: "give it, or --source",
	} {
		if code, out := exitStatus(t, append([]string{"verify"}, strings.Fields(args)...)...); code != exitFailed || !strings.Contains(out, says) {
			t.Errorf("%s: exit %d, %s", args, code, out)
		}
	}
}

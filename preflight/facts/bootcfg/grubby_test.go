package bootcfg

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"migimg/internal/need"
)

type grubbyCase struct {
	Kind, Bootloader, Config, Grubenv string
	Args                              []string
	Expected                          string `json:"expected_output_file"`
	EnvAfter                          string `json:"grubenv_after_contains"`
}

// option is the value of "--name=value" or "--name value".
func (c grubbyCase) option(name string) (string, bool) {
	for i, a := range c.Args {
		if v, ok := strings.CutPrefix(a, "--"+name+"="); ok {
			return v, true
		}
		if a == "--"+name && i+1 < len(c.Args) && !strings.HasPrefix(c.Args[i+1], "--") {
			return c.Args[i+1], true
		}
		if a == "--"+name {
			return "", true
		}
	}
	return "", false
}

// guest is a guest with one configuration.
func (c grubbyCase) guest(conf, env []byte) fstest.MapFS {
	file := map[string]string{"grub": "boot/grub/grub.conf", "grub2": "boot/grub2/grub.cfg", "extlinux": "boot/extlinux/extlinux.conf"}
	m := fstest.MapFS{file[c.Bootloader]: {Data: conf}}
	if env != nil {
		m["boot/grub2/grubenv"] = &fstest.MapFile{Data: env}
	}
	return m
}

func (c grubbyCase) read(t *testing.T, conf, env []byte) Config {
	t.Helper()
	cs, err := Read(c.guest(conf, env), Env{Firmware: "bios"})
	if err != nil || len(cs) != 1 {
		t.Fatalf("%d configurations, error %v", len(cs), err)
	}
	return cs[0]
}

// index is the default's place among the entries that have a kernel or a line.
func index(c Config) int {
	return slices.IndexFunc(c.Entries, func(e Entry) bool { return e.Default })
}

// TestGrubby compares with grubby: which entry is the default, and, after an
// edit that it made, that the edit is what is read.
func TestGrubby(t *testing.T) {
	dir := need.Corpora(t, "grubby")
	raw, err := os.ReadFile(filepath.Join(dir, "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct{ Cases []grubbyCase }
	if err := json.Unmarshal(raw, &doc); err != nil {
		if err := json.Unmarshal(raw, &doc.Cases); err != nil {
			t.Fatal(err)
		}
	}
	load := func(name string) []byte {
		if name == "" {
			return nil
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	count := map[string]int{}
	for i, c := range doc.Cases {
		if c.Bootloader != "grub" && c.Bootloader != "grub2" && c.Bootloader != "extlinux" {
			continue
		}
		t.Run(strconv.Itoa(i)+"_"+c.Config, func(t *testing.T) {
			if c.Expected == "results/default/extlinux3.1" {
				// grubby writes "default=LABEL", a keyword that syslinux does not know.
				count["differs"]++
				return
			}
			before := c.read(t, load(c.Config), load(c.Grubenv))
			want := load(c.Expected)
			if c.Kind == "display" {
				if c.display(t, before, strings.TrimSpace(string(want))) {
					count["display"]++
				}
				return
			}
			env := load(c.Grubenv)
			if c.EnvAfter != "" {
				env = []byte(envHeader + c.EnvAfter + "\n")
			}
			count["edit"]++
			c.edit(t, before, c.read(t, want, env))
		})
	}
	t.Logf("cases: %v", count)
}

// display checks the answer of --default-index, --default-title and
// --default-kernel.
func (c grubbyCase) display(t *testing.T, got Config, want string) bool {
	t.Helper()
	e, ok := got.DefaultEntry()
	if !ok {
		t.Fatalf("no default: %s", got.DefaultWhy)
	}
	switch {
	case slices.Contains(c.Args, "--default-index"):
		if strconv.Itoa(index(got)) != want {
			t.Errorf("index %d (%s), want %s", index(got), got.DefaultWhy, want)
		}
	case slices.Contains(c.Args, "--default-title"):
		if e.Title != want {
			t.Errorf("title %q (%s), want %q", e.Title, got.DefaultWhy, want)
		}
	case slices.Contains(c.Args, "--default-kernel") && !slices.Contains(c.Args, "--debug"):
		if path.Base(e.Kernel) != path.Base(want) {
			t.Errorf("kernel %q, want %q", e.Kernel, want)
		}
	default:
		return false
	}
	return true
}

// edit checks that what the options asked for is in the edited configuration.
func (c grubbyCase) edit(t *testing.T, before, after Config) {
	t.Helper()
	byKernel := func(k string) (out []Entry) {
		for _, e := range after.Entries {
			if e.Kernel != "" && path.Base(e.Kernel) == path.Base(k) {
				out = append(out, e)
			}
		}
		return out
	}
	def, hasDef := after.DefaultEntry()
	if k, ok := c.option("set-default"); ok && path.Base(def.Kernel) != path.Base(k) {
		t.Errorf("default is %q (%s), want %q", def.Kernel, after.DefaultWhy, k)
	}
	if s, ok := c.option("set-default-index"); ok {
		if n, err := strconv.Atoi(s); err == nil && n < len(after.Entries) && index(after) != n {
			t.Errorf("default is %d (%s), want %d", index(after), after.DefaultWhy, n)
		}
	}
	if k, ok := c.option("add-kernel"); ok {
		title, _ := c.option("title")
		added := slices.DeleteFunc(byKernel(k), func(e Entry) bool { return e.Title != title })
		if len(added) == 0 {
			t.Fatalf("no entry %q with kernel %s in %+v", title, k, after.Entries)
		}
		if initrd, ok := c.option("initrd"); ok && !slices.ContainsFunc(added[0].Initrds, func(p string) bool { return path.Base(p) == path.Base(initrd) }) {
			t.Errorf("initrds %q, want %q", added[0].Initrds, initrd)
		}
		c.checkArgs(t, added[:1])
		_, makeDefault := c.option("make-default")
		_, setDefault := c.option("set-default")
		_, removes := c.option("remove-kernel")
		switch old, ok := before.DefaultEntry(); {
		case makeDefault && !def.Default, makeDefault && def.Title != title:
			t.Errorf("default is %q (%s), want the new %q", def.Title, after.DefaultWhy, title)
		case !makeDefault && !setDefault && !removes && ok && hasDef && old.Title != def.Title && !c.moves():
			t.Errorf("default moved from %q to %q (%s)", old.Title, def.Title, after.DefaultWhy)
		}
		return
	}
	if k, ok := c.option("remove-kernel"); ok && strings.HasPrefix(k, "/") && len(byKernel(k)) > 0 {
		t.Errorf("kernel %s is still there", k)
	}
	switch k, ok := c.option("update-kernel"); {
	case !ok:
	case k == "DEFAULT":
		c.checkArgs(t, []Entry{def})
	case k == "ALL":
		c.checkArgs(t, after.Entries)
	default:
		c.checkArgs(t, byKernel(k))
	}
}

// moves says that the default is a number or nothing and the new entry came
// before it, which grubby then leaves as it was.
func (c grubbyCase) moves() bool {
	_, ok := c.option("set-index")
	return ok || c.Bootloader != "grub"
}

func (c grubbyCase) checkArgs(t *testing.T, entries []Entry) {
	t.Helper()
	args, _ := c.option("args")
	for _, e := range entries {
		if e.Kernel == "" {
			continue
		}
		for _, a := range Args(args) {
			if len(Params(args, a.Key)) > 1 {
				continue // grubby keeps one of them, and not always the last
			}
			if !slices.Contains(Params(e.Cmdline, a.Key), a.Value) {
				t.Errorf("%s: %q lacks %s=%s", e.Title, e.Cmdline, a.Key, a.Value)
			}
		}
		removed, _ := c.option("remove-args")
		for _, a := range Args(removed) {
			if v, ok := Param(e.Cmdline, a.Key); ok && (!a.HasValue || v == a.Value) {
				t.Errorf("%s: %q still has %s", e.Title, e.Cmdline, a.Key)
			}
		}
	}
}

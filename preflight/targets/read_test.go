package targets

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// dir is a directory with the given files.
func dir(t *testing.T, files map[string]string) string {
	t.Helper()
	d := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(d, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

const whole = `{"id":"mine","title":"My own cloud","as_of":"2026-12","sources":[{"ref":"wiki","title":"Our wiki","date":"2026-11"}],
 "formats":{"values":["qcow2"],"source":0,"confidence":"confirmed"}}`

func TestRead(t *testing.T) {
	d := dir(t, map[string]string{
		"a.json": whole,
		"b.json": `{"id":"tencent","as_of":"2026-12-01","max_image_bytes":{"value":107374182400},"nics":null,
			"severity":{"driver.network":{"severity":"high","why":"they said so"}}, "error_codes":{"boot.firmware":"Mine"}}`,
		"c.json":    `{"id":"tencent","sources":[{"ref":"x","title":"y","date":"2026"}],"max_virtual_bytes":{"value":1,"source":0,"confidence":"doubtful"}}`,
		"notes.txt": "not read", ".hidden.json": "not read",
	})
	s, err := Read(d)
	if err != nil {
		t.Fatal(err)
	}
	base, _ := Load("tencent")
	got, err := s.Choose("mine", "tencent")
	if err != nil {
		t.Fatal(err)
	}
	if p := got[0]; p.Title != "My own cloud" || !slices.Equal(p.From, []string{filepath.Join(d, "a.json")}) {
		t.Errorf("%+v", p)
	}
	p, n := got[1], len(base[0].Sources)
	if p.MaxImage.Value != 100<<30 || p.MaxImage.Sure != Confirmed || p.Sources[p.MaxImage.Source].Ref != filepath.Join(d, "b.json") {
		t.Errorf("max_image_bytes: %+v of %v", p.MaxImage, p.Sources[n:])
	}
	if p.MaxVirtual.Value != 1 || p.MaxVirtual.Sure != Doubtful || p.Sources[p.MaxVirtual.Source].Ref != "x" {
		t.Errorf("max_virtual_bytes: %+v", p.MaxVirtual)
	}
	if p.AsOf != "2026-12-01" || p.NICs != nil || p.Title != base[0].Title || len(p.From) != 2 || len(p.Sources) != n+2 {
		t.Errorf("as of %s, nics %v, from %v, %d sources", p.AsOf, p.NICs, p.From, len(p.Sources))
	}
	if p.Severity["driver.network"].Severity != "high" || p.Severity["cloudinit.installed"].Severity != "blocker" {
		t.Errorf("severity: %+v", p.Severity)
	}
	if p.Errors["boot.firmware"] != "Mine" || p.Errors["driver.boot-disk"] != "VirtioNotInstall" {
		t.Errorf("error_codes: %v", p.Errors)
	}
	// What is embedded stays as it was.
	if again, _ := Load("tencent"); again[0].MaxVirtual.Value != 500<<30 || len(again[0].Sources) != n || again[0].Errors["boot.firmware"] == "Mine" {
		t.Error("the embedded target has changed")
	}
	if s, err := Read(""); err != nil || len(s.All()) < 20 {
		t.Error(err)
	}
}

// Every mistake names file and field.
func TestReadErrors(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no object":       {`[1]`, "not a JSON object"},
		"cut off":         {`{"id":"kvm"`, "not a JSON object"},
		"two objects":     {`{"id":"kvm"}{}`, "not a JSON object"},
		"no id":           {`{"title":"x"}`, "id: is missing"},
		"unknown field":   {`{"id":"kvm","max_size":1}`, "max_size: there is no such field"},
		"capitals":        {`{"id":"kvm","Title":"x"}`, "Title: there is no such field"},
		"deeper":          {`{"id":"kvm","nics":{"value":1,"sauce":0}}`, "sauce: there is no such field"},
		"wrong type":      {`{"id":"kvm","max_virtual_bytes":{"value":"500G"}}`, "max_virtual_bytes.value: a JSON string does not go there"},
		"not a word":      {`{"id":"kvm","firmware":{"values":["efi"],"otherwise":"high"}}`, `firmware.values: "efi" is not one of bios, uefi, both`},
		"severity":        {`{"id":"kvm","severity":{"disk.stack":{"severity":"fatal","why":"x"}}}`, `severity.disk.stack: "fatal" is not one of`},
		"source":          {`{"id":"kvm","nics":{"value":1,"source":1}}`, "nics: source 1 is none of the file's 1"},
		"whole, no title": {`{"id":"mine","as_of":"2026"}`, "title: is missing"},
		"no as_of":        {`{"id":"mine","title":"x","formats":{"values":["raw"]}}`, "as_of:"},
		"family":          {`{"id":"aws","title":"x","as_of":"2026","formats":{"values":["raw"]}}`, `"aws" is a target and a name of several`},
		"binary":          {"\x00\x01", "not a JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read(dir(t, map[string]string{"one.json": c.text}))
			if err == nil || !strings.Contains(err.Error(), "one.json: "+c.want) && !(strings.Contains(err.Error(), "one.json: ") && strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	// Several mistakes each have their line.
	_, err := Read(dir(t, map[string]string{"one.json": `{"id":"mine"}`}))
	if err == nil || strings.Count(err.Error(), "one.json: ") < 3 {
		t.Errorf("%v", err)
	}
}

// What is not a small file is refused, and never waited for.
func TestReadHostile(t *testing.T) {
	fifo := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(fifo, "a.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	large := dir(t, map[string]string{"a.json": ""})
	if err := os.Truncate(filepath.Join(large, "a.json"), 10<<30); err != nil {
		t.Fatal(err)
	}
	loop := t.TempDir()
	if err := os.Symlink("a.json", filepath.Join(loop, "a.json")); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "a.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	many := map[string]string{}
	for i := range maxFiles + 1 {
		many[string(rune('a'+i%26))+strings.Repeat("x", i/26)+".json"] = whole
	}
	for _, c := range []struct{ name, dir, want string }{
		{"FIFO", fifo, "not a regular file"}, {"large", large, "more than 1048576 bytes"}, {"loop", loop, "too many levels"},
		{"folder", folder, "not a regular file"}, {"empty", t.TempDir(), "has no file NAME.json"}, {"many", dir(t, many), "more than 256"},
		{"deep", dir(t, map[string]string{"a.json": `{"id":` + strings.Repeat("[", 100000)}), "not a JSON object"},
	} {
		if _, err := Read(c.dir); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := Read(filepath.Join(fifo, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// Whatever a file holds, it is refused or makes a valid target.
func FuzzApply(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte(`{"id":"tencent","nics":null,"severity":{"disk.stack":null},"sources":[]}`))
	f.Add([]byte(`{"id":"kvm","max_virtual_bytes":{"value":1,"source":9223372036854775807}}`))
	f.Add([]byte(`{"id":"kvm","error_codes":null,"larger_disks":[{"above_bytes":1,"why":"x"},{}],"error_codes_source":-1}`))
	base, err := Load("tencent", "kvm", "aws")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &Set{all: slices.Clone(base)}
		if s.apply("x.json", b) != nil {
			return
		}
		for _, p := range s.All() {
			if err := validate(p); err != nil {
				t.Fatal(err)
			}
			p.Certain()
			p.Modules()
		}
	})
}

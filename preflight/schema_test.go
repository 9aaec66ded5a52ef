package preflight

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"migimg/blockmap"
	"migimg/blockmap/ptable"
)

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	if err := c.AddResource(SchemaID, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func valid(t *testing.T, s *jsonschema.Schema, doc []byte) error {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(v)
}

func bytesOf(t *testing.T, r *Report) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Whatever a report says, it is what the schema promises.
func TestSchema(t *testing.T) {
	s := compiled(t)
	files, _ := filepath.Glob("testdata/*.json")
	if len(files) == 0 {
		t.Fatal("no golden documents")
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := valid(t, s, b); err != nil {
			t.Errorf("%s: %#v", f, err)
		}
	}
	busy := disk()
	busy.CarriedIn = func(_, n int64) int64 { return n / 3 }
	busy.Mounts = []Mount{{Device: "/dev/sda1", Partition: "1", Point: "/srv", FSType: "ext4", ReadWrite: true}}
	busy.LeftOut = []*blockmap.VolumeInfo{{Report: blockmap.Report{Type: "xfs"}, Name: "9", Start: 5 << 30, Size: 1 << 30}}
	busy.Outputs = append(busy.Outputs, OutputInfo{Format: "vhd", Err: "too large"})
	broken := disk()
	broken.Table, broken.View, broken.Consistency = nil, brokenReader{}, "live"
	none := disk()
	none.Table, none.Volumes.Children = &ptable.Table{Kind: ptable.KindNone}, nil
	for name, source := range map[string]Source{"disk": disk(), "busy": busy, "broken": broken, "none": none} {
		for guest, tree := range map[string]fstest.MapFS{"debian": debian(), "empty": {"etc/x": text(""), "usr/x": text("")}} {
			r := judge(t, source, tree, "tencent", "kvm")
			if err := valid(t, s, bytesOf(t, r)); err != nil {
				t.Errorf("%s, %s: %#v", name, guest, err)
			}
			r.Waive([]Waiver{{Check: "meta.scope", Target: "*", Reason: "x", Who: "y", Until: "2026-12-31"}, {Check: "fs.clean", Target: "kvm", Reason: "x", Who: "y", Until: "2020-01-01", Severity: "low"}},
				time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC))
			r.Anonymise()
			if err := valid(t, s, bytesOf(t, r)); err != nil {
				t.Errorf("%s, %s, waived and anonymous: %#v", name, guest, err)
			}
		}
		r, _ := verdict(t, source)
		if err := valid(t, s, bytesOf(t, r)); err != nil {
			t.Errorf("%s: %#v", name, err)
		}
	}
}

// The schema refuses documents that are not reports.
func TestSchemaRefuses(t *testing.T) {
	s := compiled(t)
	golden, err := os.ReadFile("testdata/blocked.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(map[string]any){
		"nothing":        func(d map[string]any) { clear(d) },
		"no checks":      func(d map[string]any) { delete(d, "checks") },
		"another major":  func(d map[string]any) { d["schema_version"] = "2.0" },
		"a wrong status": func(d map[string]any) { d["checks"].([]any)[0].(map[string]any)["status"] = "maybe" },
		"a wrong code":   func(d map[string]any) { d["checks"].([]any)[0].(map[string]any)["code"] = "X1" },
		"no verdict":     func(d map[string]any) { delete(d["summary"].(map[string]any), "verdict") },
		"a size as text": func(d map[string]any) { d["source"].(map[string]any)["size_bytes"] = "4 GiB" },
		"not a time":     func(d map[string]any) { d["generated_at"] = "yesterday" },
		"argv as text": func(d map[string]any) {
			d["checks"].([]any)[0].(map[string]any)["remediation"] = []any{map[string]any{"type": "command", "argv": "rm x"}}
		},
	} {
		var d map[string]any
		if err := json.Unmarshal(golden, &d); err != nil {
			t.Fatal(err)
		}
		change(d)
		b, _ := json.Marshal(d)
		if valid(t, s, b) == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// Every field of the report is described in the schema, and the schema describes
// no others.
func TestSchemaIsWhole(t *testing.T) {
	var root map[string]any
	if err := json.Unmarshal(Schema(), &root); err != nil {
		t.Fatal(err)
	}
	defs := root["$defs"].(map[string]any)
	var resolve func(any) map[string]any
	resolve = func(s any) map[string]any {
		m, _ := s.(map[string]any)
		if ref, ok := m["$ref"].(string); ok {
			return resolve(defs[strings.TrimPrefix(ref, "#/$defs/")])
		}
		if all, ok := m["allOf"].([]any); ok {
			props := map[string]any{}
			for _, x := range all {
				for k, v := range resolve(x)["properties"].(map[string]any) {
					props[k] = v
				}
			}
			return map[string]any{"properties": props}
		}
		return m
	}
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type, any, string)
	walk = func(ty reflect.Type, s any, at string) {
		m := resolve(s)
		switch ty.Kind() {
		case reflect.Pointer:
			walk(ty.Elem(), s, at)
		case reflect.Slice:
			walk(ty.Elem(), m["items"], at+"[]")
		case reflect.Map:
			walk(ty.Elem(), m["additionalProperties"], at+"{}")
		case reflect.Struct:
			if ty == reflect.TypeFor[time.Time]() || seen[ty] {
				return
			}
			seen[ty] = true
			props, _ := m["properties"].(map[string]any)
			fields := map[string]bool{}
			for _, f := range reflect.VisibleFields(ty) {
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				if !f.IsExported() || f.Anonymous || name == "-" {
					continue
				}
				fields[name] = true
				if props[name] == nil {
					t.Errorf("%s.%s is not in preflight-1.schema.json: describe it there, and count SchemaVersion up", at, name)
					continue
				}
				walk(f.Type, props[name], at+"."+name)
			}
			for name := range props {
				if !fields[name] {
					t.Errorf("%s.%s is in preflight-1.schema.json only", at, name)
				}
			}
		}
	}
	walk(reflect.TypeFor[Report](), root, "report")
}

package targets

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Every embedded file is valid, and none of its sources is there for nothing.
func TestEmbedded(t *testing.T) {
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("%d targets", len(all))
	}
	figures := map[string]int{}
	for _, p := range all {
		if err := validate(p); err != nil {
			t.Errorf("%s: %v", p.ID, err)
		}
		used := map[int]bool{}
		if len(p.Errors) > 0 {
			used[p.ErrorSource] = true
		}
		eachFact(p, func(_ string, f *Fact) { used[f.Source] = true; figures[f.Sure]++ })
		for i, s := range p.Sources {
			if !used[i] {
				t.Errorf("%s: source %d (%s) is used by nothing", p.ID, i, s.Title)
			}
		}
		if len(p.Commands) == 0 || p.Commands[len(p.Commands)-1].Step != "import" {
			t.Errorf("%s: no command imports", p.ID)
		}
	}
	t.Logf("%d targets: %v", len(all), figures)
}

// What is said twice of a target is said once too often.
func TestNoDuplicates(t *testing.T) {
	all, _ := All()
	for _, p := range all {
		seen := map[string]bool{}
		twice := func(what, s string) {
			if key := what + " " + s; seen[key] {
				t.Errorf("%s: %s is there twice", p.ID, key)
			} else {
				seen[key] = true
			}
		}
		for _, s := range p.Sources {
			twice("source", s.Ref+" "+s.Title)
		}
		for _, c := range p.Commands {
			twice("command", c.Text)
		}
		for _, r := range p.Restrictions {
			twice("restriction", r.Text)
		}
		for _, g := range append(slices.Clone(p.Disk.AnyOf), p.NIC.AnyOf...) {
			twice("group", strings.Join(g, " "))
		}
		for _, x := range p.Extra {
			twice("extra", fmt.Sprint(x.Any, x.Early))
		}
		for _, r := range slices.Concat(p.Refused, p.Volumes) {
			twice("refusal", fmt.Sprint(r.Types, r.Feature))
		}
	}
}

// No figure is beyond Certain: with all in doubt, nothing is left of them.
func TestCertain(t *testing.T) {
	all, _ := All()
	for _, p := range all {
		doubts := 0
		eachFact(p, func(_ string, f *Fact) {
			if f.Sure == Doubtful {
				doubts++
			}
		})
		c, had := p.Certain()
		if had != (doubts > 0) {
			t.Errorf("%s: %d doubtful figures, had %v", p.ID, doubts, had)
		}
		left, total := 0, 0
		eachFact(c, func(place string, f *Fact) {
			left++
			if f.Sure == Doubtful {
				t.Errorf("%s: %s is doubtful and still there", p.ID, place)
			}
		})
		eachFact(p, func(_ string, f *Fact) { total++; f.Sure = Doubtful })
		if left != total-doubts {
			t.Errorf("%s: %d of %d figures left, %d were doubtful", p.ID, left, total, doubts)
		}
		none, _ := p.Certain()
		eachFact(none, func(place string, _ *Fact) { t.Errorf("%s: %s is left", p.ID, place) })
		if none.ID != p.ID || len(none.Sources) != len(p.Sources) {
			t.Errorf("%s: what is no figure has gone", p.ID)
		}
	}
}

// Each mistake is named by its field.
func TestValidate(t *testing.T) {
	sure := Fact{Sure: Confirmed}
	good := func() *Target {
		return &Target{ID: "x", Title: "X", AsOf: "2026-11-23", Sources: []Source{{"r", "t", "2026"}}, Formats: Names{Values: []string{"qcow2"}, Fact: sure}}
	}
	if err := validate(good()); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Target){
		"id:":                          func(p *Target) { p.ID = "A b" },
		"family:":                      func(p *Target) { p.Family = "x" },
		"title:":                       func(p *Target) { p.Title = "" },
		"as_of:":                       func(p *Target) { p.AsOf = "yesterday" },
		"sources[0]:":                  func(p *Target) { p.Sources[0].Ref = "" },
		"formats:":                     func(p *Target) { p.Formats = Names{} },
		"formats.values:":              func(p *Target) { p.Formats.Values = []string{"qcow2", "qcow2"} },
		`formats.values: "qcow3"`:      func(p *Target) { p.Formats.Values = []string{"qcow3"} },
		"nics: source 1":               func(p *Target) { p.NICs = &Figure{Value: 1, Fact: Fact{Source: 1, Sure: Old}} },
		"nics.confidence:":             func(p *Target) { p.NICs = &Figure{Value: 1} },
		"max_image_bytes:":             func(p *Target) { p.MaxImage = &Figure{Fact: sure} },
		"max_virtual_bytes.otherwise:": func(p *Target) { p.MaxVirtual = &Figure{Value: 1, Otherwise: "bad", Fact: sure} },
		"min_virtual_bytes: 2": func(p *Target) {
			p.MinVirtual, p.MaxVirtual = &Figure{Value: 2, Fact: sure}, &Figure{Value: 1, Fact: sure}
		},
		"larger_disks[0]:":         func(p *Target) { p.Larger = []Step{{Above: 1, Fact: sure}} },
		"partition_tables.values:": func(p *Target) { p.Tables = Rule{Values: []string{"apm"}, Otherwise: "low", Fact: sure} },
		"firmware.otherwise:":      func(p *Target) { p.Firmware = Rule{Values: []string{"bios"}, Fact: sure} },
		"root_filesystems.values:": func(p *Target) { p.Filesystems = &Rule{Otherwise: "low", Fact: sure} },
		"refused_volumes[0].types:": func(p *Target) {
			p.Volumes = []Refusal{{Types: []string{"zfs"}, Severity: "low", Why: "y", Fact: sure}}
		},
		"refused_filesystems[0].types:": func(p *Target) { p.Refused = []Refusal{{Severity: "low", Why: "y", Fact: sure}} },
		"one_partition.why:":            func(p *Target) { p.OnePartition = &Refusal{Severity: "low", Fact: sure} },
		"boot_disk_any_of[0]:":          func(p *Target) { p.Disk = Groups{AnyOf: [][]string{{"virtio-blk"}}, Fact: sure} },
		"extra_modules[0].any:":         func(p *Target) { p.Extra = []Extra{{Why: "y", Fact: sure}} },
		"architectures.values:":         func(p *Target) { p.Architectures = Names{Values: []string{"vax"}, Fact: sure} },
		"datasource_seed.value:":        func(p *Target) { p.Seed = &Word{Value: "perhaps", Fact: sure} },
		"min_kernel.value:":             func(p *Target) { p.MinKernel = &Word{Value: "new", Fact: sure} },
		"commands[0].step:":             func(p *Target) { p.Commands = []Command{{Step: "pray", Text: "x", Fact: sure}} },
		"restrictions[0].text:":         func(p *Target) { p.Restrictions = []Text{{Fact: sure}} },
		"severity.disk.size-limit:": func(p *Target) {
			p.Severity = map[string]Override{"disk.size-limit": {Severity: "bad", Why: "y", Fact: sure}}
		},
		"error_codes.disk.size-limit: needs":   func(p *Target) { p.Errors = map[string]string{"disk.size-limit": ""} },
		"error_codes_source: source 7 is none": func(p *Target) { p.ErrorSource = 7 },
	} {
		p := good()
		change(p)
		if err := validate(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

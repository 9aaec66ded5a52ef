package targets_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"migimg/preflight/checks"
	"migimg/preflight/targets"
)

// Every figure of every file says where it was read and how sure it is, and
// names only what the checks know.
func TestFiles(t *testing.T) {
	all, err := targets.All()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 2 {
		t.Fatalf("%d targets", len(all))
	}
	date := regexp.MustCompile(`^20\d\d(-\d\d(-\d\d)?)?$`)
	for _, p := range all {
		t.Run(p.ID, func(t *testing.T) {
			if p.Title == "" || !date.MatchString(p.AsOf) || len(p.Sources) == 0 {
				t.Errorf("title %q, as_of %q, %d sources", p.Title, p.AsOf, len(p.Sources))
			}
			for i, s := range p.Sources {
				if s.Ref == "" || s.Title == "" || !date.MatchString(s.Date) {
					t.Errorf("source %d: %+v", i, s)
				}
			}
			used := map[int]bool{p.ErrorSource: true}
			fact := func(what string, f targets.Fact) {
				t.Helper()
				used[f.Source] = true
				if f.Source < 0 || f.Source >= len(p.Sources) {
					t.Errorf("%s: source %d of %d", what, f.Source, len(p.Sources))
				}
				if !slices.Contains([]string{"confirmed", "old", "doubtful"}, f.Sure) {
					t.Errorf("%s: confidence %q", what, f.Sure)
				}
			}
			severity := func(what, s string) {
				t.Helper()
				if checks.Severity(s).Rank() < 0 {
					t.Errorf("%s: severity %q", what, s)
				}
			}
			for what, f := range map[string]*targets.Figure{"max_virtual_bytes": p.MaxVirtual, "max_image_bytes": p.MaxImage, "sector_size": p.SectorSize, "nics": p.NICs} {
				if f != nil {
					fact(what, f.Fact)
					if f.Value <= 0 {
						t.Errorf("%s: %d", what, f.Value)
					}
				}
			}
			for what, n := range map[string]targets.Names{"formats": p.Formats, "disk_names": p.DiskNames, "nic_names": p.NICNames, "datasources": p.Datasources} {
				fact(what, n.Fact)
				if len(n.Values) == 0 {
					t.Errorf("%s: empty", what)
				}
			}
			for what, r := range map[string]targets.Rule{"partition_tables": p.Tables, "firmware": p.Firmware} {
				fact(what, r.Fact)
				severity(what, r.Otherwise)
				if len(r.Values) == 0 {
					t.Errorf("%s: empty", what)
				}
			}
			for what, g := range map[string]targets.Groups{"boot_disk": p.Disk, "nic": p.NIC} {
				fact(what, g.Fact)
				for _, one := range g.AnyOf {
					for _, m := range one {
						if m == "" || strings.Contains(m, "-") {
							t.Errorf("%s: module %q", what, m)
						}
					}
				}
			}
			for _, x := range p.Extra {
				fact("extra", x.Fact)
			}
			for id, o := range p.Severity {
				fact(id, o.Fact)
				severity(id, o.Severity)
				if checks.Find(id) == nil || o.Why == "" {
					t.Errorf("severity of %s: no such check, or no reason", id)
				}
			}
			for id := range p.Errors {
				if checks.Find(id) == nil {
					t.Errorf("error code for %s: no such check", id)
				}
			}
			for i := range p.Sources {
				if !used[i] {
					t.Errorf("source %d is used by nothing", i)
				}
			}
		})
	}
}

func TestLoad(t *testing.T) {
	got, err := targets.Load("tencent", "kvm", "tencent")
	if err != nil || len(got) != 2 || got[0].ID != "tencent" {
		t.Errorf("%v, %v", got, err)
	}
	_, err = targets.Load("kvm", "tencnet")
	if !errors.Is(err, targets.ErrUnknown) || !strings.Contains(err.Error(), "kvm, tencent") {
		t.Errorf("%v", err)
	}
	ids, err := targets.IDs()
	if err != nil || !slices.IsSorted(ids) || !slices.Contains(ids, "kvm") {
		t.Errorf("%v, %v", ids, err)
	}
}

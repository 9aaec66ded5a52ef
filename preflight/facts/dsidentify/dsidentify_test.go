package dsidentify

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"migimg/preflight/guestfs"
)

func guest(files map[string]string) Guest {
	m := fstest.MapFS{"etc": {Mode: fs.ModeDir | 0o755}}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return Read(guestfs.Compose(guestfs.FromFS(m, "test")))
}

// What is read from the guest's script.
func TestRules(t *testing.T) {
	g := guest(map[string]string{"usr/libexec/cloud-init/ds-identify": "DI_DEFAULT_POLICY=\"search,found=first,notfound=${DI_ENABLED}\"\nDI_DEFAULT_POLICY_NO_DMI=\"enabled\"\n" +
		"DI_DSLIST_DEFAULT=\"A B \\\nC\"\ndscheck_A() {\ndscheck_C() {\n"})
	r := g.Rules
	if r.Script != "/usr/libexec/cloud-init/ds-identify" || !r.Old || r.DsArgument || strings.Join(r.Default, " ") != "A B C" || strings.Join(r.Checks, " ") != "A C" ||
		r.PolicyDMI != "search,found=first,notfound=enabled" || r.PolicyNoDMI != "enabled" {
		t.Errorf("%+v", r)
	}
	if g := guest(nil); g.Rules.Script != "" || !g.Decide(Machine{}).Run {
		t.Errorf("%+v", g)
	}
}

// The look of a machine for a data source makes that one found, and no other
// that reads a disk.
func TestOfferings(t *testing.T) {
	n := 0
	for _, s := range Upstream().Default {
		m, ok := Offering(s)
		if !ok {
			continue
		}
		n++
		g := Guest{Rules: Upstream(), VMwareTools: true}
		if d := g.Decide(m); !d.Run || !slices.Contains(d.Sources, s) {
			t.Errorf("%s: %+v", s, d)
		}
	}
	if n < 20 {
		t.Errorf("%d machines", n)
	}
	if _, ok := Offering("None"); ok {
		t.Error("a machine for None")
	}
}

func TestUnreadable(t *testing.T) {
	m := fstest.MapFS{configFile: {Mode: fs.ModeNamedPipe}}
	if g := Read(guestfs.Compose(guestfs.FromFS(m, "test"))); len(g.Problems) == 0 {
		t.Errorf("%+v", g)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("datasource_list: [ A, 'B' ]\nNoCloud:\n", "policy: search\ndatasource: \"\n", "DI_DSLIST_DEFAULT=\"A \\\nB\"\nget_single_line_flow_sequence\n", "ds=a;b cc:datasource_list [ x ]")
	f.Add("\"datasource_list\" :[", "", "", "ci.ds= ci.di.policy=report")
	f.Fuzz(func(t *testing.T, config, own, script, cmdline string) {
		g := guest(map[string]string{configFile: config, configDir + "/a.cfg": config, ownConfig: own, scripts[0]: script})
		for _, m := range []Machine{{Virt: "kvm", Cmdline: cmdline, UUID: own}, {Virt: "xen", Arch: "arm", Serial: config, Cmdline: cmdline}} {
			g.Decide(m)
		}
	})
}

package bootcfg

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"migimg/internal/need"
)

// mounts is a guest of several filesystems: prefix ("." for the root) -> tree.
type mounts map[string]fs.FS

func (m mounts) Open(name string) (fs.File, error) {
	best := "."
	for p := range m {
		if (name == p || strings.HasPrefix(name, p+"/")) && len(p) > len(best) {
			best = p
		}
	}
	if best != "." {
		if name = strings.TrimPrefix(strings.TrimPrefix(name, best), "/"); name == "" {
			name = "."
		}
	}
	return m[best].Open(name)
}

// uEntry is an entry of u-root's answers.
type uEntry struct {
	Name, Cmdline, Rank string
	ImageType           string `json:"image_type"`
	Kernel, Initrd      struct{ Name, URL string }
	Modules             []struct{ Cmdline, URL string }
}

// want is what is compared of an entry.
type want struct {
	Title, Kernel, Cmdline, Hypervisor string
	Initrds                            []string
}

var (
	variable = regexp.MustCompile(`\$\{\w+\}|\$\w+`)
	prefix   = regexp.MustCompile(`^(file:/+)?testdata(_new)?/[^/]+`)
	// The trees have no kernels, so that both places are as good; and other
	// filesystems of the disk are mounted below /other.
	place = regexp.MustCompile(`^(/other/[^/]+)?(/boot)?/`)
)

// words makes command lines comparable: u-root leaves what is not set as text.
func words(s string) string {
	return strings.Join(strings.Fields(variable.ReplaceAllString(s, "")), " ")
}

func answers(t *testing.T, file string) (out []want) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var es []uEntry
	if err := json.Unmarshal(raw, &es); err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(es, func(a, b uEntry) int { return strings.Compare(b.Rank, a.Rank) })
	strip := func(n, u string) string {
		if n == "" {
			n = u
		}
		return place.ReplaceAllString(filepath.Clean("/"+prefix.ReplaceAllString(n, "")), "/")
	}
	for _, e := range es {
		w := want{Title: strings.TrimSpace(variable.ReplaceAllString(e.Name, "")), Kernel: strip(e.Kernel.Name, e.Kernel.URL), Cmdline: words(e.Cmdline)}
		if e.Initrd.Name+e.Initrd.URL != "" {
			w.Initrds = []string{strip(e.Initrd.Name, e.Initrd.URL)}
		}
		for i, m := range e.Modules {
			if i == 0 {
				w.Hypervisor = w.Kernel
				w.Kernel = strip("", m.URL)
				_, args, _ := strings.Cut(m.Cmdline, " ")
				w.Cmdline = words(args)
				continue
			}
			w.Initrds = append(w.Initrds, strip("", m.URL))
		}
		out = append(out, w)
	}
	return out
}

// linuxOnly is what u-root records: entries with a kernel, the default first.
func linuxOnly(c Config) (out []want) {
	for _, e := range c.Entries {
		if e.Kernel == "" {
			continue
		}
		w := want{Title: e.Title, Kernel: place.ReplaceAllString(e.Kernel, "/"), Cmdline: words(e.Cmdline)}
		if e.Hypervisor != "" {
			w.Hypervisor = place.ReplaceAllString(e.Hypervisor, "/")
		}
		for _, p := range e.Initrds {
			w.Initrds = append(w.Initrds, place.ReplaceAllString(p, "/"))
		}
		if e.Default {
			out = slices.Insert(out, 0, w)
		} else {
			out = append(out, w)
		}
	}
	return out
}

// guestOf is a corpus tree as a guest; the other trees of its folder are the
// disk's other filesystems.
func guestOf(t *testing.T, dir, name string) (fs.FS, Env) {
	t.Helper()
	m := mounts{".": os.DirFS(filepath.Join(dir, name))}
	uuids := map[string]string{}
	es, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range es {
		id, err := os.ReadFile(filepath.Join(dir, e.Name(), "UUID"))
		if err != nil {
			continue
		}
		at := "/"
		if e.Name() != name {
			at = "/other/" + e.Name()
			m[at[1:]] = os.DirFS(filepath.Join(dir, e.Name()))
		}
		uuids[strings.TrimSpace(string(id))] = at
	}
	return m, Env{Mount: func(kind, value string) (string, bool) {
		at, ok := uuids[value]
		return at, ok && kind == "uuid"
	}}
}

// TestURoot compares with the entries that u-root's authors recorded for
// configurations of installed systems and of live media.
func TestURoot(t *testing.T) {
	root := need.Corpora(t, "u-root")
	total := 0
	for _, kind := range []string{"grub", "iso", "bls", "syslinux"} {
		files, err := filepath.Glob(filepath.Join(root, kind, "*.json"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no answers: %v", kind, err)
		}
		for _, f := range files {
			name := strings.TrimSuffix(filepath.Base(f), ".json")
			t.Run(kind+"/"+name, func(t *testing.T) {
				w := answers(t, f)
				fsys, env := guestOf(t, filepath.Join(root, kind), name)
				cs, err := Read(fsys, env)
				if err != nil {
					t.Fatal(err)
				}
				if kind == "iso" { // what a GRUB on another medium runs
					tr := &tree{fsys: fsys, env: env}
					for _, p := range []string{"/boot/grub/loopback.cfg", "/boot/grub2/loopback.cfg"} {
						if tr.isFile(p) {
							cs = append(cs, tr.grub(p, "", "efi"), tr.grub(p, "", "pc"))
						}
					}
				}
				for _, d := range differs[name] {
					for i := range w {
						w[i] = d(w[i])
					}
				}
				var report strings.Builder
				for _, c := range cs {
					got := linuxOnly(c)
					for i := range min(len(w), len(got)) {
						// u-root adds the version to the titles of loader entries.
						if strings.HasPrefix(w[i].Title, got[i].Title+" ") {
							got[i].Title = w[i].Title
						}
					}
					if kind == "iso" {
						for i := range w {
							w[i] = withoutISO(w[i])
						}
						for i := range got {
							got[i] = withoutISO(got[i])
						}
					}
					if kind == "syslinux" {
						w, got = withoutTitle(w), withoutTitle(got)
					}
					if kind == "iso" {
						got = among(got, w)
					}
					d := cmp.Diff(w, got)
					if d == "" {
						total += len(w)
						return
					}
					fmt.Fprintf(&report, "%s %s (%s): %q\n%s", c.Loader, c.File, c.DefaultWhy, c.Problems, d)
				}
				t.Errorf("no configuration agrees (-want +got):\n%s", report.String())
			})
		}
	}
	t.Logf("%d entries agree", total)
}

// among keeps, in the order of list, what list has: u-root leaves entries of
// live media out that it does not want to offer.
func among(got, list []want) (out []want) {
	for _, w := range list {
		if slices.ContainsFunc(got, func(g want) bool { return cmp.Equal(g, w) }) {
			out = append(out, w)
		}
	}
	return out
}

var initrdArg = regexp.MustCompile(`\binitrd=\S*`)

// withoutTitle leaves out what differs on purpose: u-root gives the title of a
// submenu to the label before it, and keeps initrd= in the command line.
func withoutTitle(list []want) (out []want) {
	for _, w := range list {
		w.Title, w.Cmdline = "", words(initrdArg.ReplaceAllString(w.Cmdline, ""))
		out = append(out, w)
	}
	return out
}

var isoArg = regexp.MustCompile(`\b(iso-scan/filename|findiso|img_loop|img_dev|isofrom|iso_filename|isoboot)=\S*`)

// withoutISO takes off what u-root adds when the tree is an ISO in a file.
func withoutISO(w want) want {
	if strings.HasPrefix(w.Title, "[") {
		_, w.Title, _ = strings.Cut(w.Title, "] ")
	}
	w.Cmdline = words(isoArg.ReplaceAllString(w.Cmdline, ""))
	return w
}

// differs are the trees where u-root's answer is not what the loader does.
var differs = map[string][]func(want) want{
	// A function sets vt_handoff in the entry, which u-root does not run.
	"ubuntu_16_04_boot": {func(w want) want {
		w.Cmdline = strings.Replace(w.Cmdline, "quiet splash", "quiet splash vt.handoff=7", 1)
		return w
	}},
	// The options of all lines count, and paths begin at the root of the filesystem
	// (UAPI.1); u-root takes the last line and the folder loader.
	"madeup": {func(w want) want {
		w.Cmdline = "root=UUID=6d3376e4-fc93-4509-95ec-a21d68011da2 " + w.Cmdline
		w.Kernel = strings.TrimPrefix(w.Kernel, "/loader")
		w.Initrds = []string{strings.TrimPrefix(w.Initrds[0], "/loader")}
		return w
	}},
	// A variable that is not exported is not seen in a submenu (tried with
	// grub-emu 2.06); u-root knows no contexts.
	"CentOS-Stream-Image-MATE-Live.x86_64-9-202601110111": {notInSubmenu},
	"Fedora-Workstation-Live-43-1.6.x86_64":               {notInSubmenu},
}

func notInSubmenu(w want) want {
	w.Cmdline = words(strings.Replace(w.Cmdline, "nomodeset vga=791", "", 1))
	return w
}

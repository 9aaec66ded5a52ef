package render

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"migimg/preflight"
	"migimg/preflight/texts"
)

// gallery is a report with one of everything that the page can show.
func gallery(t *testing.T) *preflight.Report {
	t.Helper()
	r := sample(t, "blocked")
	r.Source.Device, r.Source.Consistency, r.Generation = "/dev/sda", "live", 3
	r.Source.SizeBytes, r.Source.CarriedBytes = 64<<30, 11<<30
	r.Source.Volumes = []preflight.VolumeResult{
		{Name: "", Start: 0, SizeBytes: 64 << 30, CarriedBytes: 11 << 30, Container: true},
		{Name: "1", Start: 1 << 20, SizeBytes: 512 << 20, CarriedBytes: 8 << 20, Type: "vfat", Label: "ESP", UUID: "ABCD-1234", Mounted: []string{"/boot/efi"}},
		{Name: "2", Start: 513 << 20, SizeBytes: 1 << 30, CarriedBytes: 210 << 20, Type: "ext4", Label: "boot", Mounted: []string{"/boot"}, Writing: true},
		{Name: "3", Start: 1537 << 20, SizeBytes: 40 << 30, CarriedBytes: 10 << 30, Type: "LVM2_member", Container: true},
		{Name: "3/root", Start: -1, SizeBytes: 36 << 30, CarriedBytes: 10 << 30, Type: "xfs", Mounted: []string{"/"}, Writing: true},
		{Name: "5", Start: 42 << 30, SizeBytes: 2 << 30, CarriedBytes: 4 << 10, Type: "swap"},
		{Name: "6", Start: 44 << 30, SizeBytes: 16 << 30, Type: "ext4", Label: "archive", LeftOut: true},
		{Name: "7", Start: 60 << 30, SizeBytes: 1 << 30, CarriedBytes: 1 << 30, Type: "reiserfs", Whole: "no scanner knows this filesystem"},
	}
	r.Source.CarriedMap = "14f8" + strings.Repeat("f", 9) + "c93a" + strings.Repeat("0", 12) + "39fff7" + strings.Repeat("0", 20) + "2467" + strings.Repeat("0", 26) + "1" + strings.Repeat("0", 34) + "fff" + strings.Repeat("0", 5)
	r.Source.Outputs = append(r.Source.Outputs, preflight.OutputResult{Format: "vhd", Absent: "a disk of 3 TiB, VHD holds 2040 GiB"})
	r.Waive([]preflight.Waiver{
		{Check: "agent.conflicts", Target: "*", Reason: "removed by the image's first boot script", Who: "Jun Tanaka", Until: "2027-01-31"},
		{Check: "mount.fstab-resolves", Target: "kvm", Reason: "nobody remembers", Who: "K. Li", Until: "2026-01-31"},
	}, time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC))
	r.Coverage.Unreadable = []string{"/srv: no volume of /dev/sda has LABEL=data"}
	return r
}

func rendered(t *testing.T, r *preflight.Report, lang string) string {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, r, Options{Texts: language(t, lang)}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// testdata/look.sh takes pictures of what this writes into MIGIMG_LOOK.
func TestHTML(t *testing.T) {
	dir := os.Getenv("MIGIMG_LOOK")
	for _, lang := range texts.Languages() {
		for name, r := range map[string]*preflight.Report{"gallery": gallery(t), "ready": sample(t, "ready")} {
			s := rendered(t, r, lang)
			if len(s) > 256<<10 {
				t.Errorf("%s: %d bytes", name, len(s))
			}
			if dir != "" {
				if err := os.WriteFile(filepath.Join(dir, name+"-"+lang+".html"), []byte(s), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			selfContained(t, s)
		}
	}
}

// selfContained looks for anything that a browser would fetch or run.
func selfContained(t *testing.T, s string) {
	t.Helper()
	policy := ""
	ids := map[string]bool{}
	var links []string
	walk(t, s, func(n *html.Node) {
		for _, a := range n.Attr {
			switch {
			case strings.HasPrefix(a.Key, "on") || a.Key == "src" || a.Key == "style" || a.Key == "srcset" || a.Key == "action":
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			case a.Key == "href" && strings.HasPrefix(a.Val, "#"):
				links = append(links, a.Val[1:])
			case a.Key == "href" && !(n.Data == "a" && strings.HasPrefix(a.Val, "https://")):
				t.Errorf("<%s href=%q>", n.Data, a.Val)
			case a.Key == "id":
				if ids[a.Val] {
					t.Errorf("two elements %s", a.Val)
				}
				ids[a.Val] = true
			case a.Key == "content" && strings.Contains(a.Val, "default-src"):
				policy = a.Val
			}
		}
		switch n.Data {
		case "link", "iframe", "object", "embed", "img", "base", "form", "audio", "video":
			t.Errorf("<%s>", n.Data)
		case "style", "script":
			if slices.Contains(n.Attr, html.Attribute{Key: "type", Val: "application/json"}) {
				return // data: no browser runs it
			}
			sum := sha256.Sum256([]byte(n.FirstChild.Data))
			if !strings.Contains(policy, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") {
				t.Errorf("the policy does not let the page use its own <%s>", n.Data)
			}
		}
	})
	for _, l := range links {
		if !ids[l] {
			t.Errorf("a link to #%s, which is not there", l)
		}
	}
	if !strings.HasPrefix(policy, "default-src 'none'; ") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
}

func walk(t *testing.T, s string, f func(*html.Node)) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(s))
	if err != nil {
		t.Fatal(err)
	}
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode {
			f(n)
		}
	}
}

// Many targets fit on a page: what is said alike is said once.
func TestManyTargets(t *testing.T) {
	r := gallery(t)
	for i := range r.Checks {
		c := &r.Checks[i]
		for n := range 20 {
			id := "copy" + string(rune('a'+n))
			c.StatusBy[id], c.SeverityBy[id] = c.StatusBy["kvm"], c.SeverityBy["kvm"]
			if s, ok := c.SummaryBy["kvm"]; ok {
				c.SummaryBy[id], c.MessageBy[id] = s, c.MessageBy["kvm"]
			}
		}
	}
	for n := range 20 {
		x := r.Targets[1]
		x.ID = "copy" + string(rune('a'+n))
		r.Targets = append(r.Targets, x)
	}
	s := rendered(t, r, "en")
	selfContained(t, s)
	if n := strings.Count(s, "kvm, copya, copyb"); n == 0 {
		t.Error("what many targets have in common is not said once")
	}
	if !strings.Contains(s, ">all: BLOCK<") || strings.Count(s, "<details><summary>Warnings") != 22 {
		t.Error("chips or lists are not folded")
	}
	if dir := os.Getenv("MIGIMG_LOOK"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, "many-en.html"), []byte(s), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

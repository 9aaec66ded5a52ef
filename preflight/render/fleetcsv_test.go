package render

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"

	"migimg/preflight/merge"
)

// csvSafe reads the table back: a line a host, and nothing that a spreadsheet would
// calculate, also where it ends cells at semicolons.
func csvSafe(t *testing.T, f *merge.Fleet) [][]string {
	t.Helper()
	var b bytes.Buffer
	if err := FleetCSV(&b, f); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "\n"); n != len(f.Hosts)+1 || strings.Count(b.String(), "\r\n") != n {
		t.Errorf("%d lines for %d hosts", n, len(f.Hosts))
	}
	rows, err := csv.NewReader(bytes.NewReader(b.Bytes())).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if len(r) != len(fleetColumns)+len(f.Targets) {
			t.Fatalf("%d columns", len(r))
		}
		for _, c := range r {
			for _, part := range strings.FieldsFunc(c, func(r rune) bool { return strings.ContainsRune(";,|", r) }) {
				if s := strings.TrimSpace(part); s != "" && strings.ContainsRune("=+-@＝＋－＠", []rune(s)[0]) {
					t.Errorf("a spreadsheet calculates %q", c)
				}
			}
		}
	}
	return rows
}

func TestFleetCSV(t *testing.T) {
	f := someFleet(t)
	rows := csvSafe(t, f)
	at := map[string]int{}
	for i, name := range rows[0] {
		at[name] = i
	}
	lost := 0
	for i, r := range rows[1:] {
		h := &f.Hosts[i]
		if r[at["host"]] != h.Name {
			t.Errorf("line %d is %s, want %s", i+2, r[0], h.Name)
		}
		if h.Lost() {
			lost++
			if r[at["verdict"]] != "unreadable" || r[at["unreadable"]] == "" || r[at["target:kvm"]] != "unreadable" {
				t.Errorf("%q", r)
			}
			continue
		}
		if r[at["verdict"]] != string(h.Verdict) || r[at["target:kvm"]] != string(h.Verdicts[1]) {
			t.Errorf("%s: %s, %s", h.Name, r[at["verdict"]], r[at["target:kvm"]])
		}
		if (h.Verdict == "blocked") != (r[at["blocked_by"]] != "") {
			t.Errorf("%s is %s, blocked by %q", h.Name, h.Verdict, r[at["blocked_by"]])
		}
	}
	if lost != 3 {
		t.Errorf("%d hosts are unreadable", lost)
	}
	if FleetCSV(full{}, f) == nil || FleetHTML(full{}, f, "x", Options{}) == nil || FleetTable(full{}, f, Options{}) == nil || f.WriteJSON(full{}, "x") == nil {
		t.Error("a failed write is not reported")
	}
}

func TestInert(t *testing.T) {
	for s, want := range map[string]string{"": "", "web01": "web01", "-1": "'-1", "=1+1": "'=1+1", " =1": " '=1", "@x": "'@x", "a-b+c=d@e": "a-b+c=d@e", "a; b": "a; b", "a; -b": "a; '-b", "x,+1": "x,'+1", "＝1": "'＝1", "/dev/sda": "/dev/sda"} {
		if got := inert(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}

// Each line fits, and says the numbers.
func TestFleetTable(t *testing.T) {
	f := someFleet(t)
	for _, width := range []int{60, 100, 160} {
		var b bytes.Buffer
		if err := FleetTable(&b, f, Options{Width: width}); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if n := columns(strings.TrimRight(line, "\n")); n > max(width, 95) {
				t.Errorf("%d columns of %d: %s", n, width, line)
			}
		}
		for _, want := range []string{"azure-gen2", "Unreadable", "4 files could not be read", "two/sdc.json: no preflight report", "More than one host is called", "1 older reports"} {
			if !strings.Contains(strings.Join(strings.Fields(b.String()), " "), want) {
				t.Errorf("no %q in\n%s", want, b.String())
			}
		}
	}
}

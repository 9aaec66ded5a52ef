// Package fleet makes the preflight reports of many hosts for tests, by varying
// reports that the program has written.
package fleet

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"migimg/preflight"
	"migimg/preflight/checks"
)

// Options are how many hosts there are, and what of. Equal options make equal files.
type Options struct {
	Hosts int
	// Targets that the reports are for besides those of the samples, which are
	// tencent and kvm.
	Targets []string
	Seed    uint64
}

// models is how many hosts are made one by one; further ones are like one of those,
// with names, UUIDs, versions and times of their own.
const models = 250

// Write writes a file HOST.json for each host into a folder. samples is where the
// reports preflight/testdata/{ready,blocked}.json are.
func Write(dir, samples string, o Options) error {
	var docs [][]byte
	for _, name := range []string{"ready", "blocked"} {
		b, err := os.ReadFile(filepath.Join(samples, name+".json"))
		if err != nil {
			return err
		}
		docs = append(docs, b)
	}
	g := &generator{o: o, rand: rand.New(rand.NewPCG(o.Seed, 1))} // #nosec G404: tests
	var made []string
	for i := range o.Hosts {
		if i < models {
			b, err := g.model(docs)
			if err != nil {
				return err
			}
			made = append(made, string(b))
		}
		name := fmt.Sprintf("%s%04d.%s.example.com", pick(g, roles), i, pick(g, sites))
		short, _, _ := strings.Cut(name, ".")
		doc := strings.NewReplacer(hostMark, short, numberMark, fmt.Sprint(10+g.rand.IntN(20)), timeMark, timeMark[:11]+fmt.Sprintf("%02d:%02d:%02d", g.rand.IntN(24), g.rand.IntN(60), g.rand.IntN(60)),
			uuidMark, fmt.Sprintf("%08x-0001-4%03x-%04x-%012x", g.rand.Uint32(), g.rand.IntN(1<<12), g.rand.IntN(1<<16), g.rand.Int64N(1<<48))).Replace(made[i%models])
		if err := os.WriteFile(filepath.Join(dir, name+".json"), []byte(doc), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// The marks are what is a host's own in the model of it.
const (
	hostMark   = "host-of-its-own"
	numberMark = "987654321"
	timeMark   = "2026-11-25T01:02:03"
	uuidMark   = "11111111-2222-3333-4444-555555555555" // the samples'
)

var (
	roles   = []string{"web", "db", "app", "mail", "build", "cache", "proxy", "files"}
	sites   = []string{"fra", "tyo", "sha", "nyc"}
	systems = []struct{ id, version, pretty, kernel string }{
		{"debian", "12", "Debian GNU/Linux 12 (bookworm)", "6.1.0-%s-amd64"}, {"debian", "10", "Debian GNU/Linux 10 (buster)", "4.19.0-%s-amd64"},
		{"ubuntu", "22.04", "Ubuntu 22.04.5 LTS", "5.15.0-%s-generic"}, {"rhel", "8.10", "Red Hat Enterprise Linux 8.10 (Ootpa)", "4.18.0-553.%s.1.el8_10.x86_64"},
		{"centos", "7", "CentOS Linux 7 (Core)", "3.10.0-1160.%s.1.el7.x86_64"}, {"sles", "15.5", "SUSE Linux Enterprise Server 15 SP5", "5.14.21-150500.%s-default"},
	}
)

type generator struct {
	o    Options
	rand *rand.Rand
}

func pick[T any](g *generator, list []T) T { return list[g.rand.IntN(len(list))] }

// model is a report: the ready sample, with some of the other one's findings, and a
// few that any machine may have.
func (g *generator) model(docs [][]byte) ([]byte, error) {
	r, err := preflight.Read(docs[0])
	if err != nil {
		return nil, err
	}
	bad, err := preflight.Read(docs[1])
	if err != nil {
		return nil, err
	}
	healthy := g.rand.IntN(100) < 35
	for i := range r.Checks {
		switch n := g.rand.IntN(100); {
		case bad.Checks[i].Status != r.Checks[i].Status && !healthy && n < 45:
			r.Checks[i] = bad.Checks[i]
		case n < 2 && (!healthy || r.Checks[i].Severity != checks.Blocker):
			g.change(&r.Checks[i], checks.Unknown, "/etc/%s could not be read: permission denied")
		case n < 4 && (!healthy || r.Checks[i].Severity != checks.Blocker):
			g.change(&r.Checks[i], checks.Fail, "/srv/%s is not as it has to be")
		}
	}
	for k, id := range g.o.Targets {
		like := r.Targets[k%2].ID
		t := r.Targets[k%2]
		t.ID, t.Title = id, "Target "+id
		r.Targets = append(r.Targets, t)
		for i := range r.Checks {
			c := &r.Checks[i]
			c.StatusBy[id], c.SeverityBy[id] = c.StatusBy[like], c.SeverityBy[like]
			if by, ok := c.SummaryBy[like]; ok {
				c.SummaryBy[id], c.MessageBy[id] = by, c.MessageBy[like]
			}
		}
	}
	// A waiver that is about nothing: the verdicts are made anew.
	r.Waive([]preflight.Waiver{{Check: "-"}}, r.GeneratedAt)
	r.Waivers = nil
	r.GeneratedAt, _ = time.Parse("2006-01-02T15:04:05", timeMark)
	r.Source.Device = pick(g, []string{"/dev/sda", "/dev/vda", "/dev/nvme0n1"})
	r.Source.SizeBytes = int64(20+10*g.rand.IntN(200)) << 30
	r.Source.CarriedBytes = r.Source.SizeBytes / int64(2+g.rand.IntN(9))
	s := pick(g, systems)
	r.OS.Hostname, r.OS.ID, r.OS.VersionID, r.OS.Pretty = hostMark, s.id, s.version, s.pretty
	if g.rand.IntN(3) == 0 {
		r.OS.Firmware = "uefi"
	}
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		return nil, err
	}
	return bytes.ReplaceAll(b.Bytes(), []byte("6.1.0-test-amd64"), []byte(fmt.Sprintf(s.kernel, numberMark))), nil
}

// change makes a check find something of this host's own.
func (g *generator) change(c *preflight.CheckResult, s checks.Status, format string) {
	name := pick(g, []string{"fstab", "sshd", "network", fmt.Sprintf("data%d", g.rand.IntN(1000))})
	m := []checks.Message{{ID: format, Args: []string{name}}}
	c.Status, c.Summary, c.Message, c.SummaryBy, c.MessageBy = s, fmt.Sprintf(format, name), m, nil, nil
	for id := range c.StatusBy {
		c.StatusBy[id] = string(s)
	}
	if s == checks.Fail {
		c.Remedies = []checks.Remediation{{Type: "hint", Text: "Put " + name + " right.", Message: checks.Message{ID: "Put %s right.", Args: []string{name}}},
			{Type: "command", Where: "guest", Root: true, Argv: [][]string{{"restorecon", "-v", fmt.Sprintf("/srv/%d", g.rand.IntN(1000))}}}}
	}
}

package merge

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"migimg/preflight"
)

// host is the machine as the fleet has it, but for its name and verdict. Disks are
// by their devices' names.
func (m *machine) host(f *Fleet, known map[string]string) Host {
	h := Host{Called: m.called}
	slices.SortFunc(m.disks, func(a, b *held) int { return cmp.Compare(a.device, b.device) })
	data := 0
	for i, d := range m.disks {
		h.Disks = append(h.Disks, Disk{Device: d.device, File: d.path, Made: d.made, Size: d.size, Carried: d.carried})
		if h.System == "" {
			h.System, h.Firmware = d.system, d.firmware
		}
		if d.data {
			data++
		}
		if d.severity.Rank() > h.severity.Rank() {
			h.severity = d.severity
		}
		for k, x := range d.findings {
			x.Disk = i
			s := make([]byte, len(f.Targets))
			for t := range s {
				s[t] = byte(None)
				if t < len(d.states[k]) {
					s[t] = byte(d.states[k][t])
				}
			}
			if _, ok := known[string(s)]; !ok {
				known[string(s)] = string(s)
			}
			x.States = known[string(s)]
			h.Findings = append(h.Findings, x)
		}
	}
	h.Data = data == len(m.disks)
	slices.SortStableFunc(h.Findings, func(a, b Finding) int { return cmp.Compare(a.For(-1).rank(), b.For(-1).rank()) })
	h.Verdicts = make([]preflight.Verdict, len(f.Targets))
	for t := range f.Targets {
		var missing []Gap
		for _, d := range m.disks {
			v := preflight.Verdict("")
			if t < len(d.verdicts) {
				v = d.verdicts[t]
			}
			if v == "" {
				missing = append(missing, Gap{d.device, f.Targets[t].ID})
			} else if h.Verdicts[t] == "" || v.Worse(h.Verdicts[t]) {
				h.Verdicts[t] = v
			}
		}
		if h.Verdicts[t] != "" && missing != nil { // some of its disks were judged
			h.Gaps = append(h.Gaps, missing...)
			h.Verdicts[t] = atLeast(h.Verdicts[t], preflight.Unknown)
		}
	}
	return h
}

// rank orders states, worst first.
func (s State) rank() int { return strings.IndexByte("buwna-", byte(s)) }

func atLeast(v, floor preflight.Verdict) preflight.Verdict {
	if floor.Worse(v) {
		return floor
	}
	return v
}

// judge settles the verdicts. Where targets were asked for, a host that was not
// judged for one is undecided; else it counts for those that its reports are for.
func (h *Host) judge(f *Fleet, wanted bool) {
	if h.Lost() {
		h.Verdict, h.Verdicts = preflight.Unknown, slices.Repeat([]preflight.Verdict{preflight.Unknown}, len(f.Targets))
		return
	}
	h.Verdict = ""
	for t, v := range h.Verdicts {
		if v == "" {
			if !wanted {
				continue
			}
			v = preflight.Unknown
			h.Gaps = append(h.Gaps, Gap{Target: f.Targets[t].ID})
		}
		if len(h.Unreadable) > 0 {
			v = atLeast(v, preflight.Unknown)
		}
		h.Verdicts[t] = v
		if h.Verdict == "" || v.Worse(h.Verdict) {
			h.Verdict = v
		}
	}
	if h.Verdict == "" {
		h.Verdict = preflight.Unknown
	}
}

// callAlike finds the hosts that call themselves by one name, and forgets names
// that say nothing new.
func (f *Fleet) callAlike() {
	by := map[string][]int{}
	for i := range f.Hosts {
		h := &f.Hosts[i]
		if low := strings.ToLower(h.Called); low != "" && low != "localhost" && !strings.HasPrefix(low, "localhost.") {
			by[low] = append(by[low], i)
		}
	}
	for _, low := range slices.Sorted(maps.Keys(by)) {
		if len(by[low]) < 2 {
			continue
		}
		a := Alike{Name: f.Hosts[by[low][0]].Called, Called: true}
		for _, i := range by[low] {
			a.Hosts = append(a.Hosts, f.Hosts[i].Name)
		}
		f.Alike = append(f.Alike, a)
	}
	slices.SortFunc(f.Alike, func(a, b Alike) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Hosts[0], b.Hosts[0]))
	})
	for i := range f.Hosts {
		if h := &f.Hosts[i]; sameName(h.Name, h.Called) {
			h.Called = ""
		}
	}
}

// sameName says that one is the other, or its first labels.
func sameName(a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(b)
	return a == b || strings.HasPrefix(a, b+".") || strings.HasPrefix(b, a+".")
}

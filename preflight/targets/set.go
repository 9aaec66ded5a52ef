package targets

import (
	"slices"
	"strings"
)

// Set is the targets that there are to choose from. It is never changed once
// made.
type Set struct{ all []*Target }

// All returns every target, by id.
func (s *Set) All() []*Target { return slices.Clone(s.all) }

// Choose returns the targets with the given ids, in that order and each once. A
// family's name stands for all its targets. The error names what there is.
func (s *Set) Choose(names ...string) ([]*Target, error) {
	var out []*Target
	for _, name := range names {
		found := s.find(name)
		if len(found) == 0 {
			return nil, &UnknownError{Name: name, Known: s.names()}
		}
		for _, t := range found {
			if !slices.Contains(out, t) {
				out = append(out, t)
			}
		}
	}
	return out, nil
}

func (s *Set) find(name string) (found []*Target) {
	for _, t := range s.all {
		if t.ID == name {
			return []*Target{t}
		}
		if t.Family == name && name != "" {
			found = append(found, t)
		}
	}
	return found
}

// names are the ids, and the families in brackets behind them.
func (s *Set) names() []string {
	var ids, families []string
	for _, t := range s.all {
		ids = append(ids, t.ID)
		if t.Family != "" && !slices.Contains(families, t.Family) {
			families = append(families, t.Family)
		}
	}
	slices.Sort(families)
	for _, f := range families {
		ids = append(ids, f+" (all of it)")
	}
	return ids
}

func (s *Set) sort() {
	slices.SortFunc(s.all, func(a, b *Target) int { return strings.Compare(a.ID, b.ID) })
}

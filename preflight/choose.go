package preflight

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"migimg/preflight/checks"
	"migimg/preflight/targets"
)

// ReadTargets returns the targets with the given ids or families, all without
// any, as changed by the files of a directory ("" is none; [targets.Read]). The
// error names the file and the field, or the targets that are known.
func ReadTargets(dir string, ids ...string) ([]*targets.Target, error) {
	s, err := targets.Read(dir)
	if err != nil {
		return nil, err
	}
	if err := knownChecks(s.All()); err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return s.All(), nil
	}
	return s.Choose(ids...)
}

// knownChecks asks that the user's files name only checks that there are.
func knownChecks(ts []*targets.Target) error {
	var all []error
	for _, t := range ts {
		var ids []string
		for id := range t.Severity {
			ids = append(ids, "severity."+id)
		}
		for id := range t.Errors {
			ids = append(ids, "error_codes."+id)
		}
		slices.Sort(ids)
		for _, field := range ids {
			_, id, _ := strings.Cut(field, ".")
			if len(t.From) > 0 && checks.Find(id) == nil {
				all = append(all, fmt.Errorf("target file %s: %s: there is no such check", t.From[len(t.From)-1], field))
			}
		}
	}
	return errors.Join(all...)
}

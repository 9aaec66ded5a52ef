package main

import (
	"github.com/urfave/cli/v2"

	"migimg/preflight"
	"migimg/preflight/targets"
	"migimg/verify"
)

// rulesFrom are those of the targets that the command line names; none where it names
// none.
func rulesFrom(c *cli.Context) ([]verify.Rules, error) {
	if c.String("target") == "" {
		return nil, nil
	}
	ts, err := targetsFrom(c)
	return rulesOf(ts), err
}

// targetRules are those of the targets that a mount's file is for.
func (f fileStatus) targetRules(dir string) ([]verify.Rules, error) {
	if len(f.Targets) == 0 || f.decoder() == verify.Raw && f.Format != verify.Raw { // a part of an image
		return nil, nil
	}
	ts, err := preflight.ReadTargets(dir, f.Targets...)
	return rulesOf(ts), err
}

// rulesOf are what targets take. What their documents leave in doubt refuses nothing.
func rulesOf(ts []*targets.Target) (out []verify.Rules) {
	for _, t := range ts {
		r := verify.Rules{
			Name: t.ID, Formats: t.Formats.Values,
			MinDisk: limitOf(t.MinVirtual), MaxDisk: limitOf(t.MaxVirtual), Multiple: limitOf(t.Multiple),
			MaxFile: map[string]verify.Limit{"qcow2": limitOf(t.MaxImage), "raw.gz": limitOf(t.MaxCompressed)},
			Tables:  verify.Words{Taken: t.Tables.Values, Refused: refuses(t.Tables.Otherwise, t.Tables.Fact), Error: t.Tables.Error},
		}
		out = append(out, r)
	}
	return out
}

func limitOf(f *targets.Figure) verify.Limit {
	if f == nil {
		return verify.Limit{}
	}
	return verify.Limit{Bytes: f.Value, Refused: refuses(f.Otherwise, f.Fact), Error: f.Error}
}

// refuses says that an importer refuses what is outside of a fact: a check's severity is
// "blocker" where nothing else is said.
func refuses(otherwise string, f targets.Fact) bool {
	return (otherwise == "" || otherwise == "blocker") && f.Sure != targets.Doubtful
}

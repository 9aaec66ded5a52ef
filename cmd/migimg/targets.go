package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"migimg/preflight"
	"migimg/preflight/render"
	"migimg/preflight/targets"
)

func targetDirFlag() cli.Flag {
	return &cli.StringFlag{Name: "target-dir", Usage: "directory with files TARGET.json of your own, which add targets or change fields of known ones"}
}

// targetWords are the words of --target.
func targetWords(c *cli.Context) (words []string) {
	for word := range strings.SplitSeq(c.String("target"), ",") {
		if word = strings.TrimSpace(word); word != "" {
			words = append(words, word)
		}
	}
	return words
}

// targetsFrom are the targets that are asked for, all where none is; one that
// does not exist is refused, and so is a file that is wrong.
func targetsFrom(c *cli.Context) ([]*targets.Target, error) {
	dir := c.String("target-dir")
	if dir != "" { // the report names the files, and a mount's is read from anywhere
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, fmt.Errorf("--target-dir: %w", err)
		}
		dir = abs
	}
	ts, err := preflight.ReadTargets(dir, targetWords(c)...)
	var unknown *targets.UnknownError
	switch {
	case errors.As(err, &unknown):
		if s := nearest(unknown.Name, unknown.Known); s != "" {
			return nil, fmt.Errorf("--target: there is no target %q; did you mean %s?", unknown.Name, strings.TrimSuffix(s, " (all of it)"))
		}
		return nil, fmt.Errorf("--target: %w", err)
	case err != nil:
		return nil, fmt.Errorf("--target-dir: %w", err)
	}
	return ts, nil
}

// targetsText is the generated part of docs/targets.md or, of one target, its page
// docs/targets/ID.md.
func targetsText(id string) (string, error) {
	ts, err := targets.All()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if id == "" {
		err = render.Targets(&b, ts)
		return b.String(), err
	}
	for _, t := range ts {
		if t.ID == id {
			err = render.Target(&b, t)
			return b.String(), err
		}
	}
	return "", fmt.Errorf("generate %s is none of man, bash, fish, targets, and no target's name", id)
}

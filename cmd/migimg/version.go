package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"
)

// What the linker sets: the version, the commit that it was built from, and when that
// was made (RFC 3339). A build without them takes the module's version, and says
// nothing of the others.
var version, commit, date string

func versionString() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "print the version",
		Flags: []cli.Flag{formatFlag("text", "json")},
		Action: func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			if c.String("format") == "json" {
				return writeJSON(c.App.Writer, versionDocument{versionString(), commit, date, runtime.Version(), runtime.GOOS, runtime.GOARCH})
			}
			_, err := fmt.Fprintln(c.App.Writer, "migimg", versionString())
			return err
		},
	}
}

// versionDocument is what `migimg version --format json` prints.
type versionDocument struct {
	Version string `json:"version"`
	// Commit and Date, that of the commit, are missing from builds that were not made by
	// `make`.
	Commit string `json:"commit,omitempty"`
	Date   string `json:"date,omitempty"`
	Go     string `json:"go"`
	OS     string `json:"os"`
	Arch   string `json:"arch"`
}

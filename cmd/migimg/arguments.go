package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// flagsFirst moves a command's flags before its other arguments, so that
// `migimg map /dev/sda --format json` means what it says; the flag package
// stops at the first argument that is no flag. What follows "--" stays.
func flagsFirst(app *cli.App, args []string) []string {
	if len(args) < 3 || args[len(args)-1] == "--generate-bash-completion" { // which has to stay last
		return args
	}
	cmd := app.Command(args[1])
	if cmd == nil {
		return args
	}
	var flags, rest []string
	for i := 2; i < len(args); i++ {
		a := args[i]
		if a == "--" {
			rest = append(rest, args[i:]...)
			break
		}
		if !strings.HasPrefix(a, "-") || a == "-" {
			rest = append(rest, a)
			continue
		}
		flags = append(flags, a)
		name := strings.TrimLeft(a, "-")
		if !strings.Contains(name, "=") && takesValue(cmd, name) && i+1 < len(args) {
			i++
			flags = append(flags, args[i])
		}
	}
	return slices.Concat(args[:2], flags, rest)
}

// takesValue says whether the flag is followed by its value.
func takesValue(cmd *cli.Command, name string) bool {
	for _, f := range cmd.Flags {
		if slices.Contains(f.Names(), name) {
			switch f := f.(type) {
			case *cli.BoolFlag:
				return false
			case *cli.GenericFlag:
				_, alone := f.Value.(interface{ IsBoolFlag() bool })
				return !alone
			}
			return true
		}
	}
	return false
}

// usageError names the option that was probably meant.
func usageError(c *cli.Context, err error, _ bool) error {
	where := "migimg --help"
	if c.Command != nil && c.Command.Name != "" && c.Command.Name != "migimg" {
		where = "migimg " + c.Command.Name + " --help"
	}
	if name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); ok {
		name = strings.TrimLeft(name, "-")
		if s := suggest(c.Command, name); s != "" {
			return fmt.Errorf("unknown option --%s; did you mean %s? (%s)", name, s, where)
		}
		return fmt.Errorf("unknown option --%s; see %s", name, where)
	}
	return fmt.Errorf("%w; see %s", err, where)
}

// suggest is the command's flag nearest to name, if any is near.
func suggest(cmd *cli.Command, name string) string {
	if cmd == nil {
		return ""
	}
	var names []string
	for _, f := range cmd.Flags {
		names = append(names, f.Names()[0])
	}
	if s := nearest(name, names); s != "" {
		return "--" + s
	}
	return ""
}

// arguments takes exactly the named arguments from the command line.
func arguments(c *cli.Context, names ...string) ([]string, error) {
	args := c.Args().Slice()
	switch {
	case len(args) < len(names):
		return nil, missing(c, names[len(args)])
	case len(args) > len(names):
		return nil, fmt.Errorf("%q is one argument too many; usage: migimg %s %s", args[len(names)], c.Command.Name, c.Command.ArgsUsage)
	}
	return args, nil
}

// devicesAnd takes devices, at least one, and one more argument from the command line.
func devicesAnd(c *cli.Context, name string) (devices []string, last string, err error) {
	args := c.Args().Slice()
	switch len(args) {
	case 0:
		return nil, "", missing(c, "DEVICE")
	case 1:
		return nil, "", missing(c, name)
	}
	return args[:len(args)-1], args[len(args)-1], nil
}

// devicesOr takes devices, at least one, or one of what else name says.
func devicesOr(c *cli.Context, name string) ([]string, error) {
	if c.NArg() == 0 {
		return nil, missing(c, name)
	}
	return c.Args().Slice(), nil
}

func missing(c *cli.Context, name string) error {
	return fmt.Errorf("%s is missing; usage: migimg %s %s", name, c.Command.Name, c.Command.ArgsUsage)
}

// formatFlag is --format with the formats that a command can print.
func formatFlag(formats ...string) *cli.StringFlag {
	return &cli.StringFlag{
		Name:  "format",
		Value: formats[0],
		Usage: "what to print: " + strings.Join(formats, ", "),
		Action: func(_ *cli.Context, v string) error {
			if !slices.Contains(formats, v) {
				return fmt.Errorf("--format %s is not one of %s", v, strings.Join(formats, ", "))
			}
			return nil
		},
	}
}

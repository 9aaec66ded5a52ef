package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// helperName is the name by which mount(8) starts this program for the filesystem
// type migimg: /sbin/mount.migimg is a link to it.
const helperName = "mount.migimg"

// The options of `migimg mount` that stand for a helper's -s and -f.
const (
	sloppyFlag = "helper-sloppy"
	fakeFlag   = "helper-fake"
)

// commandLine is args, or if they are those of a mount helper (mount(8), EXTERNAL
// HELPERS), the `migimg mount` that is meant:
//
//	mount.migimg SPEC DIR [-sfnv] [-N NAMESPACE] [-o OPT,...] [-t TYPE]
func commandLine(args []string) ([]string, error) {
	if len(args) == 0 || filepath.Base(args[0]) != helperName {
		return args, nil
	}
	const usage = "usage: mount.migimg DEVICE MOUNTPOINT [-sfnv] [-o OPT,...], or better: mount -t migimg"
	out := []string{"migimg", "mount"}
	var plain []string
	for i := 1; i < len(args); i++ {
		letters, isFlag := strings.CutPrefix(args[i], "-")
		if !isFlag || letters == "" {
			plain = append(plain, args[i])
			continue
		}
		for n, letter := range letters {
			value := ""
			if strings.ContainsRune("oNt", letter) {
				if value = letters[n+1:]; value == "" && i+1 < len(args) {
					i++
					value = args[i]
				}
			}
			switch letter {
			case 's':
				out = append(out, "--"+sloppyFlag)
			case 'f':
				out = append(out, "--"+fakeFlag)
			case 'n', 'v': // there is no mtab, and nothing more to say
			case 'o':
				out = append(out, "-o", helperWords(value))
			case 't':
				if value != "migimg" {
					return nil, fmt.Errorf("-t %s is not migimg", value)
				}
			case 'N':
				return nil, errors.New("mount -N is not supported: run mount in that namespace, with nsenter(1)")
			default:
				return nil, fmt.Errorf("unknown option -%c; %s", letter, usage)
			}
			if value != "" {
				break // the rest of the argument was its value
			}
		}
	}
	if len(plain) != 2 {
		return nil, errors.New(usage)
	}
	return append(append(out, "--"), plain...), nil
}

// helperWords drops the "rw" that mount(8) passes when it was not told "ro": nobody
// asked for it, and the mount is read-only.
func helperWords(list string) string {
	return strings.Join(slices.DeleteFunc(splitOptions(list), func(s string) bool { return s == "rw" }), ",")
}

// ignoredOptions are what a mount helper has to put up with: they are for mount(8) or
// systemd, or a migimg mount is so anyway.
var ignoredOptions = []string{
	"", "ro", "defaults", "nosuid", "nodev", "noexec", "default_permissions", "async", "sync", "dirsync", "silent", "loud",
	"atime", "noatime", "diratime", "nodiratime", "relatime", "norelatime", "strictatime", "nostrictatime", "lazytime", "nolazytime",
	"auto", "noauto", "user", "nouser", "users", "nousers", "owner", "noowner", "group", "nogroup", "nofail", "_netdev", "comment",
}

// mountOptions takes -o OPT,... as mount(8) passes them: migimg's own options by
// their long names, and the ones that every mount helper has to put up with.
func mountOptions(c *cli.Context) error {
	for _, opt := range splitOptions(strings.Join(c.StringSlice("o"), ",")) { // the library has split it at every comma
		name, value, hasValue := strings.Cut(opt, "=")
		switch name {
		case "rw", "suid", "dev", "exec":
			return fmt.Errorf("-o %s is impossible: a migimg mount is always ro,nosuid,nodev,noexec", name)
		case "remount":
			return errors.New("-o remount is impossible: a migimg mount is as it was made; unmount it and mount again")
		}
		if slices.Contains(ignoredOptions, name) || strings.HasPrefix(name, "x-") || strings.HasPrefix(name, "X-") {
			continue
		}
		flag := strings.ReplaceAll(name, "_", "-")
		if flag == "o" || !hasFlag(c.Command, flag) {
			if c.Bool(sloppyFlag) {
				continue
			}
			return fmt.Errorf("-o %s: there is no such option; see migimg mount --help", name)
		}
		if value = strings.ReplaceAll(value, `"`, ""); !hasValue {
			value = "true"
		}
		if err := c.Set(flag, value); err != nil {
			return fmt.Errorf("-o %s: %w", opt, err)
		}
	}
	return nil
}

// splitOptions splits a list at its commas, except those in double quotes (mount(8),
// the option -o).
func splitOptions(list string) []string {
	quoted := false
	return strings.FieldsFunc(list, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ',' && !quoted
	})
}

func hasFlag(cmd *cli.Command, name string) bool {
	return slices.ContainsFunc(cmd.VisibleFlags(), func(f cli.Flag) bool { return slices.Contains(f.Names(), name) })
}

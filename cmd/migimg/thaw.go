package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"migimg/blockmap/device/freeze"
)

// thawCommand is for emergencies: it has to work while the root filesystem is
// frozen, so it reads no configuration and writes nothing but its answer.
func thawCommand() *cli.Command {
	return &cli.Command{
		Name:      "thaw",
		Usage:     "in an emergency: let writers go on, whoever froze the filesystem",
		ArgsUsage: "MOUNTPOINT|DEVICE... or --all",
		Description: `migimg thaws what it froze by itself, also when it is killed. If programs that
write hang all the same, this ends every freeze of the filesystems named, by
whoever it was: a backup that relies on its freeze is spoilt by it, and so is an
image that migimg is serving in the mode frozen (its readers get errors).

    migimg thaw /srv
    migimg thaw --all`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", Usage: "thaw every mounted filesystem that can be frozen"},
		},
		Action: func(c *cli.Context) error {
			names := c.Args().Slice()
			switch all := c.Bool("all"); {
			case all && len(names) > 0:
				return fmt.Errorf("--all and %s contradict each other; name filesystems, or all", names[0])
			case !all && len(names) == 0:
				return errors.New("MOUNTPOINT or DEVICE is missing; usage: migimg thaw " + c.Command.ArgsUsage)
			}
			// All is thawed before a word is written: the output may be on one of them.
			outcomes, err := freeze.Emergency(names)
			failed := 0
			for _, o := range outcomes {
				fmt.Fprintln(c.App.Writer, o)
				if o.Err != nil {
					failed++
				}
			}
			if err == nil && failed > 0 {
				err = fmt.Errorf("%d of %d filesystems could not be thawed; as a last resort, SysRq-J thaws all: echo j >/proc/sysrq-trigger", failed, len(outcomes))
			}
			return err
		},
	}
}

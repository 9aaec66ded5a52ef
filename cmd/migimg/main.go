// Command migimg shows a disk as cloud images, synthesized on read from the
// live block device. wire.go is the whole program on one page.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"

	"migimg/blockmap/device/freeze"
)

func main() {
	freeze.Watchdog(os.Args) // does not return in the process that thaws what this one freezes
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	cli.HelpPrinterCustom = printHelp(cli.HelpPrinterCustom)
	app := newApp()
	args, err := commandLine(os.Args)
	if err == nil {
		err = app.RunContext(ctx, flagsFirst(app, args))
	}
	code, message := exitCode(err)
	if message {
		fmt.Fprintln(os.Stderr, "migimg:", err)
	}
	os.Exit(code)
}

func newApp() *cli.App {
	app := &cli.App{
		Name:  "migimg",
		Usage: "show a disk as cloud images, without staging a byte",
		Description: `migimg mount exposes a directory in which disk.qcow2, disk.vhd, disk.vmdk and
disk.raw are synthesized on read from a block device. Copy them with cp, rsync,
rclone or an object storage's own tool. The device is never written.

    migimg mount /dev/sda /mnt/migimg
    jq .summary /mnt/migimg/preflight.json
    cp /mnt/migimg/disk.qcow2 /mnt/sdb/
    migimg verify /mnt/sdb/disk.qcow2 --source /mnt/migimg
    migimg umount /mnt/migimg`,
		HideVersion:          true,
		Suggest:              true,
		EnableBashCompletion: true,
		Commands: []*cli.Command{
			mountCommand(), exportCommand(), umountCommand(), pauseCommand(), resumeCommand(), thawCommand(), mapCommand(), inspectCommand(),
			preflightCommand(), reportCommand(), verifyCommand(), manifestCommand(), digestCommand(), syncCommand(), statusCommand(), versionCommand(), generateCommand(),
		},
		ExitErrHandler: func(*cli.Context, error) {}, // main decides
		CommandNotFound: func(c *cli.Context, name string) {
			var names []string
			for _, cmd := range c.App.VisibleCommands() {
				names = append(names, cmd.Names()...)
			}
			fmt.Fprintf(os.Stderr, "migimg: there is no command %q; ", name)
			if s := nearest(name, names); s != "" {
				fmt.Fprintf(os.Stderr, "did you mean %s? ", s)
			}
			fmt.Fprintln(os.Stderr, "migimg --help lists them")
			os.Exit(exitFailed)
		},
		OnUsageError: usageError,
	}
	app.Description = reflow(app.Description, 77) // help texts are shown with 3 blanks before
	for _, c := range app.Commands {
		c.OnUsageError = usageError
		c.Description = reflow(c.Description, 77)
	}
	return app
}

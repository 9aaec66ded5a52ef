package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"migimg/fusefs"
)

func mountCommand() *cli.Command {
	return &cli.Command{
		Name:      "mount",
		Usage:     "show disks as images in a directory",
		ArgsUsage: "DEVICE... MOUNTPOINT",
		Description: `DEVICE is a block device (a disk or a partition) or a raw image file of one; it
is opened read-only. MOUNTPOINT is an empty directory. The command returns when
the mount is usable; migimg umount ends it.

Of a machine with several disks, give all of them at once: their images stand for
one moment, volume groups and RAIDs over them are understood, and preflight judges
the machine. Each disk has a folder of its name, which is what a mount of it alone
would be.

Filesystems of DEVICE that are in use are frozen for a moment while it starts: the
images stand for that moment. They are thawed whatever happens; if programs ever
hang all the same, run migimg thaw --all.

    migimg mount /dev/sda /mnt/migimg
    migimg mount /dev/sda /dev/sdb /mnt/migimg
    migimg mount --target tencent /dev/sda /mnt/migimg
    migimg mount --allow-other --uid 1000 --mode 0440 /dev/sdb /mnt/migimg`,
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "foreground", Aliases: []string{"f"}, Usage: "stay in the foreground until unmounted"},
			&cli.StringFlag{Name: "on-read-error", Value: "eio", Usage: "what a reader gets for an unreadable sector: eio (the error) or zero (zeros, counted in status)"},
			&cli.BoolFlag{Name: "allow-other", Usage: "let other users in; needs --uid, --gid or --mode to say whom"},
			&cli.UintFlag{Name: "uid", Usage: "owner of the files", DefaultText: "the mounting user"},
			&cli.UintFlag{Name: "gid", Usage: "group of the files", DefaultText: "the mounting user's"},
			&cli.StringFlag{Name: "mode", Usage: "permission bits of the files, octal; they are never writable", DefaultText: "0400"},
			&cli.StringSliceFlag{Name: "o", Usage: "options as mount(8) passes them: OPT[=VALUE],...; a value with commas stands in double quotes"},
			&cli.BoolFlag{Name: "digest", Usage: "hash the images while they are read: the attributes user.migimg.sha256 and .crc64 appear once a file has been read (takes about a second of processor time for each GiB)"},
			&cli.BoolFlag{Name: "debug", Usage: "log every request (with -f)"},
			&cli.BoolFlag{Name: sloppyFlag, Hidden: true},
			&cli.BoolFlag{Name: fakeFlag, Hidden: true},
		}, slices.Concat(compressFlags(), momentFlags(), loadFlags(), logFlags(), reportFlags(), sourceFlags())...),
		Action: func(c *cli.Context) error {
			if err := mountOptions(c); err != nil {
				return err
			}
			devices, point, err := devicesAnd(c, "MOUNTPOINT")
			if err != nil {
				return err
			}
			if err := checkOrder(devices, point); err != nil {
				return err
			}
			ro, err := reportOptionsFrom(c)
			if err != nil {
				return err
			}
			if c.Bool("debug") && !c.Bool("foreground") {
				return errors.New("--debug needs -f: a daemon has nowhere to log to")
			}
			perm, err := permissionsFrom(c)
			if err != nil {
				return err
			}
			o, err := readingOptionsFrom(c)
			if err != nil {
				return err
			}
			if o.log, err = logOptionsFrom(c); err != nil {
				return err
			}
			o.zeroFill, o.digest = c.String("on-read-error") == "zero", c.Bool("digest")
			if !ro.all {
				o.targets, o.targetWords = ro.targets, targetWords(c)
			}
			if c.Bool(fakeFlag) {
				return nil
			}
			if err := checkPoint(point); err != nil {
				return err
			}
			if !c.Bool("foreground") && os.Getenv(readyEnv) == "" {
				return daemonize(c.Context)
			}
			o.usable = func() error { return confine(len(o.log.paths()) > 0) }
			return mount(c, devices, point, o, perm, ro)
		},
	}
}

// mount serves the devices at point until it is unmounted or told to stop.
func mount(c *cli.Context, devices []string, point string, o sourceOptions, perm permissions, ro reportOptions) error {
	log, err := newLogger(o.log)
	if err != nil {
		return err
	}
	defer log.end()
	return log.fail(mountLogged(c, devices, point, o, perm, ro, log))
}

func mountLogged(c *cli.Context, devices []string, point string, o sourceOptions, perm permissions, ro reportOptions, log *logger) error {
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) // memory holds the disk's bytes; a kernel that refuses leaves us as we were
	mountPoint, err := filepath.Abs(point)
	if err != nil {
		return err
	}
	log.with("mount", mountPoint)
	o.progress, o.tell, o.moment.log = newProgress(), log.tell, log.opts.paths()
	if err := notify("STATUS=reading the filesystems of " + strings.Join(devices, ", ")); err != nil {
		return err
	}
	s, err := open(c.Context, devices, o)
	o.progress.done()
	if err != nil {
		return err
	}
	log.begin()
	var stats fusefs.Stats
	happens := newEvents(s, &stats, log)
	defer happens.close()
	s.warn()
	for _, d := range s.disks {
		for _, a := range d.absent {
			log.tell(slog.LevelInfo, "no "+d.inFolder(a.Format)+" image: "+a.Reason)
		}
	}

	// Planning was not slowed down, least of all while a filesystem was frozen.
	if err := o.load.apply(); err != nil {
		return err
	}
	defer pauseOnSignals(s.throttle, log)()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	docs := newDocuments(ctx, s, happens, ro)
	fo := fusefs.Options{
		Device: s.named(), AllowOther: c.Bool("allow-other"), MayWait: s.throttle.Busy,
		Opened: func(r *fusefs.Reader) { happens.readers.opened(r) },
		Closed: func(r *fusefs.Reader) { happens.readers.closed(r) },
	}
	if c.Bool("debug") {
		fo.Debug = slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})
	}
	tree := s.tree(docs, perm, mountPoint)
	happens.readers.expect(tree.Files)
	server, err := fusefs.Mount(point, tree, &stats, fo)
	if err != nil {
		return err
	}
	err = errors.Join(ready(), notify("READY=1", fmt.Sprintf("STATUS=serving %s at %s", s.named(), mountPoint)))
	if err != nil {
		return errors.Join(err, server.Unmount())
	}
	if o.usable != nil {
		if err := o.usable(); err != nil {
			log.tell(slog.LevelWarn, "the mount keeps more rights than it needs: "+err.Error())
		}
	}
	go docs.reports.keep(ctx)
	defer happens.begin()()
	gone := make(chan struct{})
	go func() { server.Wait(); close(gone) }()
	return serve(c.Context, server, gone, log)
}

// serve waits for the end: an unmount by anybody, or a signal. A busy mount
// outlives the first signal until its last reader has gone; the second takes it
// away from under its readers.
func serve(ctx context.Context, server *fusefs.Server, gone <-chan struct{}, log *logger) error {
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
	}
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(again)
	_ = notify("STOPPING=1") // a mount ends also where nobody hears it
	for busy := false; ; busy = true {
		err := server.Unmount()
		if errors.Is(err, syscall.EINVAL) {
			log.tell(slog.LevelWarn, "unmounted, but for copies of the mount in other mount namespaces, which are dead from now on")
			return nil
		}
		if !errors.Is(err, fusefs.ErrBusy) {
			return err
		}
		if !busy {
			_ = notify("STATUS=waiting for the last reader")
			log.tell(slog.LevelWarn, err.Error()+"; it ends with its last reader, or at the next signal")
		}
		select {
		case <-gone:
			return nil
		case <-again:
			return server.Abort()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// momentFlags are the flags of commands that hold a running server's disk at T0.
func momentFlags() []cli.Flag {
	return []cli.Flag{
		&cli.DurationFlag{Name: "freeze-timeout", Usage: "how long filesystems may stay frozen", DefaultText: "2s pinned, 5m frozen"},
		&cli.StringFlag{Name: "pin-memory", Usage: "memory for the copies of filesystems' structures", DefaultText: "a quarter of what is available"},
		&cli.StringFlag{Name: "spool", Usage: "a folder on another disk, for what of them is more, and for what --compress has packed, which is then not packed again when it is read"},
	}
}

func momentOptionsFrom(c *cli.Context) (o momentOptions, err error) {
	o.limit, o.spool = c.Duration("freeze-timeout"), c.String("spool")
	if c.IsSet("freeze-timeout") && o.limit < 10*time.Millisecond {
		return o, fmt.Errorf("--freeze-timeout %v is too short for anything", o.limit)
	}
	if s := c.String("pin-memory"); s != "" {
		if o.memory, err = parseSize(s); err != nil {
			return o, fmt.Errorf("--pin-memory: %w", err)
		}
	}
	if o.spool != "" {
		if o.spool, err = filepath.Abs(o.spool); err != nil { // a daemon changes directory
			return o, err
		}
	}
	return o, nil
}

// sourceFlags are the flags of every command that maps a device.
func sourceFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "consistency", Value: "auto", Usage: "auto (the best that applies), offline (refuse a device that is mounted read-write), frozen (keep it frozen), pinned (freeze it for a moment) or live (read it as it moves)"},
		&cli.StringFlag{Name: "cluster-size", Value: "64K", Usage: "qcow2's cluster size, a power of two from 4K to 2M; below 64K also the block map's unit"},
		&cli.IntFlag{Name: "qcow2-version", Value: 3, Usage: "3, or 2 for readers older than QEMU 1.1 (oVirt's V3 storage domains)"},
	}, scopeFlags()...)
}

func sourceOptionsFrom(c *cli.Context) (sourceOptions, error) {
	size, err := parseSize(c.String("cluster-size"))
	if err != nil {
		return sourceOptions{}, fmt.Errorf("--cluster-size: %w", err)
	}
	if size < 4<<10 || size > 2<<20 || size&(size-1) != 0 {
		return sourceOptions{}, fmt.Errorf("--cluster-size %s is not a power of two from 4K to 2M", c.String("cluster-size"))
	}
	if v := c.String("on-read-error"); v != "" && v != "eio" && v != "zero" {
		return sourceOptions{}, fmt.Errorf("--on-read-error %s is not one of eio, zero", v)
	}
	if _, err := chooseConsistency(c.String("consistency"), nil, false); err != nil {
		return sourceOptions{}, err
	}
	version := c.Int("qcow2-version")
	if version != 2 && version != 3 {
		return sourceOptions{}, fmt.Errorf("--qcow2-version %d is not 2 or 3", version)
	}
	scope, err := scopeFrom(c)
	return sourceOptions{consistency: c.String("consistency"), clusterSize: size, version: version, scope: scope}, err
}

// readingOptionsFrom are the options of the commands by which images are read, a running
// server's as well: those of sourceFlags, momentFlags, loadFlags and compressFlags.
func readingOptionsFrom(c *cli.Context) (o sourceOptions, err error) {
	if o, err = sourceOptionsFrom(c); err != nil {
		return o, err
	}
	if o.load, err = loadFrom(c); err != nil {
		return o, err
	}
	if o.compress, err = compressFrom(c); err != nil {
		return o, err
	}
	o.moment, err = momentOptionsFrom(c)
	o.pin = true
	return o, err
}

// permissions are who may read the files of a mount.
type permissions struct{ uid, gid, mode uint32 }

func permissionsFrom(c *cli.Context) (permissions, error) {
	p := permissions{uid: uint32(os.Getuid()), gid: uint32(os.Getgid())}
	if c.IsSet("uid") {
		p.uid = uint32(c.Uint("uid"))
	}
	if c.IsSet("gid") {
		p.gid = uint32(c.Uint("gid"))
	}
	if s := c.String("mode"); s != "" {
		if _, err := fmt.Sscanf(s, "%o", &p.mode); err != nil || p.mode == 0 || p.mode > 0o777 {
			return p, fmt.Errorf("--mode %s is not an octal mode such as 0440", s)
		}
		if p.mode&^0o444 != 0 {
			return p, fmt.Errorf("--mode %s has more than read bits; the files of a mount are never written or run, use for example 0440", s)
		}
	}
	chosen := c.IsSet("uid") || c.IsSet("gid") || c.IsSet("mode")
	if c.Bool("allow-other") && !chosen {
		return p, errors.New("--allow-other lets every user in who has permission: say whom with --uid, --gid or --mode")
	}
	if chosen && !c.Bool("allow-other") {
		return p, errors.New("--uid, --gid and --mode have no effect without --allow-other")
	}
	return p, nil
}

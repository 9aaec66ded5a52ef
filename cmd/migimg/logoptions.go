package main

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// Where the log goes, if not to a file.
const (
	logSyslog = "syslog"
	logNone   = "none"
	logStderr = "" // only of a mount in the foreground
)

var logLevels = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

func logFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "log-to", Usage: "where what happens to the mount is logged: syslog (the journal is behind it where there is one), none, or a `FILE`", DefaultText: "with -f standard error, else syslog if there is one"},
		&cli.StringFlag{Name: "log-format", Value: "text", Usage: "text (key=value) or json"},
		&cli.StringFlag{Name: "log-level", Value: "info", Usage: "the least that is logged: debug, info, warn, error"},
	}
}

// logOptions are the user's choices of logFlags.
type logOptions struct {
	to    string // logSyslog, logNone, logStderr or a file's path from the root
	must  bool   // it is an error if there is none
	json  bool
	level slog.Level
}

func logOptionsFrom(c *cli.Context) (o logOptions, err error) {
	switch f := c.String("log-format"); f {
	case "text", "json":
		o.json = f == "json"
	default:
		return o, fmt.Errorf("--log-format %s is not one of text, json", f)
	}
	var ok bool
	if o.level, ok = logLevels[c.String("log-level")]; !ok {
		return o, fmt.Errorf("--log-level %s is not one of debug, info, warn, error", c.String("log-level"))
	}
	switch to := c.String("log-to"); to {
	case "":
		o.to = logSyslog
		if c.Bool("foreground") {
			o.to = logStderr
		}
	case logSyslog, logNone:
		o.to, o.must = to, true
	default:
		if strings.HasSuffix(to, "/") {
			return o, fmt.Errorf("--log-to %s is a folder: name a file in it", to)
		}
		if o.to, err = filepath.Abs(to); err != nil { // a daemon changes directory
			return o, err
		}
		o.must = true
	}
	return o, nil
}

// bare leaves out what the system's log has by itself: the time, and in text the level,
// which is the line's priority.
func (o logOptions) bare(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey && !o.json) {
		return slog.Attr{}
	}
	return a
}

// paths are what has to stay writable while a mount keeps filesystems frozen.
func (o logOptions) paths() []string {
	if slices.Contains([]string{logSyslog, logNone, logStderr}, o.to) {
		return nil
	}
	return []string{o.to}
}

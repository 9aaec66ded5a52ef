package main

import (
	"fmt"
	"math"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"migimg/blockmap/device"
)

// loadOptions are how much of the machine a mount may take.
type loadOptions struct {
	bwlimit int64 // bytes per second read from the device; 0 is no limit
	// ionice is nil where the priority is to stay as it is.
	ionice *device.IOPriority
}

// loadFlags are the flags of a mount about the load that it is.
func loadFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "bwlimit", Usage: "read at most `RATE` bytes a second from the device, such as 20M or 1.5M", DefaultText: "no limit"},
		ioniceFlag(),
	}
}

func ioniceFlag() cli.Flag {
	return &cli.StringFlag{Name: "ionice", Usage: "I/O `CLASS`: idle, best-effort, best-effort:0 to best-effort:7, none", DefaultText: "as it is"}
}

func loadFrom(c *cli.Context) (o loadOptions, err error) {
	if s := c.String("bwlimit"); s != "" {
		if o.bwlimit, err = parseRate(s); err != nil {
			return o, fmt.Errorf("--bwlimit: %w", err)
		}
		if o.bwlimit < device.MinRate {
			return o, fmt.Errorf("--bwlimit %s is below %s a second: readers would seem to hang", s, human(device.MinRate))
		}
	}
	if s := c.String("ionice"); s != "" {
		p, err := device.ParseIOPriority(s)
		if err != nil {
			return o, fmt.Errorf("--ionice: %w", err)
		}
		o.ionice = &p
	}
	return o, nil
}

// parseRate reads a rate such as 20M or 1.5M, in bytes per second.
func parseRate(s string) (int64, error) {
	t := strings.ToUpper(strings.TrimSuffix(s, "/s"))
	t = strings.TrimSuffix(strings.TrimSuffix(t, "B"), "I")
	unit := 1.0
	if i := strings.IndexAny(t, "KMG"); i >= 0 && i == len(t)-1 {
		unit = map[byte]float64{'K': 1 << 10, 'M': 1 << 20, 'G': 1 << 30}[t[i]]
		t = t[:i]
	}
	f, err := strconv.ParseFloat(t, 64)
	if err != nil || math.IsNaN(f) || f < 0 || f*unit > 1<<50 || strings.ContainsAny(t, "EXP_") {
		return 0, fmt.Errorf("%q is not a rate in bytes per second such as 20M or 1.5M", s)
	}
	return int64(f * unit), nil
}

// apply sets the I/O priority of this process, if one was chosen.
func (o loadOptions) apply() error {
	if o.ionice == nil {
		return nil
	}
	if err := o.ionice.Apply(); err != nil {
		return fmt.Errorf("--ionice: %w", err)
	}
	return nil
}

// pauseOnSignals lets SIGUSR1 pause the reading of the device and SIGUSR2 resume
// it, until stop is called.
func pauseOnSignals(t *device.Throttle, log *logger) (stop func()) {
	c := make(chan os.Signal, 8)
	signal.Notify(c, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		for s := range c {
			was := t.Paused()
			switch {
			case s == syscall.SIGUSR1:
				if t.Pause(); !was {
					log.Info("paused")
				}
			case was:
				t.Resume()
				log.Info("resumed")
			}
		}
	}()
	return func() {
		signal.Stop(c)
		close(c)
	}
}

// loadStatus is what a mount's status says of it.
type loadStatus struct {
	// Paused: readers wait until `migimg resume`.
	Paused bool `json:"paused"`
	// BWLimit is in bytes per second; 0 is no limit.
	BWLimit int64 `json:"bwlimit"`
	// IONice is as --ionice takes it, empty where it was left as it was.
	IONice string `json:"ionice,omitempty"`
}

func (s *source) loadStatus() loadStatus {
	l := loadStatus{Paused: s.throttle.Paused(), BWLimit: s.throttle.Rate()}
	if s.ionice != nil {
		l.IONice = s.ionice.String()
	}
	return l
}

// String is a line for people, empty where there is nothing to say.
func (l loadStatus) String() string {
	var parts []string
	if l.Paused {
		parts = append(parts, "paused (readers wait for migimg resume)")
	}
	if l.BWLimit > 0 {
		parts = append(parts, "at most "+human(l.BWLimit)+" a second from the device")
	}
	if l.IONice != "" {
		parts = append(parts, "I/O class "+l.IONice)
	}
	return strings.Join(parts, ", ")
}

package main

import (
	"fmt"
	"slices"
	"strings"

	"migimg/blockmap/device"
)

// The rungs of the ladder, best first.
const (
	levelOffline = "offline" // nothing on the device can change: the image is exact
	levelFrozen  = "frozen"  // it is frozen for as long as it is mounted: exact
	levelPinned  = "pinned"  // its structures are those of one moment; files may move
	levelLive    = "live"    // the map and the data as they come: possibly torn
)

// levelStale is what has become of a mount whose filesystems were to stay frozen, and
// were thawed: its images cannot be read any more.
const levelStale = "stale"

var levels = []string{levelOffline, levelFrozen, levelPinned, levelLive}

// consistency says what the image of a moving device is worth.
type consistency struct {
	// Level is that of the worst of its filesystems.
	Level  string `json:"level"`
	Detail string `json:"detail"`
	// Filesystems are those that are mounted read-write.
	Filesystems []filesystemLevel `json:"filesystems,omitempty"`
	Pins        *pinsStatus       `json:"pins,omitempty"`
	// Tracked says that writes are tracked since T0; Untracked why they are not.
	Tracked   bool   `json:"tracked,omitempty"`
	Untracked string `json:"untracked,omitempty"`
	// Notes are what went wrong and did no harm to the image.
	Notes []string `json:"notes,omitempty"`
}

func (c *consistency) note(err error) {
	if err != nil {
		c.Notes = append(c.Notes, err.Error())
	}
}

// consistencyNow is what the images are worth now.
func (s *source) consistencyNow() consistency {
	c := s.consistency
	if m := s.moment; m != nil && m.freezer != nil {
		select {
		case <-m.freezer.Broken():
			c.Level, c.Detail = levelStale, errStale.Error()
		default:
		}
	}
	return c
}

// filesystemLevel is a mounted filesystem's rung.
type filesystemLevel struct {
	Volume string `json:"volume"`
	Device string `json:"device"`
	Point  string `json:"mountpoint,omitempty"`
	FSType string `json:"fstype,omitempty"`
	Level  string `json:"level"`
	Detail string `json:"detail,omitempty"`
}

// chooseConsistency takes the best rung that may apply, or sees whether the one
// that was asked for does. pin allows for freezing under auto.
func chooseConsistency(want string, uses []device.Use, pin bool) (consistency, error) {
	var writers []string
	for _, u := range uses {
		if u.Write {
			writers = append(writers, u.String())
		}
	}
	all := strings.Join(writers, ", ")
	offline := consistency{Level: levelOffline, Detail: "nothing of it is mounted read-write: the image is exact"}
	live := consistency{Level: levelLive, Detail: "the device changes while it is read, the image may be torn: " + all}
	switch want {
	case "", "auto":
		switch {
		case len(writers) == 0:
			return offline, nil
		case pin:
			return consistency{Level: levelPinned}, nil
		}
		return live, nil
	case levelOffline:
		if len(writers) > 0 {
			return consistency{}, fmt.Errorf("--consistency offline is impossible: %s; unmount it, remount it read-only, or use --consistency pinned", all)
		}
		return offline, nil
	case levelLive:
		if len(writers) == 0 {
			live.Detail = "asked for; nothing of it is mounted read-write now"
		}
		return live, nil
	case levelFrozen, levelPinned:
		if len(writers) == 0 {
			return offline, nil
		}
		return consistency{Level: want}, nil
	}
	return consistency{}, fmt.Errorf("--consistency %s is not one of auto, %s", want, strings.Join(levels, ", "))
}

// still says that nothing can write to a volume: the device is offline, or what is
// mounted read-write are other partitions of it. What is stacked on them
// (device-mapper, md) may be on any of them.
func (s *source) still(volume string) bool {
	if s.consistency.Level == levelOffline {
		return true
	}
	across := !slices.ContainsFunc(s.disks, func(d *disk) bool { _, mine := d.own(volume); return mine })
	writers := 0
	for _, d := range s.disks {
		inner, mine := d.own(volume)
		for _, u := range d.uses {
			if !u.Write {
				continue
			}
			writers++
			if mine && (inner == "" || u.Partition == 0 || u.Partition == partitionOf(inner)) || across && u.Partition == 0 {
				return false
			}
		}
	}
	return writers > 0 // else live was asked for, and the owner knows why
}

// judge says what rung every filesystem stands on, and so the device.
func (s *source) judge(frozen []device.Use, left map[string]string, level string) {
	c := &s.consistency
	worst := 0
	for _, u := range s.uses {
		if !u.Write {
			continue
		}
		fl := filesystemLevel{Volume: s.volumeOf(u), Device: "/dev/" + u.Device, Point: u.Point, FSType: u.FSType, Level: levelLive, Detail: left[u.Point]}
		if slices.ContainsFunc(frozen, func(f device.Use) bool { return f.Dev == u.Dev }) {
			fl.Level = level
			for v := range s.volumes.All() {
				if s.isVolume(u, v.Name) && v.Whole != "" && level == levelPinned {
					fl.Level, fl.Detail = levelLive, v.Whole
				}
			}
		}
		if fl.Level == levelLive && fl.Detail == "" {
			fl.Detail = "it is out of scope, or not a mount by itself"
		}
		worst = max(worst, slices.Index(levels, fl.Level))
		c.Filesystems = append(c.Filesystems, fl)
	}
	c.Level = levels[worst]
	c.Detail = c.words()
}

func (c *consistency) words() string {
	var of, live []string
	for _, f := range c.Filesystems {
		if f.Level == levelLive {
			live = append(live, fmt.Sprintf("%s (%s)", or(f.Point, f.Device), f.Detail))
		} else {
			of = append(of, or(f.Point, f.Device))
		}
	}
	text := strings.Join(of, ", ")
	switch p := c.Pins; {
	case len(of) == 0:
		text = ""
	case p == nil:
		text += " stays frozen while this is mounted: the image is exact"
	case c.Tracked:
		text += fmt.Sprintf(" was frozen for %d ms at T0: structures are exactly T0's, files too but for those in .migimg/drift.json", p.Frozen)
	default:
		text += fmt.Sprintf(" was frozen for %d ms at T0: structures are exactly T0's, but writes are not tracked: %s", p.Frozen, c.Untracked)
	}
	if len(live) > 0 {
		if text != "" {
			text += "; "
		}
		text += "not frozen, and possibly torn: " + strings.Join(live, ", ")
	}
	return text
}

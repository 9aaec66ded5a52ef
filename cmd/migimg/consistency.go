package main

import (
	"fmt"
	"strings"

	"migimg/blockmap/device"
)

// The rungs of the ladder, best first.
const (
	levelOffline = "offline" // nothing on the device can change: the image is exact
	levelLive    = "live"    // the map and the data as they come: possibly torn
)

// consistency says what the image of a moving device is worth.
type consistency struct {
	Level  string `json:"level"`
	Detail string `json:"detail"`
}

// chooseConsistency takes the best rung that applies, or sees whether the one
// that was asked for does.
func chooseConsistency(want string, uses []device.Use) (consistency, error) {
	var writers []string
	for _, u := range uses {
		if u.Write {
			writers = append(writers, u.String())
		}
	}
	all := strings.Join(writers, ", ")
	offline := consistency{levelOffline, "nothing of it is mounted read-write: the image is exact"}
	live := consistency{levelLive, "the device changes while it is read, the image may be torn: " + all}
	switch want {
	case "", "auto":
		if len(writers) == 0 {
			return offline, nil
		}
		return live, nil
	case levelOffline:
		if len(writers) > 0 {
			return consistency{}, fmt.Errorf("--consistency offline is impossible: %s; unmount it, remount it read-only, or use --consistency live", all)
		}
		return offline, nil
	case levelLive:
		if len(writers) == 0 {
			live.Detail = "asked for; nothing of it is mounted read-write now"
		}
		return live, nil
	case "frozen", "pinned":
		return consistency{}, fmt.Errorf("--consistency %s is not in this version; use auto, offline or live", want)
	}
	return consistency{}, fmt.Errorf("--consistency %s is not one of auto, offline, live", want)
}

// still says that nothing can write to a volume: the device is offline, or what is
// mounted read-write are other partitions of it. What is stacked on them
// (device-mapper, md) may be on any of them.
func (s *source) still(volume string) bool {
	if s.consistency.Level == levelOffline {
		return true
	}
	writers := 0
	for _, u := range s.uses {
		if !u.Write {
			continue
		}
		writers++
		if volume == "" || u.Partition == 0 || u.Partition == partitionOf(volume) {
			return false
		}
	}
	return writers > 0 // else live was asked for, and the owner knows why
}

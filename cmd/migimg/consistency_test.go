package main

import (
	"testing"

	"migimg/blockmap/device"
)

// A volume is still where all that is written to is known to be another one.
func TestStill(t *testing.T) {
	rw := func(partition int, dev string) device.Use {
		return device.Use{Device: dev, Partition: partition, Kind: "mount", Write: true}
	}
	ro := device.Use{Device: "sda2", Partition: 2, Kind: "mount"}
	for _, c := range []struct {
		name, level, volume string
		uses                []device.Use
		want                bool
	}{
		{"offline", levelOffline, "1", nil, true},
		{"offline, the device itself", levelOffline, "", []device.Use{ro}, true},
		{"itself", levelLive, "1", []device.Use{rw(1, "sda1")}, false},
		{"inside it", levelLive, "1/vg-root", []device.Use{rw(1, "sda1")}, false},
		{"another one", levelLive, "2", []device.Use{rw(1, "sda1"), ro}, true},
		{"the device", levelLive, "", []device.Use{rw(1, "sda1")}, false},
		{"stacked on something", levelLive, "2", []device.Use{rw(0, "dm-0"), rw(1, "sda1")}, false},
		{"live by choice", levelLive, "2", nil, false},
		{"10 is not 1", levelLive, "10", []device.Use{rw(1, "sda1")}, true},
	} {
		s := &source{consistency: consistency{Level: c.level}, disks: []*disk{{uses: c.uses}}}
		if got := s.still(c.volume); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

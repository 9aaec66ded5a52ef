package main

import (
	"bytes"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/device"
)

// TestUnreadableIsLoggedOnce: a dying disk must not fill the log, and no range is
// missing from it.
func TestUnreadableIsLoggedOnce(t *testing.T) {
	var out bytes.Buffer
	l := loggerTo(t, &prefixed{w: &out}, logOptions{}, false)
	d := &disk{path: "/dev/sda", faults: &device.Faults{}, volumes: &blockmap.VolumeInfo{}}
	e := &events{log: l, src: &source{disks: []*disk{d}}, unreadable: map[*disk]spans{}, more: map[*disk]int64{}}
	var all spans
	for i := range int64(mostUnreadable + 10) {
		all.add(blockmap.Range{Off: i << 20, Len: 4096})
	}
	e.lookUnreadable(d, all[:2], 0)
	e.lookUnreadable(d, all[:2], 0)
	e.lookUnreadable(d, spans{{Off: 0, Len: 12288}, all[1]}, 0) // the first has grown
	e.lookUnreadable(d, all, 0)
	e.lookUnreadable(d, all, 512)
	e.lookUnreadable(d, all, 512)
	l.end()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2+1+mostUnreadable+1+1 {
		t.Fatalf("%d lines:\n%s", len(lines), out.String())
	}
	for i, want := range map[int]string{
		0: "device=/dev/sda offset=0 bytes=4096 ", 1: "offset=1048576 bytes=4096 ", 2: "offset=4096 bytes=8192 ",
		3: "offset=2097152 ", 3 + mostUnreadable: "further_ranges=8 bytes=32768", 4 + mostUnreadable: "bytes=512 ",
	} {
		if !strings.Contains(lines[i], want) || !strings.Contains(lines[i], "level=ERROR msg=unreadable") {
			t.Errorf("line %d: %s, want %s", i, lines[i], want)
		}
	}
}

package track

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// disk is what sysfs says of a block device.
type disk struct {
	name string
	// bios: it has no requests of its own, and is seen through bios.
	bios bool
	dir  string
}

// inspect refuses what cannot be tracked. sys is where sysfs is mounted.
func inspect(sys string, dev uint64, l *layout) (*disk, error) {
	number := fmt.Sprintf("%d:%d", unix.Major(dev), unix.Minor(dev))
	d := &disk{dir: filepath.Join(sys, "dev", "block", number), name: number}
	if _, err := os.Stat(d.dir); err != nil {
		return nil, unavailable(fmt.Errorf("sysfs does not know block device %s: %w", number, err))
	}
	if to, err := filepath.EvalSymlinks(d.dir); err == nil {
		d.name = filepath.Base(to)
	}
	if _, err := os.Stat(filepath.Join(d.dir, "partition")); err == nil {
		return nil, fmt.Errorf("%s is a partition: the write tracker needs the whole disk, whose writes include its partitions'", d.name)
	}
	// Programs could be preempted there, which the three copies do not allow for.
	if b, err := os.ReadFile(filepath.Join(sys, "kernel", "realtime")); err == nil && strings.TrimSpace(string(b)) == "1" {
		return nil, unavailable(errors.New("kernels with PREEMPT_RT are not supported"))
	}
	// Stores to mapped files of a DAX filesystem reach the medium without any
	// request.
	if d.attribute("queue/dax") == "1" {
		return nil, unavailable(fmt.Errorf("%s can be written to as memory (DAX), past the block layer", d.name))
	}
	if z := d.attribute("queue/zoned"); z != "" && z != "none" {
		return nil, unavailable(fmt.Errorf("%s is a zoned disk (%s): resets of zones and appends to them are not tracked", d.name, z))
	}
	// blk-mq's folder (block/blk-mq-sysfs.c); since 5.0 there are no requests
	// without it.
	if _, err := os.Stat(filepath.Join(d.dir, "mq")); errors.Is(err, os.ErrNotExist) {
		d.bios = true
	} else if err != nil {
		return nil, unavailable(fmt.Errorf("%s: asking sysfs for its queues: %w", d.name, err))
	}
	if d.bios && l.rwPage {
		for _, p := range []string{"ram", "zram", "pmem"} {
			if strings.HasPrefix(d.name, p) {
				return nil, unavailable(fmt.Errorf("%s: this kernel writes pages to it past the block layer's tracepoints (rw_page, before 6.3)", d.name))
			}
		}
	}
	return d, nil
}

// attribute is the content of a file in the device's folder, "" if there is none.
func (d *disk) attribute(name string) string {
	b, err := os.ReadFile(filepath.Join(d.dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// idle says whether no write is under way, as far as the driver counts them.
func (d *disk) idle() bool {
	f := strings.Fields(d.attribute("inflight")) // reads, writes
	return len(f) < 2 || f[1] == "0"
}

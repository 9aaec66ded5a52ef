package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"migimg/blockmap"
	"migimg/blockmap/ptable"
	"migimg/preflight/facts"
)

// scopeOptions are the user's choices of what the image carries.
type scopeOptions struct {
	ptable.Scope
	except []int // nil: not asked for
	boot   bool  // what the system needs to boot
}

func scopeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "partitions", Usage: "carry these partitions alone, by their numbers (1,2,5), or what the system needs to boot (boot)"},
		&cli.StringFlag{Name: "except", Usage: "carry all partitions but these"},
		&cli.BoolFlag{Name: "gaps", Usage: "carry also what lies outside of partitions in gaps over 16 MiB"},
		&cli.BoolFlag{Name: "shrink", Usage: "end the image's disk behind the last partition that is carried"},
		&cli.StringFlag{Name: "round", Usage: "round the size of the image's disk up to a multiple of 1M, 1G or another size"},
		&cli.StringFlag{Name: "sector-size", Usage: "512: write the partition table of a disk with sectors of 4096 bytes for a disk with sectors of 512", DefaultText: "the device's"},
	}
}

func scopeFrom(c *cli.Context) (o scopeOptions, err error) {
	o.Gaps, o.Shrink = c.Bool("gaps"), c.Bool("shrink")
	if c.IsSet("partitions") && c.IsSet("except") {
		return o, errors.New("--partitions and --except exclude each other")
	}
	switch list := c.String("partitions"); {
	case list == "boot":
		o.boot = true
	case c.IsSet("partitions"):
		if o.Keep, err = numbers(list); err != nil {
			return o, fmt.Errorf("--partitions %s: %w", list, err)
		}
	}
	if list := c.String("except"); c.IsSet("except") {
		if o.except, err = numbers(list); err != nil {
			return o, fmt.Errorf("--except %s: %w", list, err)
		}
	}
	if s := c.String("round"); s != "" {
		if o.Round, err = parseSize(s); err != nil {
			return o, fmt.Errorf("--round: %w", err)
		}
	}
	switch s := c.String("sector-size"); s {
	case "":
	case "512":
		o.SectorSize = 512
	default:
		return o, fmt.Errorf("--sector-size %s: only 512 is possible; few filesystems survive on larger sectors than they were made for", s)
	}
	return o, nil
}

func numbers(list string) ([]int, error) {
	out := []int{}
	for _, w := range strings.Split(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(w))
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is not the number of a partition", w)
		}
		out = append(out, n)
	}
	return out, nil
}

// asked says that more was asked for than all there is, as it is.
func (o scopeOptions) asked() bool {
	return o.chooses() || o.Shrink || o.SectorSize != 0
}

// chooses says that some partitions were chosen, or some not.
func (o scopeOptions) chooses() bool { return o.Keep != nil || o.except != nil || o.boot }

// scope makes the map that of the image's disk.
func (d *disk) scope(ctx context.Context, o scopeOptions) error {
	if d.node().Whole != "" {
		if o.asked() {
			return fmt.Errorf("only the whole disk can be exported: %s", d.node().Whole)
		}
		o.Gaps = true // nobody knows what lies there
	}
	var err error
	if o.Keep, err = d.chosen(ctx, o); err != nil {
		return err
	}
	d.scoped = o.Scope
	if d.edit, err = d.table.Scope(d.dev, o.Scope); err != nil {
		return err
	}
	for _, v := range d.node().Children {
		v.LeftOut = slices.ContainsFunc(d.edit.Dropped, func(r blockmap.Range) bool { return d.dropped(r, v) })
		if !v.LeftOut && o.SectorSize != 0 && o.SectorSize != d.table.SectorSize {
			if err := movable(v); err != nil {
				return err
			}
		}
	}
	if !d.edited(d.edit) {
		return nil
	}
	if d.blocks, err = d.edit.Map(d.mapped); err != nil {
		return fmt.Errorf("the image's disk of %s: %w", human(d.edit.Size), err)
	}
	return nil
}

// dropped says that a volume is the range that is left out, or, one in several
// partitions, that some of it is.
func (d *disk) dropped(r blockmap.Range, v *blockmap.VolumeInfo) bool {
	r.Off += d.at.Off
	if len(v.Parts) == 0 {
		return r == blockmap.Range{Off: v.Start, Len: v.Size}
	}
	for x := range v.Device() {
		if x.Off < r.End() && x.End() > r.Off {
			return true
		}
	}
	return false
}

// edited says that the image's disk is not simply the device.
func (d *disk) edited(e *ptable.Edit) bool {
	return len(e.Dropped)+len(e.Patches) > 0 || e.Size != d.dev.Size()
}

// readBack reads the partition table of an image's disk as anybody would. It must
// name what is carried, and nothing else.
func (d *disk) readBack(e *ptable.Edit, view io.ReaderAt) (*ptable.Table, error) {
	if !d.edited(e) {
		return d.table, nil
	}
	t, err := ptable.Read(blockmap.Bytes(view, e.Size, d.sectorSize()))
	if err != nil {
		return nil, fmt.Errorf("reading the image's partition table back: %w", err)
	}
	kept := func(t *ptable.Table) (out []blockmap.Range) {
		for _, p := range t.Partitions {
			if r := (blockmap.Range{Off: p.Start, Len: p.Size}); !p.Extended && !slices.Contains(e.Dropped, r) {
				out = append(out, r)
			}
		}
		return out
	}
	if want, got := kept(d.table), kept(t); t.Broken != d.table.Broken || !slices.Equal(want, got) {
		return nil, fmt.Errorf("the image's partition table is not as it should be (%v, not %v; %s): please report it, and export the whole disk", got, want, t.Broken)
	}
	return t, nil
}

// sectorSize is that of the image's disk in bytes, 0 where it is not known.
func (d *disk) sectorSize() int64 {
	if d.edit.SectorSize != 0 {
		return d.edit.SectorSize
	}
	return d.dev.SectorSize()
}

// chosen is the numbers of the partitions that are carried; nil is all.
func (d *disk) chosen(ctx context.Context, o scopeOptions) ([]int, error) {
	switch {
	case o.boot:
		return d.bootPartitions(ctx)
	case o.except == nil:
		return o.Keep, nil
	}
	keep := []int{}
	for _, p := range d.table.Partitions {
		if !p.Extended && !slices.Contains(o.except, p.Number) {
			keep = append(keep, p.Number)
		}
	}
	for _, n := range o.except {
		if !slices.ContainsFunc(d.table.Partitions, func(p ptable.Partition) bool { return p.Number == n }) {
			return nil, fmt.Errorf("--except %d: there is no such partition", n)
		}
	}
	return keep, nil
}

// partitionOf is the number of the partition that a volume is, or lies in.
func partitionOf(volume string) int {
	first, _, _ := strings.Cut(volume, "/")
	n, err := strconv.Atoi(first)
	if err != nil {
		return 0
	}
	return n
}

// Types of partitions in a GPT.
const (
	efiType      = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
	biosBootType = "21686148-6449-6e6f-744e-656564454649"
)

// bootTypes are partitions that a boot loader needs, by type: EFI system (GPT
// and MBR), BIOS boot, PowerPC PReP.
var bootTypes = []string{
	efiType, "0xef",
	biosBootType,
	"9e1a2d38-c612-4316-aa26-8b49521e5a8b", "0x41",
}

// partitionsOf are the numbers of the partitions that a volume lies in, as a rule one; 0
// stands for none.
func partitionsOf(f *facts.Facts, volume string) (out []int) {
	for _, v := range f.Disk.Layers(volume) {
		if v.Number > 0 {
			out = append(out, v.Number)
		}
	}
	if len(out) == 0 {
		out = []int{partitionOf(volume)}
	}
	return out
}

// bootPartitions are those that the system on the disk needs to boot: its root,
// what its fstab mounts at /boot, /usr, /var and the like, swap (of which only
// the header is carried), and what its boot loader needs.
func (d *disk) bootPartitions(ctx context.Context) ([]int, error) {
	f, err := facts.Gather(ctx, d.src.facts(), facts.Options{})
	if err != nil {
		return nil, err
	}
	if !f.Guest.Found {
		return nil, errors.New("--partitions boot: no operating system was found on the disk; give the numbers")
	}
	keep := partitionsOf(f, f.Guest.Root)
	for _, l := range f.Fstab.Lines {
		needed := l.Swap() || facts.Needed(l.Point)
		switch r := l.Resolved; {
		case !needed:
		case r.Place == facts.OnDisk:
			keep = append(keep, partitionsOf(f, f.Disk.Volumes[r.Volume].Name)...)
		case r.Place == facts.Unsure && !l.Swap():
			return nil, fmt.Errorf("--partitions boot: /etc/fstab line %d (%s): %s; give the numbers", l.Line, l.Point, r.Why)
		}
	}
	for _, p := range d.table.Partitions {
		if slices.Contains(bootTypes, p.Type) || p.Bootable {
			keep = append(keep, p.Number)
		}
	}
	slices.Sort(keep)
	keep = slices.Compact(keep)
	if keep[0] == 0 {
		return nil, errors.New("--partitions boot: the system is not in a partition of the disk")
	}
	return keep, nil
}

// anySector are the formats that work on smaller sectors than they were made on:
// they count in blocks of their own. FAT, NTFS and exFAT name the device's sector
// size in their boot sector, and firmware and Windows want it to be right.
var anySector = []string{"ext2", "ext3", "ext4", "xfs", "btrfs", "swap", "LVM2_member", "crypto_LUKS", "linux_raid_member", "f2fs", "squashfs", "erofs"}

// movable says why a volume cannot be used on a disk with other sectors.
func movable(v *blockmap.VolumeInfo) error {
	if slices.Contains(anySector, v.Type) {
		return nil
	}
	return fmt.Errorf("partition %s (%s) may not work on a disk with other sectors: leave it out (--except %s), or copy its files instead", v.Name, or(v.Type, "unknown contents"), v.Name)
}

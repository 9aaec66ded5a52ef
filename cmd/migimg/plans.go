package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"runtime"
	"strings"

	"github.com/urfave/cli/v2"

	"migimg/blockmap"
	"migimg/blockmap/ptable"
	"migimg/encoders"
	formats "migimg/encoders/all"
	"migimg/encoders/compress"
	"migimg/verify/manifest"
)

// image is one planned file.
type image struct {
	encoders.Output
	encoder string
	digest  string // of the plan
	// disks are those in it, in the order in which a machine has them; view is what the
	// image is made of: the one disk, or the space.
	disks []*imageDisk
	view  io.ReaderAt
}

// carried is how many bytes of the disks are.
func (im image) carried() (n int64) {
	for _, d := range im.disks {
		n += d.blocks.Bytes()
	}
	return n
}

// sources are the devices in it.
func (im image) sources() string {
	var paths []string
	for _, d := range im.disks {
		paths = append(paths, d.of.path)
	}
	return strings.Join(paths, ", ")
}

// imageDisk is the disk that images hold: the device, perhaps with an edited
// partition table.
type imageDisk struct {
	of     *disk
	edit   *ptable.Edit
	table  *ptable.Table
	blocks *blockmap.Map
	view   *manifest.Recorder // what readers of the images get
	path   string             // of the mount's document with its map, in the disk's folder
	digest string             // of the map
}

// absence is a format that cannot hold the disk.
type absence struct {
	Format string `json:"format"`
	Reason string `json:"reason"`
}

// compressOptions are the user's choices of how images are compressed.
type compressOptions struct {
	compress.Method     // the zero value: not at all
	threads         int // of the pass that measures
}

func compressFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "compress", Usage: "pack the images that can be packed with `METHOD`: zlib, zstd or zstd:1 to zstd:22; reads all that is carried once, before the images can be read"},
		&cli.IntFlag{Name: "threads", Usage: "how many threads pack", DefaultText: "one for each processor"},
	}
}

func compressFrom(c *cli.Context) (o compressOptions, err error) {
	if s := c.String("compress"); s != "" {
		if o.Method, err = compress.Parse(s); err != nil {
			return o, fmt.Errorf("--compress: %w", err)
		}
	}
	if o.threads = c.Int("threads"); o.threads == 0 {
		o.threads = runtime.GOMAXPROCS(0)
	}
	if o.threads < 0 || c.IsSet("threads") && o.Name == "" {
		return o, errors.New("--threads is how many threads pack with --compress, at least one")
	}
	return o, nil
}

// plan lays the images of the disk out.
func (d *disk) plan(ctx context.Context, o sourceOptions) error {
	if o.compress.Name != "" {
		if err := d.src.compressible(); err != nil {
			return fmt.Errorf("--compress %s: %w", o.compress, err)
		}
	}
	own := d.planner(&imageDisk{edit: d.edit, table: d.imageTable, blocks: d.blocks, path: mapPath}, d.served, o)
	d.planners = map[int64]planner{0: own}
	if o.formats == nil {
		o.formats = formats.Encoders()
		own.strict = true
	}
	for _, e := range o.formats {
		images, err := own.plan(ctx, e)
		switch {
		case err == nil:
			d.images = append(d.images, images...)
		case errors.Is(err, encoders.ErrLimit):
			d.absent = append(d.absent, absence{e.Name(), err.Error()})
		default:
			return err
		}
	}
	for i := range d.images {
		d.images[i].Path = d.inFolder(d.images[i].Path)
	}
	return nil
}

// images are all of them: the disks', and those in the targets' folders.
func (s *source) images() (all []image) {
	for _, d := range s.disks {
		all = append(all, d.images...)
	}
	all = append(all, s.machine...)
	for _, f := range s.folders {
		all = append(all, f.images...)
	}
	return all
}

// planner plans images of a disk, of which view gives the bytes.
func (d *disk) planner(x *imageDisk, view io.ReaderAt, o sourceOptions) planner {
	x.of = d
	x.view = manifest.NewRecorder(view, x.blocks.Size(), func(off, n int64) iter.Seq2[int64, int64] {
		return func(yield func(int64, int64) bool) {
			for r := range x.blocks.Ranges(off, n) {
				if !yield(r.Off, r.Len) {
					return
				}
			}
		}
	})
	sum := x.blocks.Digest()
	x.digest = hex.EncodeToString(sum[:])
	d.planned = append(d.planned, x)
	return planner{
		imageDisk: x,
		disk:      encoders.Disk{Map: x.blocks, SectorSize: d.sectorSize(), Identity: d.identity(x.edit, sum)},
		o:         o,
		measured:  map[string]*compress.Lengths{},
	}
}

// compressible says why the disks cannot be packed: what is read again must be what
// was measured, or known to differ.
func (s *source) compressible() error {
	switch s.consistency.Level {
	case levelLive:
		return errors.New("the disk moves, and nobody knows where: unmount its filesystems, or let them be frozen")
	case levelPinned:
		if s.moment.tracker == nil {
			return fmt.Errorf("the disk moves, and its writes are not tracked (%s): unmount its filesystems, or use --consistency frozen", or(s.consistency.Detail, "no reason was kept"))
		}
	}
	return nil
}

// planner plans images of one disk.
type planner struct {
	*imageDisk
	disk encoders.Disk
	o    sourceOptions
	// strict plans formats that cannot hold the method of compression without any:
	// packing all once more, for a file that nobody may want, costs its time.
	strict bool
	// measured are the lengths of packed units, by packing and unit.
	measured map[string]*compress.Lengths
}

func (p planner) options() encoders.Options {
	return encoders.Options{ClusterSize: p.o.clusterSize, QCOW2Version: p.o.version, Firmware: firmware(p.table)}
}

// plan lays out the images of one format.
func (p planner) plan(ctx context.Context, e encoders.Encoder) ([]image, error) {
	eo := p.options()
	outputs, lengths, err := p.outputs(ctx, e, eo)
	if err != nil {
		return nil, err
	}
	var images []image
	for _, out := range outputs {
		images = append(images, image{Output: out, encoder: e.Name(), digest: planDigest(p.disk, e.Name(), out, lengths), disks: []*imageDisk{p.imageDisk}, view: p.view})
	}
	return images, nil
}

// firmware is what a machine needs to start from a disk with the table, as far as that
// tells: UEFI where there is an EFI system partition in a GPT, and nothing for a BIOS.
func firmware(t *ptable.Table) string {
	efi := false
	for _, p := range t.Partitions {
		switch p.Type {
		case biosBootType:
			return encoders.BIOS
		case efiType:
			efi = true
		}
	}
	if efi {
		return encoders.UEFI
	}
	return encoders.BIOS
}

func (p planner) outputs(ctx context.Context, e encoders.Encoder, eo encoders.Options) ([]encoders.Output, *compress.Lengths, error) {
	c, ok := e.(encoders.Compressor)
	if !ok || p.o.compress.Name == "" {
		outputs, err := e.Plan(p.disk, eo)
		return outputs, nil, err
	}
	units, packing, err := c.Units(p.disk, eo, p.o.compress.Method)
	if err != nil {
		return nil, nil, err
	}
	if p.strict && packing.Method != p.o.compress.Name {
		outputs, err := e.Plan(p.disk, eo)
		return outputs, nil, err
	}
	key := fmt.Sprintf("%s %d %d", packing.Name, packing.Unit, units.Count)
	l := p.measured[key]
	if l == nil {
		keep, err := p.o.keep()
		if err != nil {
			return nil, nil, err
		}
		l, err = compress.Measure(ctx, p.view, units, packing, p.o.compress.threads, keep, func(done, total int64) {
			p.o.progress.say("migimg: measuring compressed lengths, %s of %s", human(done), human(total))
		})
		if err != nil {
			return nil, nil, err
		}
		p.measured[key] = l
	}
	outputs, err := c.PlanPacked(p.disk, eo, p.o.compress.Method, l)
	return outputs, l, err
}

// keep is a place for what is packed; nil where --spool did not ask for one. The file
// has no name, and is gone with the process.
func (o sourceOptions) keep() (compress.Store, error) {
	if o.moment.spool == "" {
		return nil, nil
	}
	f, err := os.CreateTemp(o.moment.spool, "migimg-packed-")
	if err != nil {
		return nil, fmt.Errorf("--spool: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// planDigest names a plan: equal digests are byte-identical files, as long as
// the carried blocks are.
func planDigest(d encoders.Disk, format string, out encoders.Output, l *compress.Lengths) string {
	h := sha256.New()
	fmt.Fprintf(h, "migimg plan 1\n%s %s %d\n", format, out.Path, out.VirtualSize)
	h.Write(d.Identity[:])
	for _, s := range out.Layout.Segments() {
		fmt.Fprintf(h, "%s %s %d %d\n", s.Name, s.Kind, s.Offset, s.Length)
	}
	if l != nil {
		l.WriteDigest(h)
	}
	_ = binary.Write(h, binary.LittleEndian, out.Layout.Size()) // a hash never fails
	return hex.EncodeToString(h.Sum(nil))
}

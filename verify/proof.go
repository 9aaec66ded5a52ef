package verify

import (
	"context"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"migimg/verify/decoder"
	"migimg/verify/manifest"
)

// Proof is a manifest that an image is held against instead of its source.
type Proof struct {
	Manifest *manifest.Manifest
	// File of the manifest that the image is a copy of, which then must have its length;
	// nil where that is not known, as of an image that was converted. Disk is the number
	// of the disk in it.
	File *manifest.File
	Disk int
	// Where names what lies at an offset of the disk; nil: the partition table's number is
	// named.
	Where func(off int64) string
	// Sample is the share of the disk that is looked at, up to 1; 0 is all of it.
	Sample float64
	// MaxDuration is after what time no more is looked at; 0: never.
	MaxDuration time.Duration
}

// partial says that not all is to be looked at.
func (p *Proof) partial() bool { return p.Sample > 0 && p.Sample < 1 || p.MaxDuration > 0 }

func (p *Proof) disk() *manifest.Disk { return &p.Manifest.Disks[p.Disk] }

// FileSize is the name of the aspect that the files of a manifest decide.
const FileSize = "file size"

// length holds the image's length against the plan's: a difference is a defect of a copy,
// and worth a word where an image of the same format may be one.
func (p *Proof) length(im Image, format string) (Aspect, bool) {
	f, differs := p.File, (*decoder.Problems).Failf
	for i := 0; f == nil && i < len(p.Manifest.Files); i++ {
		if x := &p.Manifest.Files[i]; formatOf(x.QemuFormat) == format && x.Disk == p.Disk {
			f, differs = x, (*decoder.Problems).Warnf
		}
	}
	if f == nil {
		return Aspect{}, false
	}
	ps := &decoder.Problems{}
	switch {
	case im.Size < f.Size:
		differs(ps, im.Size, "the file ends after %d bytes, and %s had %d: the last %d are missing, or it is another file", im.Size, f.Path, f.Size, f.Size-im.Size)
	case im.Size > f.Size:
		differs(ps, f.Size, "the file has %d bytes, and %s had %d: %d were added, or it is another file", im.Size, f.Path, f.Size, im.Size-f.Size)
	}
	return NewAspect(FileSize, fmt.Sprintf("%d bytes, %s of the manifest %d", im.Size, f.Path, f.Size), ps), true
}

// formatOf is this package's name of a format that others call otherwise.
func formatOf(name string) string {
	switch name {
	case "vpc":
		return VHD
	case "tar":
		return Tar
	case "tar.gz":
		return TarGzip
	}
	return name
}

// proving is the comparison of one image's disk with a manifest.
type proving struct {
	findings
	proof    *Proof
	disk     *manifest.Disk
	size     int64     // of the larger one of the two disks, in bytes
	deadline time.Time // zero: none

	// Bytes of the disk, guarded by mu: in clusters that are right, in holes that are,
	// without a sum, and different where the source was written.
	right, holes, noSum, late int64
	timedOut                  bool
	lastHole                  Range // that hole found
}

// prove checks the content against a manifest and fills the report's counts.
func (r *Report) prove(ctx context.Context, d decoder.Disk, o Options, where func(int64) string) (Aspect, error) {
	disk := o.Proof.disk()
	p := &proving{findings: findings{d: d, o: o, where: where}, proof: o.Proof, disk: disk, size: max(d.Size(), disk.Size)}
	if p.proof.MaxDuration > 0 {
		p.deadline = time.Now().Add(p.proof.MaxDuration)
	}
	ps := &decoder.Problems{}
	p.sizes(ps, r.Format, disk.Size)
	if err := p.run(ctx); err != nil {
		return Aspect{}, err
	}
	p.list(ps)
	if p.late > 0 {
		ps.Add(Problem{Severity: decoder.Unknown, Offset: -1, FileOffset: -1, What: fmt.Sprintf("%d bytes differ where the source was written before they were read, so that two copies may: %s", p.late, or(disk.MovedUnknown, p.proof.Manifest.Drift))})
	}
	if p.noSum > 0 {
		ps.Add(Problem{Severity: decoder.Unknown, Offset: -1, FileOffset: -1, What: fmt.Sprintf("%d bytes have no sum in the manifest: nobody had read them when it was made", p.noSum)})
	}
	r.Compared, r.Holes = p.right, p.holes
	r.Proven = &Proven{Bytes: p.right + p.holes, Of: p.size, T0: p.proof.Manifest.T0, Consistency: p.proof.Manifest.Consistency.Level}
	return NewAspect(Content, p.summary(r.Proven), ps), nil
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (p *proving) summary(done *Proven) string {
	s := fmt.Sprintf("%s of the disk is proven by the manifest of %s (%d bytes read, %d in holes)", done.Percent(), done.T0.UTC().Format(time.RFC3339), p.right, p.holes)
	switch {
	case p.stopped():
		s += ", stopped there"
	case p.timedOut:
		s += fmt.Sprintf(", stopped after %v", p.proof.MaxDuration)
	case p.proof.partial():
		s += ", a sample"
	}
	return s
}

// run hands the chunks to the workers.
func (p *proving) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	todo := make(chan int64, p.o.Parallel)
	g.Go(func() error {
		defer close(todo)
		for k := range p.chunks() {
			if p.enough() {
				return nil
			}
			select {
			case todo <- k:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range p.o.Parallel {
		g.Go(func() error {
			buf := make([]byte, manifest.ChunkSize)
			for k := range todo {
				if ctx.Err() == nil { // else it is drained, so that the other one ends
					p.chunk(k, buf)
				}
			}
			return ctx.Err()
		})
	}
	return g.Wait()
}

// enough says that no more need be looked at.
func (p *proving) enough() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.deadline.IsZero() && time.Now().After(p.deadline) {
		p.timedOut = true
	}
	return p.stopped() || p.timedOut
}

// chunks yields those to be looked at: all in order, or some of them, spread out, so that
// a look that ends early has seen a little of everything. The first and the last, where
// the partition tables are, are always among them.
func (p *proving) chunks() iter.Seq[int64] {
	n := (p.size + manifest.ChunkSize - 1) / manifest.ChunkSize
	if !p.proof.partial() {
		return func(yield func(int64) bool) {
			for k := range n {
				if !yield(k) {
					return
				}
			}
		}
	}
	want := n
	if s := p.proof.Sample; s > 0 {
		want = min(n, max(1, int64(float64(n)*s+0.5)))
	}
	picked := make([]int64, 0, want+2)
	for i := range want { // one at random in each of as many equal parts
		from, to := i*n/want, (i+1)*n/want
		picked = append(picked, from+rand.Int64N(to-from))
	}
	if p.proof.MaxDuration > 0 {
		rand.Shuffle(len(picked), func(i, j int) { picked[i], picked[j] = picked[j], picked[i] })
	}
	picked = slices.DeleteFunc(picked, func(k int64) bool { return k == 0 || k == n-1 })
	return slices.Values(append([]int64{0, max(n-1, 0)}[:min(n, 2)], picked...))
}

// chunk looks at chunk k.
func (p *proving) chunk(k int64, buf []byte) {
	off := k * manifest.ChunkSize
	n := min(manifest.ChunkSize, p.size-off)
	exp := manifest.Expected{Known: true} // zeros, behind the end of the manifest's disk
	if off < p.disk.Size {
		exp = p.disk.Expect(k)
	}
	empty := exp.Known && exp.Sum == manifest.Sum{}
	have := max(0, min(n, p.d.Size()-off)) // the image's disk may end before
	if empty && p.hole(off, have) {
		p.count(&p.holes, n, nil)
		return
	}
	clear(buf[have:n])
	if m, err := p.d.ReadAt(buf[:have], off); int64(m) < have {
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		at := off + int64(m)
		p.count(nil, n, []Problem{{Severity: decoder.SeverityOf(err), Offset: at, What: fmt.Sprintf("image: the disk cannot be read from byte %d on: %v", at, err)}})
		return
	}
	inside := max(0, min(n, p.disk.Size-off))
	switch same := manifest.SumOf(buf[:inside]) == exp.Sum && allZero(buf[inside:n]); {
	case !exp.Known:
		p.count(&p.noSum, n, nil)
	case same:
		p.count(&p.right, n, nil)
	case exp.Moved:
		p.count(&p.late, n, nil)
	default:
		p.count(nil, n, []Problem{{Severity: decoder.Fail, Offset: off, Length: n, What: fmt.Sprintf("these %d bytes are not what the source had", n)}})
	}
}

// hole says that no cluster of the image holds anything of the range. A decoder finds a
// hole's end by looking at each cluster, and a hole has many chunks: the last one that
// was found answers for those that follow.
func (p *proving) hole(off, n int64) bool {
	p.mu.Lock()
	known := p.lastHole
	p.mu.Unlock()
	for end := off + n; off < end; {
		if off >= known.Off && off < known.End() {
			off = known.End()
			continue
		}
		m, data := p.d.Allocated(off)
		if data {
			return false
		}
		known = Range{off, max(m, 1)}
		p.mu.Lock()
		p.lastHole = known
		p.mu.Unlock()
	}
	return true
}

// count adds the n bytes of a chunk to what they turned out to be.
func (p *proving) count(to *int64, n int64, found []Problem) {
	found = p.located(found)
	p.mu.Lock()
	defer p.mu.Unlock()
	if to != nil {
		*to += n
	}
	p.take(found, n)
}

package ptable

import (
	"context"
	"fmt"
	"strconv"

	"migimg/blockmap"
)

// Scanner hands a disk's partitions on to be scanned. It frees nothing itself:
// the table and all that lies outside of partitions is carried.
type Scanner struct{}

var (
	_ blockmap.Scanner   = Scanner{}
	_ blockmap.Container = Scanner{}
)

// Name is that of both kinds of tables; the report's Type tells them apart.
func (Scanner) Name() string { return "ptable" }

// Probe answers nil where a table is that names partitions, or that is damaged.
// A table without partitions is ErrNotMine: a boot sector's 55 AA is all that
// it is known by, and a filesystem may fill the disk behind it.
func (Scanner) Probe(v blockmap.Volume) error {
	t, err := Read(v)
	if err != nil {
		return err
	}
	if t.Kind == KindNone || (t.Kind == KindMBR && t.Broken == "" && len(t.Partitions) == 0) {
		return blockmap.ErrNotMine
	}
	return nil
}

// Scan names each partition by its number and reports the type "mbr" or "gpt"
// (a hybrid is a GPT).
func (Scanner) Scan(ctx context.Context, v blockmap.Volume, s blockmap.Sink) (blockmap.Report, error) {
	t, err := Read(v)
	if err != nil {
		return blockmap.Report{}, err
	}
	r := blockmap.Report{Type: string(t.Kind), UUID: t.ID, BlockSize: t.SectorSize, Whole: t.Broken, Warnings: t.Problems}
	if t.Kind == KindHybrid {
		r.Type = string(KindGPT)
	}
	if r.Whole != "" {
		return r, nil
	}
	for _, p := range t.Partitions {
		if p.Extended {
			continue
		}
		if what := divided[p.Type]; what != "" {
			r.Warnings = append(r.Warnings, fmt.Sprintf("partition %d is carried whole: its type (%s) says that it holds %s", p.Number, p.Type, what))
			continue
		}
		part, err := blockmap.Section(v, p.Start, p.Size)
		if err != nil {
			return r, fmt.Errorf("partition %d: %w", p.Number, err)
		}
		if err := s.Nested(strconv.Itoa(p.Number), part); err != nil {
			return r, err
		}
	}
	return r, ctx.Err()
}

// Holds says that the byte at off belongs to a partition. See
// [blockmap.Container].
func (Scanner) Holds(v blockmap.Volume, off int64) bool {
	t, err := Read(v)
	if err != nil || t.Broken != "" {
		return false
	}
	for _, p := range t.Partitions {
		if !p.Extended && p.Start <= off && off < p.end() {
			return true
		}
	}
	return false
}

package ptable

import (
	"encoding/binary"
	"fmt"
	"math"
)

// kindLink is the type of an entry that leads to the next extended boot record.
const kindLink = 0x05

// rewriteMBR takes the entries of what is left out away, from the boot record and
// from the chain of logical partitions, and writes the numbers in the image's
// sectors. Boot code and everything else in the sectors stays.
func (e *editor) rewriteMBR() error {
	b, err := e.sector(0)
	if err != nil {
		return err
	}
	for i := range 4 {
		raw := b[offEntries+i*entryLen:][:entryLen]
		p := e.partition(i + 1)
		if p == nil {
			continue // unused, or not used by Linux
		}
		size := p.Size
		if p.Extended {
			last, err := e.rewriteLogicals(*p)
			if err != nil {
				return err
			}
			if last == 0 {
				clear(raw)
				continue
			}
			if e.Shrink {
				size = last - p.Start
			}
		} else if !e.keeps(p.Number) {
			clear(raw)
			continue
		}
		if err := e.putEntry(raw, p.Start, size); err != nil {
			return fmt.Errorf("partition %d: %w", p.Number, err)
		}
	}
	e.edit.Patches = append(e.edit.Patches, Patch{0, b})
	return nil
}

// partition is the one with a number, or nil.
func (e *editor) partition(number int) *Partition {
	for i := range e.t.Partitions {
		if p := &e.t.Partitions[i]; p.Number == number {
			return p
		}
	}
	return nil
}

// putEntry writes an entry's start and length, in bytes, in the image's sectors.
func (e *editor) putEntry(raw []byte, start, size int64) error {
	if start%e.unit != 0 || size%e.unit != 0 {
		return fmt.Errorf("it does not begin and end at sectors of %d bytes", e.unit)
	}
	if start/e.unit > math.MaxUint32 || size/e.unit > math.MaxUint32 {
		return fmt.Errorf("an MBR has no room for it in sectors of %d bytes (the limit is 2 TiB with 512); a GPT has", e.unit)
	}
	binary.LittleEndian.PutUint32(raw[8:], uint32(start/e.unit))
	binary.LittleEndian.PutUint32(raw[12:], uint32(size/e.unit))
	return nil
}

// rewriteLogicals links the records of the logical partitions of ext that are
// carried, and returns where the last of them ends, or 0 where there is none.
// The first record has to lie at the start of ext: where it names a partition
// that is left out, it is given the first one that is not.
func (e *editor) rewriteLogicals(ext Partition) (int64, error) {
	type link struct {
		Partition
		from, at int64 // its record, and the one that it gets
	}
	var chain []link
	for _, r := range e.t.records {
		if r.extended != ext.Number {
			continue
		}
		if len(r.logicals) > 1 {
			return 0, fmt.Errorf("an extended boot record at byte %d names several partitions: such a chain is not rewritten; carry all partitions", r.at)
		}
		for _, n := range r.logicals {
			if p := e.partition(n); e.keeps(n) {
				chain = append(chain, link{*p, r.at, r.at})
			}
		}
	}
	if len(chain) == 0 {
		return 0, nil
	}
	chain[0].at = ext.Start
	number := 5
	for i, l := range chain {
		if l.Number != number+i {
			e.note("logical partition %d becomes %d, since they are counted; what names it by number, or by PARTUUID, has to be changed", l.Number, number+i)
		}
	}
	end := int64(0)
	for i, l := range chain {
		from, err := e.sector(l.from)
		if err != nil {
			return 0, err
		}
		b, err := e.sector(l.at)
		if err != nil {
			return 0, err
		}
		clear(b[offEntries : offEntries+4*entryLen])
		b[510], b[511] = 0x55, 0xaa
		raw := b[offEntries:][:entryLen]
		copy(raw, dataEntry(from))
		if err := e.putEntry(raw, l.Start-l.at, l.Size); err != nil {
			return 0, fmt.Errorf("partition %d: %w", l.Number, err)
		}
		if i+1 < len(chain) {
			next := chain[i+1]
			raw := b[offEntries+entryLen:][:entryLen]
			raw[4] = kindLink
			if err := e.putEntry(raw, next.at-ext.Start, next.end()-next.at); err != nil {
				return 0, fmt.Errorf("partition %d: %w", next.Number, err)
			}
		}
		e.edit.Patches = append(e.edit.Patches, Patch{l.at, b})
		end = max(end, l.end())
	}
	return end, nil
}

// dataEntry is the first entry of a record that is not a link.
func dataEntry(sector []byte) []byte {
	for i, x := range parseBoot(sector).entries {
		if x.sectors > 0 && !x.extended() {
			return sector[offEntries+i*entryLen:][:entryLen]
		}
	}
	return make([]byte, entryLen)
}

package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
)

// Expected is what a manifest says of a chunk.
type Expected struct {
	Sum Sum
	// Known is false where nobody has read the chunk.
	Known bool
	// Moved says that it was written on the source, so that another copy may differ.
	Moved bool
}

// Expect is what is known of chunk k of a disk of a manifest that was read.
func (d *Disk) Expect(k int64) Expected {
	if within(d.Unknown, k) {
		return Expected{Moved: within(d.Moved, k)}
	}
	s, _ := d.table.Get(k) // zeros, where it is not there
	return Expected{Sum: s, Known: true, Moved: d.MovedUnknown != "" || within(d.Moved, k)}
}

func within(list []Chunks, k int64) bool {
	i := sort.Search(len(list), func(i int) bool { return list[i].First+list[i].Count > k })
	return i < len(list) && list[i].First <= k
}

// mostChunks bounds a disk that a document may claim: 16 EiB of 1 MiB would be more.
const mostChunks = 1 << 43

// Read reads a manifest. It keeps 16 bytes for each chunk that is known, and no more of
// the document than one run of sums at a time.
func Read(r io.Reader) (*Manifest, error) {
	d := json.NewDecoder(r)
	m := &Manifest{}
	err := object(d, func(key string) error {
		if key == "disks" {
			return array(d, func() error {
				m.Disks = append(m.Disks, Disk{})
				return m.Disks[len(m.Disks)-1].read(d)
			})
		}
		return m.field(d, key)
	})
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return m, m.valid()
}

// field reads one value into the manifest, by the names of its own fields.
func (m *Manifest) field(d *json.Decoder, key string) error {
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		return err
	}
	return json.Unmarshal(fmt.Appendf(nil, "{%q:%s}", key, raw), m)
}

func (k *Disk) read(d *json.Decoder) error {
	return object(d, func(key string) error {
		if key == "sums" {
			return array(d, func() error {
				var run Run
				if err := d.Decode(&run); err != nil {
					return err
				}
				return k.take(run)
			})
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return err
		}
		return json.Unmarshal(fmt.Appendf(nil, "{%q:%s}", key, raw), k)
	})
}

// take keeps a run of sums.
func (k *Disk) take(run Run) error {
	n := int64(len(run.Sums) / SumSize)
	if len(run.Sums)%SumSize != 0 || run.First < 0 || n > mostChunks || run.First > mostChunks-n {
		return fmt.Errorf("a run of sums from chunk %d on has %d bytes: that is no number of sums", run.First, len(run.Sums))
	}
	for i := range n {
		k.table.Set(run.First+i, decodeSum(run.Sums[i*SumSize:]))
	}
	return nil
}

// valid says what is wrong with a manifest that was read.
func (m *Manifest) valid() error {
	switch {
	case m.Algorithm != Algorithm:
		return fmt.Errorf("manifest: its sums are %q, and this version knows %q", m.Algorithm, Algorithm)
	case len(m.Disks) == 0:
		return errors.New("manifest: it is of no disk")
	}
	for i := range m.Disks {
		d := &m.Disks[i]
		if d.Size < 0 || d.Chunks() > mostChunks {
			return fmt.Errorf("manifest: disk %d has %d bytes", i, d.Size)
		}
		for _, list := range [][]Chunks{d.Unknown, d.Moved} {
			end := int64(0)
			for _, c := range list {
				if c.First < end || c.Count <= 0 || c.First > mostChunks || c.Count > mostChunks {
					return fmt.Errorf("manifest: disk %d: %d chunks from %d on after one that ends at %d", i, c.Count, c.First, end)
				}
				end = c.First + c.Count
			}
		}
	}
	for _, f := range m.Files {
		if f.Disk < 0 || f.Disk >= len(m.Disks) {
			return fmt.Errorf("manifest: %s is of disk %d, and there are %d", f.Path, f.Disk, len(m.Disks))
		}
	}
	return nil
}

// object reads an object; value reads what follows each key.
func object(d *json.Decoder, value func(key string) error) error {
	if err := delim(d, '{'); err != nil {
		return err
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		key, ok := t.(string)
		if !ok {
			return fmt.Errorf("%v instead of a key", t)
		}
		if err := value(key); err != nil {
			return err
		}
	}
	return delim(d, '}')
}

// array reads an array; element reads each element.
func array(d *json.Decoder, element func() error) error {
	if err := delim(d, '['); err != nil {
		return err
	}
	for d.More() {
		if err := element(); err != nil {
			return err
		}
	}
	return delim(d, ']')
}

func delim(d *json.Decoder, want json.Delim) error {
	t, err := d.Token()
	if err == nil && t != want {
		err = fmt.Errorf("%v instead of %v", t, want)
	}
	return err
}

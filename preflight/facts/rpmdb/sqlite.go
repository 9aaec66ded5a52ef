package rpmdb

import (
	"errors"
	"fmt"
	"strings"
)

// SQLite: sqlite.org/fileformat2.html. Of a database only table b-trees are
// read: the schema's, whose root is page 1, and that of the table Packages
// (hnum INTEGER PRIMARY KEY, blob BLOB).
const (
	sqliteMagic    = "SQLite format 3\x00"
	sqliteInterior = 5
	sqliteLeaf     = 13
	sqliteDepth    = 20 // of a tree, in pages
)

func isSQLite(head []byte) bool {
	return len(head) >= 100 && string(head[:len(sqliteMagic)]) == sqliteMagic
}

type sqlite struct {
	r      *reader
	log    *wal
	page   int64 // size of a page, in bytes
	usable int64 // of it, for b-trees
	pages  int64
	seen   map[uint32]bool // pages of trees, each of which is walked once
}

func readSQLite(r *reader, log *File, add func(blob) error) error {
	d := &sqlite{r: r, seen: map[uint32]bool{}}
	var head [100]byte
	if err := r.full(head[:], 0); err != nil {
		return err
	}
	if d.page = int64(be.Uint16(head[16:])); d.page == 1 {
		d.page = 64 << 10
	}
	d.usable = d.page - int64(head[20])
	if d.page < 512 || d.page&(d.page-1) != 0 || d.usable < 480 {
		return fmt.Errorf("pages of %d bytes, %d of them for use", d.page, d.usable)
	}
	d.pages = r.size / d.page
	if log != nil && log.Size > 0 {
		var err error
		if d.log, err = readWAL(r.ctx, *log, d.page); err != nil {
			return err
		}
		d.pages = max(d.pages, d.log.pages)
	}
	root := uint32(0)
	err := d.walk(1, 0, func(b blob) error {
		data, err := b.read(min(b.size, 4096))
		if err != nil {
			return err
		}
		v, err := record(data)
		if err != nil || len(v) < 4 {
			return fmt.Errorf("schema: a row of %d columns (%v)", len(v), err)
		}
		if string(v[0].data) == "table" && strings.EqualFold(string(v[1].data), "Packages") {
			root = uint32(v[3].integer())
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case root == 0:
		return errors.New("there is no table Packages")
	}
	return d.walk(root, 0, func(b blob) error { return d.row(b, add) })
}

// row takes the second column of a row, which is the last.
func (d *sqlite) row(b blob, add func(blob) error) error {
	data, err := b.read(min(b.size, 64))
	if err != nil {
		return err
	}
	v, at, err := columns(data)
	if err != nil || len(v) != 2 || v[1] < 12 || v[1]%2 != 0 {
		return fmt.Errorf("a row of Packages that is none (%v)", err)
	}
	at += columnSize(v[0])
	size := (v[1] - 12) / 2
	if size != b.size-at {
		return fmt.Errorf("a row of Packages of %d bytes, with a header of %d", b.size, size)
	}
	return add(blob{size, func(n int64) ([]byte, error) {
		all, err := b.read(at + n)
		if err != nil {
			return nil, err
		}
		return all[at:], nil
	}})
}

// load reads a page: out of the log where that has a newer one.
func (d *sqlite) load(n uint32) ([]byte, error) {
	if n < 1 || int64(n) > d.pages {
		return nil, fmt.Errorf("page %d of %d", n, d.pages)
	}
	b := make([]byte, d.page)
	if d.log != nil {
		if off, ok := d.log.at[n]; ok {
			return b, d.log.r.full(b, off)
		}
	}
	return b, d.r.full(b, int64(n-1)*d.page)
}

// walk calls f with the payload of each row of a table.
func (d *sqlite) walk(n uint32, depth int, f func(blob) error) error {
	if depth > sqliteDepth || d.seen[n] {
		return fmt.Errorf("page %d: the tree has no end", n)
	}
	d.seen[n] = true
	b, err := d.load(n)
	if err != nil {
		return err
	}
	h := 0
	if n == 1 {
		h = 100
	}
	kind, cells := b[h], int(be.Uint16(b[h+3:]))
	list := h + 8
	if kind == sqliteInterior {
		list = h + 12
	}
	if kind != sqliteInterior && kind != sqliteLeaf || list+2*cells > len(b) {
		return fmt.Errorf("page %d: kind %d with %d cells", n, kind, cells)
	}
	for i := range cells {
		off := int64(be.Uint16(b[list+2*i:]))
		if off < int64(list) || off > d.usable-4 {
			return fmt.Errorf("page %d: a cell at %d", n, off)
		}
		cell := b[off:d.usable]
		if kind == sqliteInterior {
			err = d.walk(be.Uint32(cell), depth+1, f)
		} else {
			err = d.cell(cell, f)
		}
		if err != nil {
			return err
		}
	}
	if kind == sqliteInterior {
		return d.walk(be.Uint32(b[h+8:]), depth+1, f)
	}
	return nil
}

// cell takes a row of a leaf: length and number, as much of the payload as fits
// by the format's rule, and the number of the page with the rest.
func (d *sqlite) cell(b []byte, f func(blob) error) error {
	size, n := varint(b)
	_, m := varint(b[n:])
	if n == 0 || m == 0 || size < 0 || size > maxHeader {
		return fmt.Errorf("a row of %d bytes", size)
	}
	b = b[n+m:]
	local := size
	if size > d.usable-35 {
		least := (d.usable-12)*32/255 - 23
		if local = least + (size-least)%(d.usable-4); local > d.usable-35 {
			local = least
		}
	}
	next := uint32(0)
	switch end := int64(len(b)); {
	case local > end || local < size && local+4 > end:
		return fmt.Errorf("a row of %d bytes goes beyond its page", size)
	case local < size:
		next = be.Uint32(b[local:])
	}
	return f(blob{size, func(want int64) ([]byte, error) {
		data := append([]byte{}, b[:min(want, local)]...)
		for page := next; int64(len(data)) < want; {
			p, err := d.load(page)
			if err != nil {
				return nil, err
			}
			data = append(data, p[4:4+min(want-int64(len(data)), d.usable-4)]...)
			page = be.Uint32(p)
		}
		return data, nil
	}})
}

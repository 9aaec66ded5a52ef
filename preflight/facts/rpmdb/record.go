package rpmdb

import (
	"errors"
	"io"
)

// varint reads SQLite's variable-length integer; n is 0 where it is cut off.
func varint(b []byte) (v int64, n int) {
	u := uint64(0)
	for i, c := range b {
		if i == 8 {
			return int64(u<<8 | uint64(c)), 9
		}
		u = u<<7 | uint64(c&0x7f)
		if c < 0x80 {
			return int64(u), i + 1
		}
	}
	return 0, 0
}

// columns reads the types of a record's columns, and where its data begins.
func columns(b []byte) (types []int64, begin int64, err error) {
	begin, n := varint(b)
	if n == 0 || begin < int64(n) || begin > int64(len(b)) {
		return nil, 0, errors.New("a record with a broken beginning")
	}
	for at := int64(n); at < begin; at += int64(n) {
		var t int64
		if t, n = varint(b[at:begin]); n == 0 || t < 0 {
			return nil, 0, errors.New("a record with a broken column")
		}
		types = append(types, t)
	}
	return types, begin, nil
}

// columnSize is the length of a column of a type, in bytes.
func columnSize(t int64) int64 {
	switch {
	case t >= 12:
		return (t - 12) / 2
	case t <= 4:
		return t
	case t == 5:
		return 6
	case t <= 7:
		return 8
	}
	return 0
}

type column struct {
	kind int64
	data []byte
}

// integer is the column's number, 0 where it has none.
func (c column) integer() (v int64) {
	switch {
	case c.kind == 9:
		return 1
	case c.kind < 1 || c.kind > 6:
		return 0
	}
	v = int64(int8(c.data[0]))
	for _, b := range c.data[1:] {
		v = v<<8 | int64(b)
	}
	return v
}

// record reads the columns that lie whole in b, of which the record may be more.
func record(b []byte) (v []column, err error) {
	types, at, err := columns(b)
	if err != nil {
		return nil, err
	}
	for _, t := range types {
		n := columnSize(t)
		if n > int64(len(b))-at {
			return v, io.ErrUnexpectedEOF
		}
		v = append(v, column{t, b[at : at+n]})
		at += n
	}
	return v, nil
}

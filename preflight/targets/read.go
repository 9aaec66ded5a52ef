package targets

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"migimg/preflight/internal/regular"
)

const (
	maxFiles    = 256
	maxFileSize = 1 << 20 // bytes; the largest embedded one has 10 KiB
)

// Read returns the embedded targets as changed by the *.json files of a
// directory, in the order of their names; "" is none. A file whose id is known
// replaces the fields that it has (null takes one away; severity and error_codes
// are changed by key), any other is a target of its own. Indices of sources are
// those of the file itself; a file without sources is its own source. Errors
// name the file and the field.
func Read(dir string) (*Set, error) {
	s, err := Embedded()
	if err != nil || dir == "" {
		return s, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("targets: %w", err)
	}
	entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool {
		return !strings.HasSuffix(e.Name(), ".json") || strings.HasPrefix(e.Name(), ".")
	})
	switch n := len(entries); {
	case n == 0:
		return nil, fmt.Errorf("targets: %s has no file NAME.json", dir)
	case n > maxFiles:
		return nil, fmt.Errorf("targets: %s has %d files, more than %d", dir, n, maxFiles)
	}
	for _, e := range entries {
		file := filepath.Join(dir, e.Name())
		b, err := regular.Read(file, maxFileSize)
		if err == nil {
			err = s.apply(file, b)
		}
		if err != nil {
			return nil, fileError(file, err)
		}
	}
	s.sort()
	return s, nil
}

// fileError puts the file's name before each of several errors.
func fileError(file string, err error) error {
	all := []error{err}
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		all = j.Unwrap()
	}
	out := make([]error, len(all))
	for i, e := range all {
		out[i] = fmt.Errorf("target file %s: %w", file, e)
	}
	return errors.Join(out...)
}

// apply adds a file's target to the set, or changes one of it.
func (s *Set) apply(file string, b []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(b, &fields); err != nil {
		return fmt.Errorf("not a JSON object: %w", err)
	}
	t := &Target{}
	if err := decode(b, t); err != nil {
		return err
	}
	if t.ID == "" {
		return errors.New("id: is missing")
	}
	for name := range fields { // encoding/json takes them in any case
		if name != strings.ToLower(name) {
			return fmt.Errorf("%s: there is no such field", name)
		}
	}
	at := slices.IndexFunc(s.all, func(o *Target) bool { return o.ID == t.ID })
	own := t
	if at >= 0 {
		own = s.all[at]
	}
	if len(t.Sources) == 0 {
		t.Sources = []Source{{Ref: file, Title: "a file of the user's own", Date: first(t.AsOf, own.AsOf)}}
	}
	eachFact(t, func(_ string, f *Fact) { f.Sure = first(f.Sure, Confirmed) })
	if at >= 0 {
		var err error
		if t, err = changed(s.all[at], t, fields); err != nil {
			return err
		}
	}
	t.From = append(slices.Clone(own.From), file)
	if err := validate(t); err != nil {
		return err
	}
	for _, o := range s.all {
		if o.Family == t.ID || t.Family != "" && t.Family == o.ID {
			return fmt.Errorf("family: %q is a target and a name of several", first(t.Family, t.ID))
		}
	}
	if at >= 0 {
		s.all[at] = t
	} else {
		s.all = append(s.all, t)
	}
	return nil
}

// changed is base with the given fields of t.
func changed(base, t *Target, fields map[string]json.RawMessage) (*Target, error) {
	var outside error
	eachFact(t, func(place string, f *Fact) {
		if outside == nil && (f.Source < 0 || f.Source >= len(t.Sources)) {
			outside = fmt.Errorf("%s: source %d is none of the file's %d, which count from 0", place, f.Source, len(t.Sources))
		}
		f.Source += len(base.Sources)
	})
	if outside != nil {
		return nil, outside
	}
	t.ErrorSource += len(base.Sources)
	out := *base
	to, from := reflect.ValueOf(&out).Elem(), reflect.ValueOf(t).Elem()
	for i := range to.NumField() {
		name := jsonName(to.Type().Field(i))
		raw, given := fields[name]
		switch {
		case !given || name == "sources" || name == "-":
		case to.Field(i).Kind() == reflect.Map && !bytes.Equal(bytes.TrimSpace(raw), []byte("null")):
			m := reflect.MakeMap(to.Field(i).Type())
			for _, part := range []reflect.Value{to.Field(i), from.Field(i)} {
				for _, k := range part.MapKeys() {
					m.SetMapIndex(k, part.MapIndex(k))
				}
			}
			to.Field(i).Set(m)
		default:
			to.Field(i).Set(from.Field(i))
		}
	}
	out.Sources = append(slices.Clone(base.Sources), t.Sources...)
	return &out, nil
}

// decode reads one JSON object with no field that is not known.
func decode(b []byte, t *Target) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(t); err != nil {
		var typ *json.UnmarshalTypeError
		if errors.As(err, &typ) && typ.Field != "" {
			return fmt.Errorf("%s: a JSON %s does not go there", typ.Field, typ.Value)
		}
		if _, field, ok := strings.Cut(err.Error(), "unknown field "); ok {
			return fmt.Errorf("%s: there is no such field", strings.Trim(field, `"`))
		}
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("there is more behind the JSON object")
	}
	return nil
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

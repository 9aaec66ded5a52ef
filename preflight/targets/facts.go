package targets

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// eachFact calls do for the Fact of every figure that the target has, with the
// name of its place in the file ("max_virtual_bytes", "larger_disks[0]"), in a
// fixed order. What do changes is kept.
func eachFact(t *Target, do func(place string, f *Fact)) {
	v := reflect.ValueOf(t).Elem()
	for i := range v.NumField() {
		f, name := v.Field(i), jsonName(v.Type().Field(i))
		switch f.Kind() {
		case reflect.Slice:
			for k := range f.Len() {
				factOf(f.Index(k), fmt.Sprintf("%s[%d]", name, k), do)
			}
		case reflect.Map:
			keys := f.MapKeys()
			slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
			for _, k := range keys {
				e := reflect.New(f.Type().Elem()).Elem()
				e.Set(f.MapIndex(k))
				factOf(e, name+"."+k.String(), do)
				f.SetMapIndex(k, e)
			}
		default:
			factOf(f, name, do)
		}
	}
}

// factOf calls do for the Fact in v, if v is a figure that is there.
func factOf(v reflect.Value, place string, do func(string, *Fact)) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct || v.IsZero() {
		return
	}
	if f := v.FieldByName("Fact"); f.IsValid() && f.Type() == factType {
		do(place, f.Addr().Interface().(*Fact))
	}
}

// jsonName is a field's name in the file; "-" where it has none.
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

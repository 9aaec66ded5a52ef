package targets

import "reflect"

// Certain returns the target without its doubtful figures, and whether it had
// any. What a check finds wrong with the target as it is, and not with this one,
// hangs on a doubtful figure.
func (t *Target) Certain() (*Target, bool) {
	c, had := certain(reflect.ValueOf(*t))
	out := c.Interface().(Target)
	return &out, had
}

var factType = reflect.TypeFor[Fact]()

// doubtful says that a value carries a Fact which is in doubt.
func doubtful(v reflect.Value) bool {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return false
		}
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return false
	}
	f := v.FieldByName("Fact")
	return f.IsValid() && f.Type() == factType && f.Interface().(Fact).Sure == Doubtful
}

// certain copies a value without what is in doubt: a field becomes its zero
// value, an element of a list or map goes. Going by the types, no figure that is
// added to Target can be forgotten.
func certain(v reflect.Value) (reflect.Value, bool) {
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	had := false
	for i := range v.NumField() {
		f := v.Field(i)
		switch f.Kind() {
		case reflect.Slice:
			kept := reflect.MakeSlice(f.Type(), 0, f.Len())
			for k := range f.Len() {
				if doubtful(f.Index(k)) {
					had = true
				} else {
					kept = reflect.Append(kept, f.Index(k))
				}
			}
			if kept.Len() < f.Len() {
				out.Field(i).Set(kept)
			}
		case reflect.Map:
			kept := reflect.MakeMap(f.Type())
			for _, k := range f.MapKeys() {
				if doubtful(f.MapIndex(k)) {
					had = true
				} else {
					kept.SetMapIndex(k, f.MapIndex(k))
				}
			}
			if kept.Len() < f.Len() {
				out.Field(i).Set(kept)
			}
		default:
			if doubtful(f) {
				had = true
				out.Field(i).SetZero()
			}
		}
	}
	return out, had
}

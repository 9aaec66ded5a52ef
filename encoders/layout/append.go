package layout

import "fmt"

// Shifted is a layout whose device begins at byte at of another one. It panics on a layout
// with a Sum segment.
func (l *Layout) Shifted(at int64) *Layout {
	if at == 0 {
		return l
	}
	var b Builder
	for _, s := range l.segs {
		if s.Watch != nil {
			panic(fmt.Sprintf("layout: segment %q sums up a device that is moved", s.Name))
		}
		s.Dev += at
		if s.Rec != nil {
			r := *s.Rec
			device := r.Device
			r.Device = func(k int64) int64 { return at + device(k) }
			s.Rec = &r
		}
		b.Append(s)
	}
	return b.Layout()
}

// AppendLayout adds all segments of a layout, for a file that has another one in it
// as it is, and returns the offset of the first. It panics on a layout with a Sum
// segment, whose watcher knows nothing of the file around it.
func (b *Builder) AppendLayout(l *Layout) int64 {
	at := b.end
	for i := range l.segs {
		if l.segs[i].Watch != nil {
			panic(fmt.Sprintf("layout: segment %q sums up a file that is put into another", l.segs[i].Name))
		}
		b.Append(l.segs[i])
	}
	return at
}

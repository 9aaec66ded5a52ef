package layout

import "fmt"

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

package layout

// Varied is what a segment of records of differing lengths knows of them. All of
// it is asked often, and concurrently.
type Varied struct {
	// Start is where record k begins in the segment, in bytes; k may be Count.
	Start func(k int64) int64
	// Find is the record that a byte of the segment lies in: the inverse of Start.
	Find func(off int64) int64
	// Parts are the pieces of record k. Their number and kinds may differ, too; at
	// least one has bytes.
	Parts func(k int64) []Part
}

// start is where record k begins in the segment.
func (r *Records) start(k int64) int64 {
	if r.Varied != nil {
		return r.Varied.Start(k)
	}
	return k * r.Len()
}

// find is the record that a byte of the segment lies in.
func (r *Records) find(off int64) int64 {
	if r.Varied != nil {
		return r.Varied.Find(off)
	}
	return off / r.Len()
}

// parts are the pieces of record k.
func (r *Records) parts(k int64) []Part {
	if r.Varied != nil {
		return r.Varied.Parts(k)
	}
	return r.Parts
}

package facts

import "strings"

// Cells is how many cells a drawing of the disk has.
const Cells = 128

// picture draws how much of each equal part of a disk is carried: one hex digit
// a cell, "0" for nothing and "f" for all of it. What is carried a little is
// never "0", and what has a hole never "f". Empty where nobody knows.
func picture(s *Source) string {
	if s.CarriedIn == nil || s.Size < Cells {
		return ""
	}
	var b strings.Builder
	for i := range int64(Cells) {
		from, to := s.Size/Cells*i+s.Size%Cells*i/Cells, s.Size/Cells*(i+1)+s.Size%Cells*(i+1)/Cells
		n, whole := s.CarriedIn(from, to-from), to-from
		digit := int(float64(n) / float64(whole) * 15)
		switch {
		case n <= 0:
			digit = 0
		case n >= whole:
			digit = 15
		default:
			digit = min(14, max(1, digit))
		}
		b.WriteByte("0123456789abcdef"[digit])
	}
	return b.String()
}

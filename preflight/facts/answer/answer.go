// Package answer has the three answers to a question about a guest: yes, no,
// and that it depends on what is not known.
package answer

// Answer is one of them. Maybe is the zero value: what nobody looked at is not
// known.
type Answer uint8

// The answers.
const (
	Maybe Answer = iota
	No
	Yes
)

func (a Answer) String() string {
	switch a {
	case Yes:
		return "yes"
	case No:
		return "no"
	}
	return "maybe"
}

// Of is a known answer.
func Of(yes bool) Answer {
	if yes {
		return Yes
	}
	return No
}

// Both holds when both do.
func (a Answer) Both(b Answer) Answer {
	switch {
	case a == No || b == No:
		return No
	case a == Yes && b == Yes:
		return Yes
	}
	return Maybe
}

// Or holds when one of them does.
func (a Answer) Or(b Answer) Answer {
	switch {
	case a == Yes || b == Yes:
		return Yes
	case a == No && b == No:
		return No
	}
	return Maybe
}

// Not is the opposite.
func (a Answer) Not() Answer {
	switch a {
	case Yes:
		return No
	case No:
		return Yes
	}
	return Maybe
}

// Same is an answer that two possibilities give, Maybe where they differ.
func (a Answer) Same(b Answer) Answer {
	if a == b {
		return a
	}
	return Maybe
}

// If is the answer where it is sure, and Maybe where not.
func (a Answer) If(sure bool) Answer {
	if sure {
		return a
	}
	return Maybe
}

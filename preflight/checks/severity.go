package checks

// at gives a result the check's own severity in words, where it has none of its
// own: worst orders by severity, and takes an empty one for less than any.
func (r Result) at(s Severity) Result {
	if r.Severity == "" && r.Status != Pass && r.Status != Skip {
		r.Severity = s
	}
	return r
}

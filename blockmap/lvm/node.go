package lvm

import "fmt"

// kid is the value or section of that name in a section, or nil.
func (n *node) kid(name string) *node {
	for _, k := range n.kids {
		if k.name == name {
			return k
		}
	}
	return nil
}

// section is a section in n; nil where it is not there.
func (n *node) sectionNamed(name string) (*node, error) {
	k := n.kid(name)
	if k != nil && k.kind != isSection {
		return nil, fmt.Errorf("%q is not a section", name)
	}
	return k, nil
}

// number is an integer of n in [0, most].
func (n *node) number(name string, most int64) (int64, error) {
	k := n.kid(name)
	if k == nil || k.kind != isScalar || !k.values[0].isInt {
		return 0, fmt.Errorf("%q has no number %q", n.name, name)
	}
	if i := k.values[0].n; i >= 0 && i <= most {
		return i, nil
	}
	return 0, fmt.Errorf("%q of %q is %d", name, n.name, k.values[0].n)
}

// str is a string of n, empty where it is not there.
func (n *node) str(name string) (string, error) {
	k := n.kid(name)
	if k == nil {
		return "", nil
	}
	if k.kind != isScalar || k.values[0].isInt {
		return "", fmt.Errorf("%q of %q is not a string", name, n.name)
	}
	return k.values[0].text, nil
}

// list is a list of strings; a single string counts as a list of one, as in
// lvm2.
func (n *node) list(name string) ([]string, error) {
	k := n.kid(name)
	if k == nil {
		return nil, nil
	}
	if k.kind == isSection {
		return nil, fmt.Errorf("%q of %q is not a list", name, n.name)
	}
	var all []string
	for _, v := range k.values {
		if v.isInt {
			return nil, fmt.Errorf("%q of %q has a number in it", name, n.name)
		}
		all = append(all, v.text)
	}
	return all, nil
}

// fields reads several values of one section; the first error stays.
type fields struct {
	n   *node
	err error
}

func (f *fields) number(name string, most int64) int64 {
	i, err := f.n.number(name, most)
	f.keep(err)
	return i
}

func (f *fields) str(name string) string {
	s, err := f.n.str(name)
	f.keep(err)
	return s
}

func (f *fields) list(name string) []string {
	l, err := f.n.list(name)
	f.keep(err)
	return l
}

func (f *fields) section(name string) *node {
	s, err := f.n.sectionNamed(name)
	f.keep(err)
	return s
}

func (f *fields) keep(err error) {
	if f.err == nil {
		f.err = err
	}
}

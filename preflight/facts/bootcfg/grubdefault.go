package bootcfg

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// choose finds the entry that $default names (grub-core/normal/menu.c): a
// number, an ID or a title; behind ">" the same within the submenu. What names
// nothing means the first entry.
func (g *grub) choose(menu *grubMenu) (chosen *grubItem, why string) {
	spec := g.vars["default"]
	why = "default is not set: the first entry"
	switch {
	case spec == "":
	case spec == g.vars["saved_entry"]:
		why = "default=" + strconv.Quote(spec) + " is saved_entry of grubenv"
	case g.vars["boot_once"] == "true":
		why = "default=" + strconv.Quote(spec) + " is next_entry of grubenv: for the next boot only"
	default:
		why = "default=" + strconv.Quote(spec) + " in " + g.run.menuFile
	}
	if g.run.unsure != "" {
		return nil, "not known: " + g.run.unsure
	}
	if strings.Contains(spec, "${") {
		return nil, "not known: default=" + strconv.Quote(spec) + " is found out only at boot"
	}
	for range maxCalls {
		if menu.byPosition(spec) {
			return nil, why + ": not known: whether an entry before it is in the menu depends on the machine"
		}
		if len(menu.items) == 0 {
			return nil, why + ": the menu is empty"
		}
		it, rest, err := g.match(menu.items, spec)
		if err != nil {
			return nil, "not known: " + err.Error()
		}
		if it == nil {
			it = menu.items[0]
			if spec != "" {
				why += ", which names no entry: the first entry"
			}
		}
		if it.unsure != "" {
			return nil, "not known: " + it.unsure
		}
		if !it.submenu {
			return it, why
		}
		spec, menu = cmp.Or(it.def, rest), it.children
	}
	return nil, why + ": too many submenus"
}

// byPosition says whether spec is found by counting past an item that may not be
// there, or is that item.
func (m *grubMenu) byPosition(spec string) bool {
	if m.from >= len(m.items) {
		return false
	}
	head, _ := cutPath(spec)
	for i, it := range m.items {
		if head != "" && (it.entry.ID == head || it.entry.Title == head) {
			return i >= m.from
		}
	}
	n, _, isNumber := leadingNumber(head)
	return isNumber && n >= uint64(m.from) || m.from == 0
}

// match finds the item that the first part of spec names, nil for none. Two
// kinds of GRUB differ: the original takes digits in front for a number, whatever
// follows; that of Fedora and RHEL looks for an ID, then a title, and takes only
// a whole number for one. blscfg tells the second kind; without it an answer is
// given where both agree.
func (g *grub) match(menu []*grubItem, spec string) (it *grubItem, rest string, err error) {
	head, rest := cutPath(spec)
	if head == "" {
		return nil, rest, nil
	}
	var named *grubItem
	for _, it := range menu {
		if it.entry.ID == head {
			named = it
			break
		}
		if named == nil && it.entry.Title == head {
			named = it
		}
	}
	n, tail, isNumber := leadingNumber(head)
	var numbered *grubItem
	if isNumber && n < uint64(len(menu)) {
		numbered = menu[n]
	}
	first := named
	if isNumber {
		first = numbered
	}
	second := named
	if named == nil && isNumber && tail == "" {
		second = numbered
	}
	switch {
	case len(g.run.used) > 0 || cmp.Or(first, menu[0]) == cmp.Or(second, menu[0]):
		return second, rest, nil
	}
	return nil, "", fmt.Errorf("default=%q is the number of an entry for some releases of GRUB and a name for others", spec)
}

// leadingNumber reads a number as strtoul with base 0 does.
func leadingNumber(s string) (n uint64, tail string, ok bool) {
	s = strings.TrimLeft(s, " \t\n")
	base, set := 10, "0123456789"
	switch {
	case len(s) > 2 && (s[:2] == "0x" || s[:2] == "0X"):
		base, set, s = 16, "0123456789abcdefABCDEF", s[2:]
	case len(s) > 1 && s[0] == '0':
		base, set = 8, "01234567"
	}
	i := 0
	for i < len(s) && strings.IndexByte(set, s[i]) >= 0 {
		i++
	}
	n, err := strconv.ParseUint(s[:i], base, 31)
	return n, s[i:], err == nil
}

// cutPath splits at the first ">"; ">>" is a ">" of the title.
func cutPath(s string) (head, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '>' {
			if i+1 == len(s) || s[i+1] != '>' {
				return b.String(), s[i+1:]
			}
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}

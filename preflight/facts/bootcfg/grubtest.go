package bootcfg

import (
	"strconv"
	"strings"
)

// test is the command "[" or "test" (grub-core/commands/test.c). A file that
// could not be looked at makes the answer unknown.
func (g *grub) test(line int, cmd string, args []string) tri {
	if cmd == "[" {
		if len(args) == 0 || args[len(args)-1] != "]" {
			g.doubt(line, "[ without ]")
			return unknown
		}
		args = args[:len(args)-1]
	}
	if len(args) > 200 {
		g.doubt(line, "a test of %d words", len(args))
		return unknown
	}
	e := &expr{g: g, args: args}
	return e.or(0)
}

type expr struct {
	g    *grub
	args []string
}

func (e *expr) or(depth int) tri {
	v := e.and(depth)
	for len(e.args) > 0 && e.args[0] == "-o" {
		e.args = e.args[1:]
		v = v.or(e.and(depth))
	}
	return v
}

func (e *expr) and(depth int) tri {
	v := e.one(depth)
	for len(e.args) > 0 && e.args[0] != "-o" && e.args[0] != ")" {
		// "-a" may be left out.
		if e.args[0] == "-a" {
			e.args = e.args[1:]
		}
		v = v.and(e.one(depth))
	}
	return v
}

func (e *expr) one(depth int) tri {
	a := e.args
	switch {
	case len(a) == 0 || depth > maxNesting:
		e.args = nil
		return no
	case a[0] == "!":
		e.args = a[1:]
		return e.one(depth + 1).not()
	case a[0] == "(":
		e.args = a[1:]
		v := e.or(depth + 1)
		if len(e.args) > 0 && e.args[0] == ")" {
			e.args = e.args[1:]
		}
		return v
	}
	if len(a) >= 3 {
		if v, ok := compare(a[0], a[1], a[2]); ok {
			e.args = a[3:]
			return v
		}
	}
	if len(a) >= 2 {
		if v, ok := e.unary(a[0], a[1]); ok {
			e.args = a[2:]
			return v
		}
	}
	e.args = a[1:]
	return truth(a[0] != "")
}

func compare(x, op, y string) (v tri, ok bool) {
	if strings.Contains(x, "${") || strings.Contains(y, "${") {
		switch op {
		case "=", "==", "!=", "<", "<=", ">", ">=", "-eq", "-ge", "-gt", "-le", "-lt", "-ne":
			return unknown, true // known only at boot
		}
	}
	switch op {
	case "=", "==":
		return truth(x == y), true
	case "!=":
		return truth(x != y), true
	case "<":
		return truth(x < y), true
	case "<=":
		return truth(x <= y), true
	case ">":
		return truth(x > y), true
	case ">=":
		return truth(x >= y), true
	}
	// What is not a number counts as 0.
	m, _ := strconv.ParseInt(x, 0, 64)
	n, _ := strconv.ParseInt(y, 0, 64)
	switch op {
	case "-eq":
		return truth(m == n), true
	case "-ne":
		return truth(m != n), true
	case "-lt":
		return truth(m < n), true
	case "-le":
		return truth(m <= n), true
	case "-gt":
		return truth(m > n), true
	case "-ge":
		return truth(m >= n), true
	case "-nt", "-ot":
		return unknown, true
	}
	return no, false
}

func (e *expr) unary(op, arg string) (v tri, ok bool) {
	switch op {
	case "-n":
		return truth(arg != ""), true
	case "-z":
		return truth(arg == ""), true
	case "-e", "-f", "-s", "-d":
	default:
		return no, false
	}
	guest, found := e.g.locate(arg)
	if found != yes {
		return found, true
	}
	fi, found := e.g.t.stat(guest)
	if found != yes {
		return found, true
	}
	switch op {
	case "-d":
		return truth(fi.IsDir()), true
	case "-f":
		return truth(!fi.IsDir()), true
	case "-s":
		return truth(fi.Size() > 0), true
	}
	return yes, true
}

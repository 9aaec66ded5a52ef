package netcfg

import (
	"errors"
	"slices"

	"github.com/goccy/go-yaml/ast"
)

// errAlias says that a file uses what netplan and cloud-init refuse, or what
// would have to be expanded.
var errAlias = errors.New("uses YAML aliases")

// field is a key of a mapping with its value.
type field struct {
	key   string
	value ast.Node
	line  int
}

// fields are a mapping's entries in the file's order; nil for anything else.
func fields(n ast.Node) (out []field) {
	var values []*ast.MappingValueNode
	switch m := plain(n).(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	}
	for _, v := range values {
		if v == nil || v.Key == nil {
			continue
		}
		line := 0
		if t := v.Key.GetToken(); t != nil && t.Position != nil {
			line = t.Position.Line
		}
		out = append(out, field{scalar(v.Key), v.Value, line})
	}
	return out
}

// plain takes anchors and tags off a node.
func plain(n ast.Node) ast.Node {
	for range 4 { // a tag and an anchor, in any order
		switch x := n.(type) {
		case *ast.AnchorNode:
			n = x.Value
		case *ast.TagNode:
			n = x.Value
		default:
			return n
		}
	}
	return n
}

// get is the value of a mapping's key, nil if there is none. The last of equal
// keys counts.
func get(n ast.Node, key string) (v ast.Node) {
	for _, f := range fields(n) {
		if f.key == key {
			v = f.value
		}
	}
	return v
}

// scalar is a scalar's text, "" for anything else.
func scalar(n ast.Node) string {
	switch v := plain(n).(type) {
	case *ast.StringNode:
		return v.Value
	case *ast.LiteralNode:
		if v.Value != nil {
			return v.Value.Value
		}
	case *ast.NullNode, *ast.AliasNode, nil:
		return ""
	case *ast.MappingKeyNode:
		return scalar(v.Value)
	case ast.ScalarNode:
		// The text and not the value: 00:11:22:33:44:55 and 0100 stay as written.
		if t := v.GetToken(); t != nil {
			return t.Value
		}
	}
	return ""
}

// items are a sequence's values; a scalar counts as a list of one.
func items(n ast.Node) []ast.Node {
	switch s := plain(n).(type) {
	case *ast.SequenceNode:
		return s.Values
	case nil, *ast.NullNode, *ast.MappingNode, *ast.MappingValueNode:
		return nil
	}
	return []ast.Node{n}
}

func scalars(n ast.Node) (out []string) {
	for _, v := range items(n) {
		if s := scalar(v); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// aliased says whether an alias is in the tree.
func aliased(n ast.Node) bool {
	found := false
	ast.Walk(visitor(func(n ast.Node) bool {
		_, is := n.(*ast.AliasNode)
		found = found || is
		return !found
	}), n)
	return found
}

type visitor func(ast.Node) bool

func (v visitor) Visit(n ast.Node) ast.Visitor {
	if !v(n) {
		return nil
	}
	return v
}

// addNew appends what is not in the list.
func addNew(list []string, more ...string) []string {
	for _, m := range more {
		if !slices.Contains(list, m) {
			list = append(list, m)
		}
	}
	return list
}

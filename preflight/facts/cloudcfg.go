package facts

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// CloudConfig is what one cloud-config file says of the things preflight asks.
type CloudConfig struct {
	// Datasources is datasource_list; nil where the file has none.
	Datasources []string
	// Network is "disabled" for "network: {config: disabled}", "set" for any
	// other network configuration, "" for none.
	Network string

	top map[string]ast.Node
}

// maxYAML bounds a YAML file, in bytes, and maxNesting how deep its brackets
// and indentation nest: the parser is recursive.
const (
	maxYAML    = 256 << 10
	maxNesting = 64
)

var errYAMLTooDeep = fmt.Errorf("nests deeper than %d", maxNesting)

// ParseYAML parses a guest's YAML file into its syntax tree, within bounds.
// Aliases and anchors are left as they are: what is not expanded cannot explode.
func ParseYAML(b []byte) (node ast.Node, err error) {
	if len(b) > maxYAML {
		return nil, fmt.Errorf("a YAML file of %d bytes; the limit is %d", len(b), maxYAML)
	}
	if err := yamlNesting(string(b)); err != nil {
		return nil, err
	}
	defer func() {
		if p := recover(); p != nil {
			node, err = nil, fmt.Errorf("the YAML parser gave up: %v", p)
		}
	}()
	f, err := parser.ParseBytes(b, 0)
	if err != nil {
		// The parser's message quotes the file, which may hold secrets.
		return nil, errors.New("not valid YAML")
	}
	for _, d := range f.Docs {
		if d != nil && d.Body != nil {
			if node != nil {
				return nil, errors.New("more than one YAML document")
			}
			node = d.Body
		}
	}
	return node, nil
}

// yamlNesting refuses text whose nesting a recursive parser would follow too
// deep, without parsing it: open brackets, and block markers on one line.
func yamlNesting(s string) error {
	depth := 0
	indents := 0
	for line := range strings.Lines(s) {
		t := strings.TrimLeft(line, " ")
		if len(line)-len(t) > 4*maxNesting {
			return errYAMLTooDeep
		}
		indents = 0
		for strings.HasPrefix(t, "- ") || strings.HasPrefix(t, "? ") {
			if indents++; indents > maxNesting {
				return errYAMLTooDeep
			}
			t = strings.TrimLeft(t[2:], " ")
		}
		for i := 0; i < len(line); i++ {
			switch line[i] {
			case '[', '{':
				if depth++; depth > maxNesting {
					return errYAMLTooDeep
				}
			case ']', '}':
				depth = max(0, depth-1)
			}
		}
	}
	return nil
}

// ParseCloudConfig reads a file of /etc/cloud.
func ParseCloudConfig(b []byte) (c CloudConfig, err error) {
	node, err := ParseYAML(b)
	if err != nil {
		return c, err
	}
	if node == nil {
		return c, nil
	}
	if _, ok := node.(*ast.NullNode); ok {
		return c, nil
	}
	top, ok := yamlMap(node)
	if !ok {
		return c, errors.New("not a YAML mapping")
	}
	c.top = top
	if v, ok := top["datasource_list"]; ok {
		c.Datasources = yamlStrings(v)
		if c.Datasources == nil {
			return c, errors.New("datasource_list is not a list of names")
		}
	}
	if v, ok := top["network"]; ok {
		c.Network = "set"
		if m, ok := yamlMap(v); ok && yamlString(m["config"]) == "disabled" {
			c.Network = "disabled"
		}
	}
	return c, nil
}

// yamlMap returns a mapping's values by key; the last of equal keys counts.
func yamlMap(n ast.Node) (map[string]ast.Node, bool) {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		return nil, false
	}
	out := make(map[string]ast.Node, len(m.Values))
	for _, v := range m.Values {
		if v != nil && v.Key != nil {
			out[yamlString(v.Key)] = v.Value
		}
	}
	return out, true
}

// yamlString is a scalar's text, "" for anything else.
func yamlString(n ast.Node) string {
	switch v := n.(type) {
	case nil:
		return ""
	case *ast.StringNode:
		return v.Value
	case *ast.LiteralNode:
		if v.Value != nil {
			return v.Value.Value
		}
	case *ast.NullNode:
		return ""
	case ast.ScalarNode:
		return v.String()
	}
	return ""
}

// yamlStrings is a list of scalars; nil for anything else. An empty list is not
// nil.
func yamlStrings(n ast.Node) []string {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		return nil
	}
	out := []string{}
	for _, v := range s.Values {
		t := yamlString(v)
		if t == "" {
			return nil
		}
		out = append(out, t)
	}
	return out
}

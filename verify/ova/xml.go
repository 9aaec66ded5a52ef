package ova

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxDepth bounds how deep elements lie in one another.
const maxDepth = 32

// Namespaces: DSP0243's envelope, and the CIM classes and VMware's additions in it.
const (
	nsOVF  = "http://schemas.dmtf.org/ovf/envelope/1"
	nsRASD = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
	nsVSSD = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
	nsVMW  = "http://www.vmware.com/schema/ovf"
)

// element of an XML document.
type element struct {
	name     xml.Name
	attrs    []xml.Attr
	children []*element
	text     string
}

// parse reads a document of one element.
func parse(b []byte) (*element, error) {
	d := xml.NewDecoder(bytes.NewReader(b))
	var root *element
	var open []*element
	for {
		t, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			e := &element{name: t.Name, attrs: t.Attr}
			switch n := len(open); {
			case n == maxDepth:
				return nil, fmt.Errorf("elements more than %d deep", maxDepth)
			case n > 0:
				open[n-1].children = append(open[n-1].children, e)
			case root != nil:
				return nil, errors.New("more than one element at the top")
			default:
				root = e
			}
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if n := len(open); n > 0 {
				open[n-1].text += string(t)
			} else if strings.TrimSpace(string(t)) != "" {
				return nil, errors.New("text outside of all elements")
			}
		case xml.Directive:
			return nil, errors.New("a document type, which no importer needs")
		}
	}
	if root == nil {
		return nil, errors.New("no element")
	}
	return root, nil
}

// is says whether the element has a name.
func (e *element) is(space, local string) bool { return e.name.Space == space && e.name.Local == local }

// all are the children with a name of the envelope's namespace.
func (e *element) all(local string) (out []*element) {
	for _, c := range e.children {
		if c.is(nsOVF, local) {
			out = append(out, c)
		}
	}
	return out
}

// attr is an attribute; empty where there is none. The envelope's own are written with
// and without their prefix.
func (e *element) attr(space, local string) string {
	for _, a := range e.attrs {
		if a.Name.Local == local && (a.Name.Space == space || a.Name.Space == "") {
			return a.Value
		}
	}
	return ""
}

// child is the text of a child; empty where there is none.
func (e *element) child(space, local string) string {
	for _, c := range e.children {
		if c.is(space, local) {
			return strings.TrimSpace(c.text)
		}
	}
	return ""
}

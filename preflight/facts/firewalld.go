package facts

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io/fs"
	"path"
	"strings"

	"migimg/preflight/guestfs"
)

// maxZone bounds a zone's file, in bytes.
const maxZone = 256 << 10

// zoneXML is a zone of firewalld (firewalld.zone(5)).
type zoneXML struct {
	Target     string `xml:"target,attr"`
	Interfaces []struct {
		Name string `xml:"name,attr"`
	} `xml:"interface"`
	Sources []struct {
		Address string `xml:"address,attr"`
	} `xml:"source"`
	Services []struct {
		Name string `xml:"name,attr"`
	} `xml:"service"`
	Ports []struct {
		Port     string `xml:"port,attr"`
		Protocol string `xml:"protocol,attr"`
	} `xml:"port"`
	Rules []struct {
		Source *struct {
			Address string `xml:"address,attr"`
		} `xml:"source"`
		Service *struct {
			Name string `xml:"name,attr"`
		} `xml:"service"`
		Port *struct {
			Port string `xml:"port,attr"`
		} `xml:"port"`
		Accept *struct{} `xml:"accept"`
	} `xml:"rule"`
}

// firewalld reads the default zone, to which a card belongs that no zone names.
func (g *gatherer) firewalld() Filter {
	f := Filter{Name: "firewalld", File: "/etc/firewalld/firewalld.conf"}
	zone := "public"
	if b, err := guestfs.ReadFile(g.fs, "etc/firewalld/firewalld.conf", guestfs.MaxConfig); err == nil {
		for _, kv := range ParseINI(string(b)) {
			if kv.Key == "DefaultZone" && kv.Value != "" {
				zone = kv.Value
			}
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		f.Unsure = err.Error()
		return f
	}
	if zone != path.Base(zone) || strings.HasPrefix(zone, ".") {
		f.Unsure = "the default zone's name is no name"
		return f
	}
	z, file, err := g.zone(zone)
	if err != nil {
		f.Unsure = "zone " + zone + ": " + err.Error()
		return f
	}
	f.File = file
	f.Drops = !strings.EqualFold(z.Target, "ACCEPT")
	if z.Target == "" && zone == "trusted" {
		f.Drops = false
	}
	f.zoneAllows(z, "")
	// A service of the owner's own may have any port.
	for _, s := range z.Services {
		if ok, err := guestfs.Exists(g.fs, "etc/firewalld/services/"+path.Base(s.Name)+".xml"); err != nil || ok {
			f.Unsure = firstOf(f.Unsure, "the service "+s.Name+" is defined on this machine")
		}
	}
	// Zones that go by the sender let in what this one does not.
	entries, err := g.fs.ReadDir("etc/firewalld/zones")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.Unsure = firstOf(f.Unsure, err.Error())
	}
	for i, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".xml")
		if !ok || name == zone || i == maxNetFiles {
			continue
		}
		other, at, err := g.zone(name)
		if err != nil {
			f.Unsure = firstOf(f.Unsure, "zone "+name+": "+err.Error())
			continue
		}
		part := Filter{File: at}
		for _, s := range other.Sources {
			part.zoneAllows(other, s.Address)
		}
		for _, n := range other.Interfaces {
			before := len(part.Allows)
			part.zoneAllows(other, "")
			for k := before; k < len(part.Allows); k++ {
				part.Allows[k].Interface = n.Name
			}
		}
		f.Allows = append(f.Allows, part.Allows...)
	}
	for _, direct := range []string{"etc/firewalld/direct.xml", "etc/firewalld/policies"} {
		if ok, _ := guestfs.Exists(g.fs, direct); ok {
			if list, err := g.fs.ReadDir(direct); err == nil && len(list) == 0 {
				continue
			}
			f.Unsure = firstOf(f.Unsure, "/"+direct+" is not read")
		}
	}
	return f
}

// zoneAllows adds what a zone lets in; source limits it.
func (f *Filter) zoneAllows(z zoneXML, source string) {
	add := func(src string, ports ...string) {
		if len(f.Allows) < maxNetFiles {
			f.Allows = append(f.Allows, Allow{File: f.File, Ports: ports, Source: firstOf(src, source)})
		}
	}
	if strings.EqualFold(z.Target, "ACCEPT") {
		add("", "any")
	}
	for _, s := range z.Services {
		add("", s.Name)
	}
	for _, p := range z.Ports {
		if p.Protocol != "udp" {
			add("", p.Port)
		}
	}
	for _, r := range z.Rules {
		if r.Accept == nil {
			continue
		}
		src := ""
		if r.Source != nil {
			src = firstOf(r.Source.Address, "a set")
		}
		switch {
		case r.Service != nil:
			add(src, r.Service.Name)
		case r.Port != nil:
			add(src, r.Port.Port)
		case src != "":
			add(src, "any")
		}
	}
}

// zone reads a zone; one of /etc hides the distribution's.
func (g *gatherer) zone(name string) (z zoneXML, file string, err error) {
	for _, d := range []string{"etc/firewalld/zones", "usr/lib/firewalld/zones"} {
		file = d + "/" + name + ".xml"
		b, err := guestfs.ReadFile(g.fs, file, maxZone)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return z, "", err
		}
		// Go's decoder expands no entities of a document's own.
		if err := xml.NewDecoder(bytes.NewReader(b)).Decode(&z); err != nil {
			return z, "", errors.New("not valid XML")
		}
		return z, "/" + file, nil
	}
	return z, "", errors.New("there is no file for it")
}

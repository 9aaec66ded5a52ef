package facts

import (
	"path"
	"slices"
	"strings"

	"migimg/preflight/facts/bootcfg"
	"migimg/preflight/facts/storage"
)

// RAID is the configuration of md arrays and of multipath.
type RAID struct {
	// MDFile is the guest path of mdadm.conf, empty where there is none.
	MDFile string
	MD     storage.MDConf
	// MultipathFiles are its files; WWIDs how many disks /etc/multipath/wwids
	// knows; MultipathOn whether multipathd is started.
	MultipathFiles []string
	Multipath      storage.Multipath
	WWIDs          int
	MultipathOn    Service
	// EarlyMultipath says that the initramfs has multipath in it.
	EarlyMultipath Answer
	// Arguments are those of the default boot entry that choose arrays:
	// rd.md, rd.md.uuid, rd.multipath, multipath, nompath, domdadm.
	Arguments []string
	Problems  []string
}

func (g *gatherer) raid() {
	if err := g.unreadableAt("etc", "etc/mdadm", "etc/multipath"); err != nil {
		g.f.SetAbsent(KeyRAID, Absence{Reason: err.Error()})
		return
	}
	r := &g.f.RAID
	for _, n := range []string{"etc/mdadm/mdadm.conf", "etc/mdadm.conf"} {
		text, missing, err := g.config(n)
		if err != nil {
			r.Problems = append(r.Problems, err.Error())
		} else if !missing && r.MDFile == "" {
			r.MDFile, r.MD = "/"+n, storage.ParseMDConf(text)
		}
	}
	files := []string{"etc/multipath.conf"}
	if entries, err := g.fs.ReadDir("etc/multipath/conf.d"); err == nil {
		for i, e := range entries {
			if i < maxNetFiles && strings.HasSuffix(e.Name(), ".conf") {
				files = append(files, path.Join("etc/multipath/conf.d", e.Name()))
			}
		}
	}
	for _, n := range files {
		text, missing, err := g.config(n)
		if err != nil {
			r.Problems = append(r.Problems, err.Error())
		} else if !missing {
			r.MultipathFiles = append(r.MultipathFiles, "/"+n)
			r.Multipath.Parse("/"+n, text)
		}
	}
	if text, _, err := g.config("etc/multipath/wwids"); err == nil {
		r.WWIDs = len(storage.ParseWWIDs(text))
	}
	r.MultipathOn = g.f.Services.Enabled("multipathd", "multipath-tools", "multipathd.socket")
	r.EarlyMultipath = AnswerUnknown
	if g.early != nil {
		for _, n := range []string{"sbin/multipath", "usr/sbin/multipath", "sbin/multipathd", "usr/sbin/multipathd"} {
			if _, ok := g.early.Find(n); ok {
				r.EarlyMultipath = AnswerYes
			}
		}
		if r.EarlyMultipath != AnswerYes && g.early.Opaque == "" {
			r.EarlyMultipath = AnswerNo
		}
	}
	if e, ok := g.f.Boot.DefaultEntry(); ok {
		for _, a := range bootcfg.Args(e.Cmdline) {
			if slices.Contains([]string{"rd.md", "rd.md.uuid", "rd_MD_UUID", "rd_NO_MD", "rd.multipath", "multipath", "nompath", "domdadm", "rd.auto", "md"}, a.Key) {
				arg := a.Key
				if a.HasValue {
					arg += "=" + a.Value
				}
				r.Arguments = append(r.Arguments, arg)
			}
		}
	}
}

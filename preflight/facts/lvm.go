package facts

import (
	"maps"
	"slices"
	"strings"

	"migimg/preflight/facts/bootcfg"
	"migimg/preflight/facts/storage"
)

// LVM is how the guest's LVM chooses the disks it looks at.
type LVM struct {
	// Settings are the effective ones that matter for a move, by "section/name".
	Settings map[string]LVMSetting
	// Filters are devices/filter and devices/global_filter.
	Filters []LVMFilterSetting
	// DevicesFile is the guest path of the devices file, empty where there is
	// none; Devices what it says; UseDevices whether LVM goes by it.
	DevicesFile string
	Devices     storage.LVMDevices
	UseDevices  Answer
	// EarlyFilters and EarlyDevices are the same in the initramfs, which has files
	// of its own; Early says whether its contents are known.
	EarlyFilters []LVMFilterSetting
	EarlyDevices string
	Early        Answer
	// Caches are files that hold the old machine's names of devices.
	Caches []string
	// Problems are files that could not be read or parsed.
	Problems []string
}

// LVMSetting is a setting with the place it comes from.
type LVMSetting struct {
	File  string
	Line  int
	Words []string
}

// LVMFilterSetting is a filter; Err is why it cannot be evaluated.
type LVMFilterSetting struct {
	LVMSetting
	Name   string
	Filter storage.LVMFilter
	Err    string
}

// lvmNames are the settings that a move to other hardware touches.
var lvmNames = []string{"devices/filter", "devices/global_filter", "devices/use_devicesfile", "devices/devicesfile", "devices/scan_lvs",
	"global/system_id_source", "local/system_id", "global/system_id_file", "global/locking_type", "global/use_lvmlockd", "devices/scan", "devices/preferred_names"}

func (g *gatherer) lvm() {
	if err := g.unreadableAt("etc", "etc/lvm"); err != nil {
		g.f.SetAbsent(KeyLVM, Absence{Reason: err.Error()})
		return
	}
	l := &g.f.LVM
	l.Settings = map[string]LVMSetting{}
	for _, n := range []string{"etc/lvm/lvm.conf", "etc/lvm/lvmlocal.conf"} {
		text, missing, err := g.config(n)
		if err != nil {
			l.Problems = append(l.Problems, err.Error())
		} else if !missing {
			l.add("/"+n, text)
		}
	}
	l.Filters = filters(l.Settings)
	g.lvmDevices(l)
	g.lvmEarly(l)
	l.Caches, _ = g.exists("etc/lvm/cache/.cache", "etc/lvm/.cache", "etc/blkid.tab", "etc/blkid/blkid.tab")
}

func (l *LVM) add(file, text string) {
	c, err := storage.ParseLVMConf(text)
	if err != nil {
		l.Problems = append(l.Problems, file+": "+err.Error())
	}
	pick(l.Settings, file, c)
}

func pick(into map[string]LVMSetting, file string, c storage.LVMConf) {
	for _, n := range lvmNames {
		if v, ok := c[n]; ok {
			into[n] = LVMSetting{file, v.Line, v.Words}
		}
	}
}

func filters(settings map[string]LVMSetting) (out []LVMFilterSetting) {
	for _, n := range []string{"devices/global_filter", "devices/filter"} {
		s, ok := settings[n]
		if !ok {
			continue
		}
		f := LVMFilterSetting{LVMSetting: s, Name: strings.TrimPrefix(n, "devices/")}
		var err error
		if f.Filter, err = storage.ParseLVMFilter(s.Words); err != nil {
			f.Err = err.Error()
		}
		out = append(out, f)
	}
	return out
}

// lvmDevices finds the devices file that LVM goes by. Whether it does without
// use_devicesfile is decided when LVM is built: Red Hat's family since 9 does,
// Debian's does since 2.03.23 where the file exists.
func (g *gatherer) lvmDevices(l *LVM) {
	name := "system.devices"
	if s, ok := l.Settings["devices/devicesfile"]; ok && len(s.Words) == 1 && !strings.Contains(s.Words[0], "/") && s.Words[0] != "" {
		name = s.Words[0]
	}
	text, missing, err := g.config("etc/lvm/devices/" + name)
	l.UseDevices = AnswerNo
	switch {
	case err != nil:
		l.Problems = append(l.Problems, err.Error())
		l.UseDevices = AnswerUnknown
		return
	case missing:
		return
	}
	l.DevicesFile = "/etc/lvm/devices/" + name
	l.Devices = storage.ParseLVMDevices(text)
	s, set := l.Settings["devices/use_devicesfile"]
	switch {
	case set && slices.Equal(s.Words, []string{"0"}):
	case set && slices.Equal(s.Words, []string{"1"}), g.f.OS.Family() == "rhel":
		l.UseDevices = AnswerYes
	default:
		l.UseDevices = AnswerUnknown
	}
}

// lvmEarly reads the initramfs' own copies.
func (g *gatherer) lvmEarly(l *LVM) {
	l.Early = AnswerUnknown
	if g.early == nil {
		return
	}
	if g.early.Opaque == "" {
		l.Early = AnswerYes
	}
	settings := map[string]LVMSetting{}
	if e, ok := g.f.Boot.DefaultEntry(); ok {
		if v, ok := bootcfg.Param(e.Cmdline, "rd.lvm.conf"); ok && v == "0" {
			return // dracut then takes lvm.conf out of the initramfs (dracut.cmdline(7))
		}
	}
	for _, n := range slices.Sorted(maps.Keys(g.early.Contents)) {
		switch {
		case n == "etc/lvm/lvm.conf" || n == "etc/lvm/lvmlocal.conf":
			c, err := storage.ParseLVMConf(string(g.early.Contents[n]))
			if err != nil {
				l.Problems = append(l.Problems, "initramfs: /"+n+": "+err.Error())
			}
			pick(settings, "initramfs:/"+n, c)
		case strings.HasPrefix(n, "etc/lvm/devices/") && strings.HasSuffix(n, ".devices"):
			l.EarlyDevices = "initramfs:/" + n
		}
	}
	l.EarlyFilters = filters(settings)
}

package facts

import (
	"slices"
	"strings"
)

// resolve follows aliases.
func (s *Services) resolve(name string) string {
	for range maxUnitHops {
		u := s.units[name]
		if u == nil || u.alias == "" {
			return name
		}
		name = u.alias
	}
	return name
}

// never are the units that nothing starts on the way up.
var never = []string{"emergency.target", "rescue.target", "shutdown.target", "halt.target", "poweroff.target", "reboot.target", "kexec.target",
	"soft-reboot.target", "suspend.target", "hibernate.target", "hybrid-sleep.target", "suspend-then-hibernate.target", "sleep.target",
	"final.target", "umount.target", "exit.target", "system-update.target", "ctrl-alt-del.target", "initrd.target", "initrd-switch-root.target",
	"initrd-root-fs.target", "initrd-root-device.target", "initrd-fs.target", "initrd-usr-fs.target"}

// started says whether a link in this unit's folder makes something start at
// boot. Units that devices or generators start count.
func (s *Services) started(by string) bool {
	by = s.resolve(by)
	if u := s.units[by]; u != nil && u.masked || slices.Contains(never, by) {
		return false
	}
	return by != "graphical.target" || s.target != "multi-user.target"
}

// systemd is a unit's answer.
func (s *Services) systemd(name string) Service { return s.unitAnswer(name, map[string]bool{}) }

func (s *Services) unitAnswer(name string, seen map[string]bool) Service {
	x := Service{Name: name, On: AnswerNo, State: UnitAbsent, Why: "it is not installed"}
	own := s.resolve(name)
	u := s.units[own]
	if tmpl, _, templated := template(own); u == nil && templated {
		u = s.units[tmpl]
	}
	if u == nil || seen[own] || u.alias != "" { // aliases in a circle
		return x
	}
	seen[own] = true
	if u.masked {
		return Service{Name: own, On: AnswerNo, State: UnitMasked, Where: []string{u.path}, Why: "it is masked"}
	}
	x = Service{Name: own, On: AnswerNo, State: UnitDisabled, Why: "nothing wants it"}
	for _, l := range s.linked[own] {
		if s.started(l.by) {
			x.On, x.State, x.Why = AnswerYes, UnitEnabled, ""
			if len(x.Where) < maxPulls {
				x.Where = addPath(x.Where, l.path)
			}
		} else if x.On == AnswerNo {
			x.Why = "only " + l.by + " wants it"
			if strings.HasPrefix(l.path, "/etc/") {
				x.State = UnitEnabled // the owner enabled it, for something else
			}
		}
	}
	slices.Sort(x.Where)
	if x.On == AnswerYes {
		return x
	}
	return s.pulled(x, own, u, seen)
}

// pulled looks for what else starts a unit that no link wants.
func (s *Services) pulled(x Service, own string, u *unit, seen map[string]bool) Service {
	for _, by := range s.startedBy[own] {
		if len(seen) > maxPulls || slices.Contains(never, by) {
			continue
		}
		if y := s.unitAnswer(by, seen); y.On == AnswerYes || by == s.target {
			x.On, x.Where, x.Why = AnswerYes, append([]string{s.units[by].path}, y.Where...), by+" starts it"
			return x
		}
	}
	switch {
	case x.State == UnitEnabled:
	case s.FirstBoot && u.install && s.preset(own) != AnswerNo:
		x.On, x.Why = s.preset(own), "there is no /etc/machine-id, so the next boot enables what the presets say"
	case !u.install:
		x.On, x.Why = AnswerUnknown, "it has no [Install] section: a device, D-Bus or a generator may start it"
	}
	return x
}

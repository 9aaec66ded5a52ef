package checks

import (
	"fmt"
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

var diskLUKS = Check{
	ID: "disk.luks", Code: "MIG1111", Title: "Nothing that the boot needs is encrypted", Category: "disk", Severity: High,
	Impact: "Somebody types the passphrase at the target's console at every boot, or nobody can; many importers refuse encrypted disks.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		if len(f.LUKS) == 0 {
			return skip("no volume is encrypted by LUKS")
		}
		r := Result{Status: Pass}
		for _, l := range f.LUKS {
			r = worst(r, luksVolume(f, l))
		}
		if r.Summary == "" {
			r = r.saying("encrypted volumes do not hold up the boot")
		}
		return r
	},
}

func luksVolume(f *facts.Facts, l facts.LUKSVolume) Result {
	v := f.Disk.Volumes[l.Volume]
	if l.Err != "" {
		return unknown("%s is encrypted, and its header could not be read: %s", v.Title(), l.Err)
	}
	h := l.Header
	ev := Evidence{Kind: "volume", Key: v.Name, Actual: fmt.Sprintf("LUKS%d", h.Version), Detail: map[string]string{"cipher": h.Cipher}}
	var kinds, sealed []string
	for _, s := range h.Slots {
		kinds = append(kinds, s.ID+" "+s.KDF)
	}
	for _, t := range h.Tokens {
		name := t.Type
		if len(t.Pins) > 0 {
			name += " " + strings.Join(t.Pins, "+")
		}
		ev.Detail["token "+name] = "slots " + strings.Join(t.Slots, ", ")
		if t.Type == "systemd-tpm2" || slices.Contains(t.Pins, "tpm2") {
			sealed = append(sealed, name)
		}
	}
	ev.Detail["slots"] = strings.Join(kinds, ", ")
	ev.Detail["slots for a passphrase or key file"] = strings.Join(h.Typed(), ", ")
	use, dev := luksUse(f, l.Volume), "DEVICE"
	if v.UUID != "" {
		dev = "/dev/disk/by-uuid/" + v.UUID
	}
	var r Result
	switch {
	case len(h.Slots) == 0:
		r = fail("", "%s is encrypted and no key slot is in use: nobody can open it", v.Title())
	case len(sealed) > 0 && len(h.Typed()) == 0:
		r = fail("", "%s is sealed to this machine's TPM (%s), and no passphrase opens it: on the target its data is lost", v.Title(), sealed[0]).
			command([]string{"cryptsetup", "luksAddKey", dev}).hint("Add a passphrase while this machine still opens the volume.")
	case len(sealed) > 0:
		r = fail("", "%s is sealed to this machine's TPM (%s): on the target somebody types the passphrase", v.Title(), sealed[0]).
			hint("Be sure that you know the passphrase of slot %s. Then take the binding off: systemd-cryptenroll --wipe-slot=tpm2 %s, or clevis luks unbind -d %s -s SLOT.", strings.Join(h.Typed(), ", "), dev, dev)
	case use == "random":
		return Result{Status: Pass, Evidence: []Evidence{ev}}
	case tokenOf(h.Tokens, "tang"):
		r = warn(Medium, "%s opens with a key of a tang server, which the target has to reach in the initramfs", v.Title())
	case len(h.Tokens) > 0 && len(h.Typed()) == 0:
		r = fail("", "%s opens with %s alone, which a virtual machine does not have", v.Title(), h.Tokens[0].Type)
	default:
		r = warn("", "%s is encrypted: its passphrase is typed at the target's console at every boot", v.Title())
	}
	switch use {
	case "optional":
		r.Severity = Low
		if r.Status == Fail {
			r.Severity = Medium
		}
	case "unused":
		r.Severity = Medium
		r = r.more("; /etc/crypttab does not have it")
	}
	return r.with(ev)
}

func tokenOf(tokens []facts.LUKSToken, pin string) bool {
	return slices.ContainsFunc(tokens, func(t facts.LUKSToken) bool { return slices.Contains(t.Pins, pin) })
}

// luksUse is what the guest does with an encrypted volume: "boot" needs it,
// "optional", "random" makes it anew, "unused", or "" where that is not known.
func luksUse(f *facts.Facts, volume int) string {
	if f.Guest.Found && f.Disk.On(f.Guest.Root, "crypto_LUKS") {
		for _, v := range f.Disk.Layers(f.Guest.Root) {
			if v.Name == f.Disk.Volumes[volume].Name {
				return "boot"
			}
		}
	}
	if _, absent := f.Absent(facts.KeyGuest); absent {
		return ""
	}
	if _, absent := f.Absent(facts.KeyCrypttab); absent {
		return ""
	}
	use := "unused"
	for _, l := range f.Crypttab.Lines {
		if l.Resolved.Place != facts.OnDisk || l.Resolved.Volume != volume {
			if l.Resolved.Place == facts.Unsure && use == "unused" {
				use = ""
			}
			continue
		}
		switch {
		case l.RandomKey():
			return "random"
		case l.Optional():
			use = "optional"
		default:
			return "boot"
		}
	}
	return use
}

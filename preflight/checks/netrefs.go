package checks

import (
	"fmt"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

var netReferences = Check{
	ID: "net.references", Code: "MIG5110", Title: "Nothing else names this machine's addresses or cards", Category: "network", Severity: Low,
	Needs:  []facts.Key{facts.KeyGuest, facts.KeyNetRefs},
	Impact: "Services that listen on the old address do not start, or are not reached.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		x := f.NetRefs
		r := pass("no other file names them")
		if x.ListenErr != "" {
			r = unknown("%s", x.ListenErr)
		} else {
			r = worst(r, sshdListens(x.Listen))
		}
		for i, ref := range x.Refs {
			// A setting of a card that the target has, too, is as it was.
			if fitsCard(ref.Value, &f.Net, t) && len(t.NICNames.Values) > 0 {
				continue
			}
			text := fmt.Sprintf("%s names %s", ref.File, ref.Value)
			if len(x.Refs) > 1 && i == 0 {
				text = fmt.Sprintf("%d places name this machine's addresses or cards (%s)", len(x.Refs), ref.File)
			}
			r = worst(r, warn(Low, "%s", text).with(file(ref.File, ref.Line, ref.Value)))
		}
		if r.Status == Pass && len(x.Problems) > 0 {
			return unknown("%s", x.Problems[0])
		}
		return r
	},
}

// sshdListens judges ListenAddress: sshd ends when it can bind none of its
// addresses (sshd.c, server_listen).
func sshdListens(list []facts.Listen) Result {
	if len(list) == 0 {
		return Result{Status: Pass}
	}
	r := Result{Status: Pass}
	reachable := false
	var old []facts.Listen
	for _, l := range list {
		switch {
		case l.Any:
			reachable = true
		case !l.Loopback:
			old = append(old, l)
		}
	}
	if len(old) == 0 {
		return r
	}
	if reachable {
		r = warn(Low, "sshd also listens on %s, which the new machine does not have", old[0].Addr)
	} else {
		r = fail(High, "sshd listens on %s only: without this address it does not start", old[0].Addr)
	}
	for _, l := range old {
		r = r.with(file(l.File, l.Line, "ListenAddress "+l.Addr))
	}
	return r.command([]string{"sed", "-i", "-E", "s/^[[:space:]]*ListenAddress/#&/I", old[0].File})
}

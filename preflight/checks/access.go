package checks

import (
	"fmt"
	"io/fs"
	"slices"

	"migimg/preflight/facts"
	"migimg/preflight/facts/answer"
	"migimg/preflight/targets"
)

var accessAccounts = Check{
	ID: "access.accounts", Code: "MIG6101", Title: "The account files are there, owned by root and writable for tools", Category: "access", Severity: High,
	Needs:  []facts.Key{facts.KeyGuest, facts.KeyAccounts},
	Impact: "The target cannot set a password, and nobody can log in.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		a := f.Accounts
		r := pass("ownership and modes are as they should be")
		for _, x := range a.Files {
			r = worst(r, account(x))
		}
		for _, e := range a.Errors {
			r = worst(r, warn(Medium, "%s has the wrong number of fields", e))
		}
		if a.NotShadowed {
			r = worst(r, warn(Medium, "root's password is in /etc/passwd and not in /etc/shadow").command([]string{"pwconv"}))
		}
		for _, u := range a.Unpaired {
			r = worst(r, warn(Medium, "%s", u).command([]string{"pwconv"}))
		}
		if readOnlyRoot(f) {
			r = worst(r, fail("", "the root filesystem stays read-only (/etc/fstab), so that no password can be set"))
		}
		r = worst(r, aged(f))
		if len(a.UIDZero) > 0 {
			r = worst(r, warn(Info, "%d accounts besides root have user number 0 (%s)", len(a.UIDZero), a.UIDZero[0]))
		}
		switch a.RootPassword {
		case "empty":
			r = worst(r, warn(Medium, "root has no password at all"))
		case "":
		default:
			r = r.with(value("root's password", a.RootPassword, ""))
		}
		return r
	},
}

// shadowModes are the modes that distributions give shadow files.
var shadowModes = []fs.FileMode{0, 0o400, 0o600, 0o640, 0o440}

func account(x facts.AccountFile) Result {
	optional := x.Path == "/etc/gshadow"
	secret := x.Path == "/etc/shadow" || x.Path == "/etc/gshadow"
	ev := Evidence{Kind: "file", Path: x.Path, Actual: fmt.Sprintf("%04o %d:%d", uint32(x.Mode), x.UID, x.GID)}
	if secret {
		ev.Expected = "0000, 0400, 0600 or 0640, root:root or root:shadow"
	}
	switch {
	case x.Err != "":
		return unknown("%s: %s", x.Path, x.Err)
	case x.Missing && optional:
		return Result{Status: Pass}
	case x.Missing:
		return fail("", "%s is missing", x.Path).with(Evidence{Kind: "file", Path: x.Path, Actual: "missing"})
	}
	r := Result{Status: Pass, Evidence: []Evidence{ev}}
	if x.Immutable {
		r = worst(r, fail("", "%s is immutable (chattr +i)", x.Path).command([]string{"chattr", "-i", x.Path}))
	}
	if x.UID != 0 {
		r = worst(r, fail("", "%s belongs to user %d", x.Path, x.UID).command([]string{"chown", "root", x.Path}))
	}
	if secret {
		if x.GID != 0 && x.Group != "shadow" {
			r = worst(r, warn(Medium, "%s belongs to group %d (%s)", x.Path, x.GID, x.Group))
		}
		if !slices.Contains(shadowModes, x.Mode) {
			r = worst(r, warn(Medium, "%s has the mode %04o", x.Path, uint32(x.Mode)).command([]string{"chmod", "0640", x.Path}))
		}
	}
	if x.NoNewline {
		r = worst(r, warn(Medium, "the last line of %s does not end, so an account that is appended breaks it", x.Path))
	}
	return r
}

// readOnlyRoot says whether fstab keeps the root filesystem read-only. The
// kernel's argument ro is another thing: fstab ends it.
func readOnlyRoot(f *facts.Facts) bool {
	if _, absent := f.Absent(facts.KeyFstab); absent {
		return false
	}
	ro := false
	for _, l := range f.Fstab.Lines {
		if l.Point == "/" {
			ro = slices.Contains(l.Options, "ro") && !slices.Contains(l.Options, "rw")
		}
	}
	return ro
}

// aged finds accounts whose time is over.
func aged(f *facts.Facts) Result {
	r := Result{Status: Pass}
	if _, absent := f.Absent(facts.KeyLogins); absent {
		return r
	}
	for _, u := range f.Logins.Users {
		sev := Medium
		if u.UID != 0 && u.Admin != answer.Yes {
			sev = Low
		}
		switch {
		case u.Expired:
			r = worst(r, warn(sev, "the account %s has expired", u.Name).command([]string{"chage", "-E", "-1", u.Name}))
		case u.Password != "set":
		case u.PasswordDead:
			r = worst(r, warn(sev, "the password of %s has expired for good", u.Name).command([]string{"passwd", u.Name}))
		case u.PasswordExpired:
			r = worst(r, warn(sev, "the password of %s must be changed at the next login", u.Name).command([]string{"passwd", u.Name}))
		}
	}
	return r
}

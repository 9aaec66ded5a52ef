package facts

import (
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"migimg/preflight/facts/answer"
	"migimg/preflight/facts/sudoers"
	"migimg/preflight/guestfs"
)

// Logins are the accounts of people, and root's. It holds no hash and no key.
type Logins struct {
	Users []Login
	// More is how many accounts of people are not in Users.
	More int
	// Elsewhere says that accounts and groups may come from another directory
	// than the files (nsswitch.conf).
	Elsewhere bool
	// NoLogin says that /etc/nologin keeps all but root out (pam_nologin(8)).
	NoLogin bool
	// Sudo and Doas say that the program is there.
	Sudo, Doas bool
	// NoShadow is why passwords are not known.
	NoShadow string
	// Problems are files that could not be read: an answer may be missing.
	Problems []string
}

// Login is one account.
type Login struct {
	Name     string
	UID, GID uint32
	Home     string
	Groups   []string
	// Shell: the login shell is there and is one.
	Shell answer.Answer
	// Password is "set", "locked", "empty", or "" where it is not known.
	Password string
	// Bang: it is locked by "!", as passwd -l does, and not by "*".
	Bang bool
	// Expired: the account's date has passed. PasswordExpired: the password must
	// be changed at the next login. PasswordDead: it was not, for too long, and
	// lets nobody in any more (shadow(5)).
	Expired, PasswordExpired, PasswordDead bool
	// Admin: root, or may become root, by AdminBy; NoPassword: without the user's
	// own password.
	Admin      answer.Answer
	AdminBy    string
	NoPassword bool
	Keys       []KeyFile
}

// maxLogins bounds the accounts that are looked at.
const maxLogins = 100

func (g *gatherer) logins() {
	l := &g.f.Logins
	passwd, err := guestfs.ReadFile(g.fs, "etc/passwd", guestfs.MaxConfig)
	if err != nil {
		g.f.SetAbsent(KeyLogins, Absence{Reason: err.Error()})
		return
	}
	l.Elsewhere = len(g.f.Directory.Databases) > 0
	l.NoLogin = g.there("etc/nologin", &l.Problems)
	groups := g.groups()
	for _, x := range ParseColon(string(passwd), 7) {
		uid, err1 := strconv.ParseUint(x.Fields[2], 10, 32)
		gid, err2 := strconv.ParseUint(x.Fields[3], 10, 32)
		// People's accounts begin at 1000, before 2012 at 500; nobody has 65534
		// (login.defs, UID_MIN).
		person := uid >= 500 && uid < 60_000
		if err1 != nil || err2 != nil || uid != 0 && !person {
			continue
		}
		u := Login{Name: x.Fields[0], UID: uint32(uid), GID: uint32(gid), Home: x.Fields[5], Groups: groups.of(x.Fields[0], uint32(gid))}
		u.Shell = g.shell(x.Fields[6])
		if u.Shell == answer.No && uid != 0 {
			continue
		}
		if len(l.Users) >= maxLogins {
			l.More++
			continue
		}
		if u.Password = passwordState(x.Fields[1]); x.Fields[1] == "x" {
			u.Password = ""
		}
		l.Users = append(l.Users, u)
	}
	g.passwords(l)
	g.admins(l, groups)
	for i := range l.Users {
		g.keys(&l.Users[i])
	}
	if len(l.Problems) > 20 {
		l.Problems = l.Problems[:20]
	}
}

// passwords reads shadow.
func (g *gatherer) passwords(l *Logins) {
	b, err := guestfs.ReadFile(g.fs, "etc/shadow", guestfs.MaxConfig)
	if err != nil {
		l.NoShadow = err.Error()
		return
	}
	now := g.o.Now
	if now.IsZero() {
		now = time.Now()
	}
	today := now.Unix() / 86400
	for _, x := range ParseColon(string(b), 9) {
		i := slices.IndexFunc(l.Users, func(u Login) bool { return u.Name == x.Fields[0] })
		if i < 0 {
			continue
		}
		l.Users[i].Password = passwordState(x.Fields[1])
		l.Users[i].Bang = strings.HasPrefix(x.Fields[1], "!")
		l.Users[i].ages(x.Fields, today)
	}
}

// ages are the fields of shadow(5) from the third on, in days since 1970: last
// change, minimum, maximum, warning, inactive, expiry. An empty one or -1 is
// off.
func (u *Login) ages(f []string, today int64) {
	day := func(i int) (int64, bool) {
		n, err := strconv.ParseInt(strings.TrimSpace(f[i]), 10, 64)
		return n, err == nil && n >= 0
	}
	if expiry, ok := day(7); ok && expiry > 0 && today >= expiry {
		u.Expired = true
	}
	last, ok := day(2)
	if !ok {
		return
	}
	most, limited := day(4)
	u.PasswordExpired = last == 0 || limited && most < 10_000 && today > last+most
	if inactive, ok := day(6); ok && last > 0 && limited && most < 10_000 && today > last+most+inactive {
		u.PasswordDead = true
	}
}

// notShells are programs that are no shell but a refusal.
var notShells = []string{"nologin", "false", "true", "sync", "shutdown", "halt", "git-shell", "rssh", "scponly"}

// shell judges the last field of passwd; empty means /bin/sh (passwd(5)).
func (g *gatherer) shell(name string) answer.Answer {
	if name == "" {
		name = "/bin/sh"
	}
	if slices.Contains(notShells, name[strings.LastIndexByte(name, '/')+1:]) {
		return answer.No
	}
	if !strings.HasPrefix(name, "/") || !fs.ValidPath(name[1:]) {
		return answer.No
	}
	ok, err := guestfs.Exists(g.fs, name[1:])
	if err != nil {
		return answer.Maybe
	}
	return answer.Of(ok)
}

// groupFile is /etc/group.
type groupFile struct {
	names   map[uint32]string
	numbers map[string]uint32
	members map[string][]string // user -> groups
}

func (g *gatherer) groups() groupFile {
	f := groupFile{map[uint32]string{}, map[string]uint32{}, map[string][]string{}}
	b, err := guestfs.ReadFile(g.fs, "etc/group", guestfs.MaxConfig)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		g.f.Logins.Problems = append(g.f.Logins.Problems, err.Error())
	}
	for _, x := range ParseColon(string(b), 4) {
		n, err := strconv.ParseUint(x.Fields[2], 10, 32)
		if err != nil {
			continue
		}
		f.names[uint32(n)], f.numbers[x.Fields[0]] = x.Fields[0], uint32(n)
		for m := range strings.SplitSeq(x.Fields[3], ",") {
			if m != "" {
				f.members[m] = append(f.members[m], x.Fields[0])
			}
		}
	}
	return f
}

func (f *groupFile) of(user string, gid uint32) []string {
	groups := slices.Clone(f.members[user])
	if n := f.names[gid]; n != "" && !slices.Contains(groups, n) {
		groups = append(groups, n)
	}
	return groups
}

// admins fills in who may become root.
func (g *gatherer) admins(l *Logins, groups groupFile) {
	for _, p := range []string{"usr/bin/sudo", "bin/sudo", "usr/local/bin/sudo"} {
		l.Sudo = l.Sudo || g.there(p, &l.Problems)
	}
	l.Doas = g.there("usr/bin/doas", &l.Problems) || g.there("usr/local/bin/doas", &l.Problems)
	var policy *sudoers.Policy
	if l.Sudo {
		var err error
		if policy, err = sudoers.Read(g.fs); err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				l.Problems = append(l.Problems, err.Error())
			}
		} else {
			l.Problems = append(l.Problems, policy.Problems...)
		}
	}
	for i := range l.Users {
		u := &l.Users[i]
		switch {
		case u.UID == 0:
			u.Admin, u.AdminBy, u.NoPassword = answer.Yes, "is root", true
			continue
		case policy != nil:
			q := sudoers.User{Name: u.Name, UID: u.UID, Groups: u.Groups, GroupsUnsure: l.Elsewhere}
			for _, n := range u.Groups {
				q.GIDs = append(q.GIDs, groups.numbers[n])
			}
			grant := policy.Admin(q)
			u.Admin, u.NoPassword = grant.Admin, grant.NoPassword
			if grant.File != "" {
				u.AdminBy = grant.File + " line " + strconv.Itoa(grant.Line)
			}
		default:
			u.Admin = answer.No
		}
		if u.Admin == answer.No && l.Doas {
			u.Admin = answer.Maybe // doas.conf is not read
		}
	}
}

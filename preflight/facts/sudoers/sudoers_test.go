package sudoers

import (
	"fmt"
	"testing"
	"testing/fstest"

	"migimg/preflight/facts/answer"
	"migimg/preflight/guestfs"
)

func policy(t testing.TB, files map[string]string) *Policy {
	t.Helper()
	m := fstest.MapFS{}
	for name, text := range files {
		m["etc/"+name] = &fstest.MapFile{Data: []byte(text), Mode: 0o440, Sys: &guestfs.Attr{}}
	}
	p, err := Read(guestfs.Compose(guestfs.FromFS(m, "test")))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var debian = "Defaults\tenv_reset\nDefaults\tsecure_path=\"/usr/sbin:/usr/bin\"\n# User alias\nroot\tALL=(ALL:ALL) ALL\n%sudo\tALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n"

func TestAdmin(t *testing.T) {
	u := User{Name: "u", UID: 1000, Groups: []string{"u"}, GIDs: []uint32{1000}}
	in := func(g string) User { x := u; x.Groups = append([]string{g}, u.Groups...); return x }
	for _, c := range []struct {
		name, main, drop string
		user             User
		want             string
	}{
		{"in sudo", debian, "", in("sudo"), "yes false"},
		{"not in sudo", debian, "", u, "no false"},
		{"root", "", "", User{Name: "root"}, "yes true"},
		{"a drop-in", debian, "u ALL=(ALL) NOPASSWD:ALL\n", u, "yes true"},
		{"another's drop-in", debian, "v ALL=(ALL) NOPASSWD:ALL\n", u, "no false"},
		{"one command", debian, "u ALL=(root) NOPASSWD: /bin/systemctl\n", u, "no false"},
		{"one command, then all", debian, "u ALL=NOPASSWD: /bin/ls, PASSWD: ALL\n", u, "yes false"},
		{"all but one", debian, "u ALL=(ALL) ALL, !/bin/su\n", u, "yes false"},
		{"taken back", debian, "u ALL=(ALL) ALL\nu ALL=(ALL) !ALL\n", u, "no false"},
		{"as another user", debian, "u ALL=(postgres) ALL\n", u, "no false"},
		{"no runas", debian, "u ALL=ALL\n", u, "yes false"},
		{"a number", debian, "#1000 ALL=(ALL) ALL\n", u, "yes false"},
		{"a group's number", debian, "%#1000 ALL=(ALL) ALL\n", u, "yes false"},
		{"an alias", debian, "User_Alias ADMINS = v, u : OTHERS = w\nCmnd_Alias EVERYTHING = ALL\nADMINS ALL = (ALL) NOPASSWD: EVERYTHING\n", u, "yes true"},
		{"an alias without", debian, "User_Alias ADMINS = ALL, !u\nADMINS ALL = (ALL) ALL\n", u, "no false"},
		{"a list", debian, "v , u,w ALL=(ALL) ALL\n", u, "yes false"},
		{"a host", debian, "u db1=(ALL) ALL\n", u, "maybe false"},
		{"a netgroup", debian, "+admins ALL=(ALL) ALL\n", u, "maybe false"},
		{"two hosts", debian, "u a = ALL : b = ALL\n", u, "maybe false"},
		{"a line that goes on", debian, "u ALL = \\\n  (ALL) \\\n  ALL\n", u, "yes false"},
		{"a quoted name", debian, "\"u\" ALL=(ALL) ALL\n", u, "yes false"},
		{"a comment behind", debian, "u ALL=(ALL) ALL # all\n", u, "yes false"},
		{"an option", debian, "u ALL=(root) TIMEOUT=10m NOPASSWD: ALL\n", u, "yes true"},
		{"an alias of itself", debian, "User_Alias A = A\nA ALL=ALL\n", u, "maybe false"},
		{"a group elsewhere", debian, "", User{Name: "u", UID: 1000, GroupsUnsure: true}, "maybe false"},
		{"garbage", debian, "u\n", u, "maybe false"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := map[string]string{"sudoers": c.main}
			if c.drop != "" {
				files["sudoers.d/90-a"] = c.drop
				files["sudoers.d/x.bak"] = "ALL ALL=(ALL) ALL\n"
			}
			g := policy(t, files).Admin(c.user)
			if got := fmt.Sprint(g.Admin, " ", g.NoPassword); got != c.want {
				t.Errorf("%s, want %s (%+v)", got, c.want, g)
			}
		})
	}
}

// Aliases that double at each level end after a bounded number of steps.
func TestAliasBomb(t *testing.T) {
	s := debian
	for i := range 15 {
		s += fmt.Sprintf("User_Alias A%d = A%d, A%d, A%d, A%d, A%d, A%d, A%d\n", i, i+1, i+1, i+1, i+1, i+1, i+1, i+1)
	}
	s += "A0 ALL=ALL\n"
	if g := policy(t, map[string]string{"sudoers": s}).Admin(User{Name: "u", UID: 1}); g.Admin != answer.Maybe {
		t.Errorf("%+v", g)
	}
}

func TestUntrusted(t *testing.T) {
	m := fstest.MapFS{"etc/sudoers": {Data: []byte("u ALL=ALL\n#includedir /etc\n"), Mode: 0o666, Sys: &guestfs.Attr{}}}
	p, err := Read(guestfs.Compose(guestfs.FromFS(m, "test")))
	if err != nil || len(p.Problems) == 0 || len(p.Files) > maxFiles {
		t.Fatal(err, p)
	}
}

func FuzzSudoers(f *testing.F) {
	f.Add(debian)
	f.Add("User_Alias A = !A, B\nA, !#1 ALL = (x:y) TAG: !ALL : b = c\\\n, d\n#include sudoers\n@includedir .\n\"a\\")
	f.Fuzz(func(t *testing.T, s string) {
		p := policy(t, map[string]string{"sudoers": s, "sudoers.d/a": s})
		p.Admin(User{Name: "u", UID: 1000, Groups: []string{"g"}})
	})
}

package sshd

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"migimg/preflight/guestfs"
)

func read(t *testing.T, files map[string]string) *Config {
	t.Helper()
	m := fstest.MapFS{}
	for name, text := range files {
		m["etc/ssh/"+name] = &fstest.MapFile{Data: []byte(text)}
	}
	c, err := Read(guestfs.Compose(guestfs.FromFS(m, "test")))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSplit(t *testing.T) {
	for in, want := range map[string]string{
		`a b`: "a|b", `"a b" c`: "a b|c", `a#b c # d`: "a#b|c", `# x`: "", `a\ b`: "a b", `'a"b'`: `a"b`, `a\"b`: `a"b`, `a\nb`: `a\nb`, `""`: "", `x ""`: "x|",
	} {
		got, err := split(in)
		if err != nil || strings.Join(got, "|") != want {
			t.Errorf("%s: %q %v, want %q", in, got, err, want)
		}
	}
	if _, err := split(`"a`); err == nil {
		t.Error("an open quote")
	}
}

// Who gets in, by what.
func TestLogin(t *testing.T) {
	for _, c := range []struct {
		name, config, drop string
		user               User
		want               string // allowed password key both
	}{
		{"defaults", "", "", User{Name: "u"}, "yes yes yes no"},
		{"defaults, root", "", "", User{Name: "root"}, "yes maybe yes no"},
		{"root by key", "PermitRootLogin prohibit-password\n", "", User{Name: "root"}, "yes no yes no"},
		{"no root", "PermitRootLogin no\n", "", User{Name: "root"}, "no no no no"},
		{"no root, a user", "PermitRootLogin no\n", "", User{Name: "u"}, "yes yes yes no"},
		{"the first wins", "Include sshd_config.d/*.conf\nPasswordAuthentication yes\n", "PasswordAuthentication no\nKbdInteractiveAuthentication no\n", User{Name: "u"}, "yes no yes no"},
		{"an include at the end loses", "PasswordAuthentication yes\nInclude /etc/ssh/sshd_config.d/*.conf\n", "PasswordAuthentication no\n", User{Name: "u"}, "yes yes yes no"},
		{"keyboard-interactive needs PAM", "PasswordAuthentication no\n", "", User{Name: "u"}, "yes no yes no"},
		{"keyboard-interactive", "PasswordAuthentication no\nUsePAM yes\n", "", User{Name: "u"}, "yes yes yes no"},
		{"its old name", "PasswordAuthentication no\nUsePAM yes\nChallengeResponseAuthentication no\n", "", User{Name: "u"}, "yes no yes no"},
		{"a block for the user", "PasswordAuthentication yes\nMatch User u,v\nPasswordAuthentication no\n", "", User{Name: "u"}, "yes no yes no"},
		{"a block for another", "PasswordAuthentication yes\nMatch User v\nPasswordAuthentication no\n", "", User{Name: "u"}, "yes yes yes no"},
		{"a block for an address", "PasswordAuthentication no\nMatch Address 10.0.0.0/8\nPasswordAuthentication yes\n", "", User{Name: "u"}, "yes maybe yes no"},
		{"a block for an address that changes nothing", "PasswordAuthentication no\nMatch Address 10.0.0.0/8\nPasswordAuthentication no\n", "", User{Name: "u"}, "yes no yes no"},
		{"a block for another user at an address", "PasswordAuthentication no\nMatch Address 10.0.0.0/8 User v\nPasswordAuthentication yes\n", "", User{Name: "u"}, "yes no yes no"},
		{"a block for a group", "Match Group wheel\nPubkeyAuthentication no\n", "", User{Name: "u", Groups: []string{"u", "wheel"}}, "yes yes no no"},
		{"a block for all but a group", "Match Group !wheel,*\nPubkeyAuthentication no\n", "", User{Name: "u", Groups: []string{"u", "wheel"}}, "yes yes yes no"},
		{"a group that may be", "Match Group wheel\nPubkeyAuthentication no\n", "", User{Name: "u", GroupsUnsure: true}, "yes yes maybe no"},
		{"all", "PubkeyAuthentication yes\nMatch all\nPubkeyAuthentication no\n", "", User{Name: "u"}, "yes yes no no"},
		{"a block in a drop-in ends there", "Include sshd_config.d/*.conf\nPasswordAuthentication no\n", "Match User v\nX11Forwarding no\n", User{Name: "u"}, "yes no yes no"},
		{"an include in a block", "Match User v\nInclude sshd_config.d/*.conf\n", "PasswordAuthentication no\n", User{Name: "u"}, "yes yes yes no"},
		{"a block in an include in a block", "Match User v\nInclude sshd_config.d/*.conf\n", "Match all\nPasswordAuthentication no\n", User{Name: "u"}, "yes yes yes no"},
		{"allowed users", "AllowUsers a b\nAllowUsers u\n", "", User{Name: "u"}, "yes yes yes no"},
		{"not an allowed user", "AllowUsers a b\n", "", User{Name: "u"}, "no yes yes no"},
		{"an allowed user from somewhere", "AllowUsers u@10.*\n", "", User{Name: "u"}, "maybe yes yes no"},
		{"a denied user", "DenyUsers u*\n", "", User{Name: "u"}, "no yes yes no"},
		{"allowed groups", "AllowGroups wheel sudo\n", "", User{Name: "u", Groups: []string{"sudo"}}, "yes yes yes no"},
		{"not in an allowed group", "AllowGroups wheel\n", "", User{Name: "u", Groups: []string{"u"}}, "no yes yes no"},
		{"a denied group", "DenyGroups wheel\n", "", User{Name: "u", Groups: []string{"wheel"}}, "no yes yes no"},
		{"key and password", "AuthenticationMethods publickey,password\n", "", User{Name: "u"}, "yes no no yes"},
		{"key and password, or key", "AuthenticationMethods publickey,password publickey\n", "", User{Name: "u"}, "yes no yes yes"},
		{"key and code", "UsePAM yes\nAuthenticationMethods publickey,keyboard-interactive:pam\n", "", User{Name: "u"}, "yes no no yes"},
		{"an equals sign", "PasswordAuthentication=no\nKbdInteractiveAuthentication = no\n", "", User{Name: "u"}, "yes no yes no"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := map[string]string{"sshd_config": c.config}
			if c.drop != "" {
				files["sshd_config.d/50-a.conf"] = c.drop
			}
			l := read(t, files).Login(c.user)
			if got := fmt.Sprint(l.Allowed, " ", l.Password, " ", l.Key, " ", l.Both); got != c.want {
				t.Errorf("%s, want %s (%+v)", got, c.want, l)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	for in, want := range map[string]string{
		"Port 22\n": "", "Port\n": "no value", "PermitRootLogin maybe\n": "none of", "UsePAM on\n": "yes nor no", "Banner \"x\n": "quotation", "Match User\n": "criterion",
		"Match all\nPort 23\n": "Match block", "Port 70000\n": "port number", "# x\n\n": "", "Include a\n": "", "Include sshd_config\n": "too deep",
	} {
		c := read(t, map[string]string{"sshd_config": in})
		got := ""
		if len(c.Errors) > 0 {
			got = c.Errors[0].Why
		}
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestUnreadableInclude(t *testing.T) {
	m := fstest.MapFS{"etc/ssh/sshd_config": {Data: []byte("Include /etc/ssh/x.conf\nPasswordAuthentication no\n")}, "etc/ssh/x.conf": {Mode: fs.ModeNamedPipe}}
	c, err := Read(guestfs.Compose(guestfs.FromFS(m, "test")))
	if err != nil || len(c.Problems) != 1 {
		t.Fatal(err, c)
	}
	if l := c.Login(User{Name: "u"}); l.Password != maybe || l.Allowed != maybe {
		t.Errorf("%+v", l)
	}
}

func TestGlob1(t *testing.T) {
	for _, c := range []struct {
		p, s string
		want bool
	}{{"*", "", true}, {"a*c", "abbc", true}, {"a?c", "abc", true}, {"a?c", "ac", false}, {"*a*b", "xaxxb", true}, {"*a*b", "xaxx", false}, {"", "a", false}, {"a**", "a", true}} {
		if glob1(c.p, c.s) != c.want {
			t.Errorf("%q %q", c.p, c.s)
		}
	}
}

func FuzzConfig(f *testing.F) {
	for _, s := range []string{"Port 22\n", "Match User a,!b Address 1.2.3.4\nAllowUsers a@b\n", "Include *\n", "Include sshd_config sshd_config sshd_config\n", "\"a\\", "Match=all\n=\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m := fstest.MapFS{Main: {Data: []byte(s)}, "etc/ssh/x.conf": {Data: []byte(s)}}
		c, err := Read(guestfs.Compose(guestfs.FromFS(m, "test")))
		if err != nil {
			return
		}
		if len(c.Settings) > maxSettings || len(c.Problems) > 20 || slices.ContainsFunc(c.Settings, func(s Setting) bool { return len(s.Args) == 0 }) {
			t.Error("bounds")
		}
		u := User{Name: "u", Groups: []string{"g"}}
		c.Login(u)
		c.KeyFiles(u)
	})
}

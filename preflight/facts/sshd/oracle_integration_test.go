//go:build integration

package sshd

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"migimg/internal/need"
	"migimg/preflight/guestfs"
)

// ask unpacks Debian's openssh-server, which would start if it were installed,
// and asks it for the values of each of the files "N/sshd_config" below the folder,
// for each of the connections. It runs in a mount namespace with the account and
// the folder that its privilege separation wants. The answers are in files
// "N/out-C", with "N/failed-C" where sshd refuses.
func ask(t *testing.T, dir string, n int, connections []string) {
	t.Helper()
	need.Root(t)
	need.Tool(t, "apt-get", "dpkg-deb")
	get := exec.CommandContext(t.Context(), "apt-get", "download", "openssh-server", "libwrap0")
	get.Dir = dir
	if out, err := get.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(debs) != 2 {
		t.Fatalf("apt-get downloaded %q", debs)
	}
	root := filepath.Join(dir, "root")
	for _, deb := range debs {
		if out, err := exec.CommandContext(t.Context(), "dpkg-deb", "-x", deb, root).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	accounts := filepath.Join(dir, "passwd")
	if err := os.WriteFile(accounts, append(passwd, "sshd:x:61234:65534::/run/sshd:/usr/sbin/nologin\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	alone, err := filepath.Abs("../../../testdata/disks/alone.sh")
	if err != nil {
		t.Fatal(err)
	}
	libs, err := filepath.Glob(filepath.Join(root, "*/lib/*-linux-gnu"))
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob(filepath.Join(root, "lib/*-linux-gnu"))
	if err != nil {
		t.Fatal(err)
	}
	script := `mount --bind "$1" /etc/passwd; mount -t tmpfs none /run; mkdir /run/sshd; sshd=$2; n=$3; shift 3
for i in $(seq 0 $((n-1))); do
  c=0
  for connection in "$@"; do
    "$sshd" -T -f "$i/sshd_config" -C "$connection" >"$i/out-$c" 2>&1 || touch "$i/failed-$c"
    c=$((c+1))
  done
done`
	cmd := exec.CommandContext(t.Context(), alone, append([]string{"sh", "-ec", script, "sh", accounts, filepath.Join(root, "usr/sbin/sshd"), strconv.Itoa(n)}, connections...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(append(libs, more...), ":"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// What sshd -T says of configurations, for a user and an address: what is sure
// here is what it says, and what is not sure has it among the possible values.
func TestAgainstSSHD(t *testing.T) {
	dir := t.TempDir()
	need.Tool(t, "ssh-keygen")
	key := filepath.Join(dir, "key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	users, addrs := []string{"root", "daemon", "nobody"}, []string{"10.1.2.3", "192.0.2.7"}
	var connections []string
	for _, u := range users {
		for _, a := range addrs {
			connections = append(connections, "user="+u+",host="+a+",addr="+a+",laddr=10.9.9.9,lport=22")
		}
	}
	configs := make([]*Config, len(oracleConfigs))
	for i, config := range oracleConfigs {
		// Includes are absolute paths: of this folder for sshd, the guest's for us.
		own := filepath.Join(dir, strconv.Itoa(i))
		write := func(name, text string) {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(own, name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(own, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		tree := fstest.MapFS{Main: {Data: []byte(strings.ReplaceAll(config.main, "@", "/etc/ssh"))}}
		write("sshd_config", "HostKey "+key+"\n"+strings.ReplaceAll(config.main, "@", own))
		for name, s := range config.drop {
			write("drop/"+name, strings.ReplaceAll(s, "@", own))
			tree["etc/ssh/drop/"+name] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(s, "@", "/etc/ssh"))}
		}
		c, err := Read(guestfs.Compose(guestfs.FromFS(tree, "test")))
		if err != nil {
			t.Fatal(err)
		}
		configs[i] = c
	}
	ask(t, dir, len(configs), connections)
	groups := func(user string) []string {
		out, err := exec.Command("id", "-Gn", user).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(string(out))
	}
	keywords := []string{"permitrootlogin", "passwordauthentication", "pubkeyauthentication", "kbdinteractiveauthentication", "usepam", "authenticationmethods",
		"authorizedkeysfile", "permitemptypasswords", "maxauthtries", "forcecommand", "x11forwarding", "strictmodes"}
	defaults := map[string]string{"permitrootlogin": "prohibit-password", "passwordauthentication": "yes", "pubkeyauthentication": "yes", "kbdinteractiveauthentication": "yes",
		"usepam": "no", "authenticationmethods": "any", "authorizedkeysfile": ".ssh/authorized_keys .ssh/authorized_keys2", "permitemptypasswords": "no",
		"maxauthtries": "6", "forcecommand": "none", "x11forwarding": "no", "strictmodes": "yes"}
	compared, sure, refused := 0, 0, 0
	for i, c := range configs {
		own := filepath.Join(dir, strconv.Itoa(i))
		for n := range connections {
			user, addr := users[n/len(addrs)], addrs[n%len(addrs)]
			out, err := os.ReadFile(filepath.Join(own, "out-"+strconv.Itoa(n)))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(filepath.Join(own, "failed-"+strconv.Itoa(n))); err == nil {
				if len(c.Errors) == 0 {
					t.Errorf("%d: sshd refuses, we do not: %s", i, out)
				}
				refused++
				continue
			}
			if len(c.Errors) > 0 {
				t.Errorf("%d: we refuse, sshd does not: %+v", i, c.Errors)
			}
			said := map[string]string{}
			for line := range strings.Lines(string(out)) {
				k, v, _ := strings.Cut(strings.TrimSpace(line), " ")
				said[k] = v
			}
			for _, k := range keywords {
				var values []string
				for _, s := range c.Lookup(k, User{Name: user, Groups: groups(user)}) {
					v := strings.Join(s.Args, " ")
					if s.Keyword == "" {
						v = defaults[k]
					}
					values = append(values, normal(k, v))
				}
				values = slices.Compact(values)
				compared++
				if len(values) == 1 {
					sure++
				}
				if !slices.Contains(values, normal(k, said[k])) {
					t.Errorf("%d, %s from %s: %s is %q, we say %q", i, user, addr, k, said[k], values)
				}
			}
		}
	}
	t.Logf("%d configurations, %d values compared, %d of them sure, %d runs refused by both", len(oracleConfigs), compared, sure, refused)
}

// normal is a value as sshd prints it.
func normal(keyword, v string) string {
	switch {
	case keyword == "permitrootlogin" && strings.EqualFold(v, "prohibit-password"):
		return "without-password"
	case keyword != "authorizedkeysfile" && keyword != "forcecommand":
		v = strings.ToLower(v)
	}
	return v
}

var oracleConfigs = []struct {
	main string
	drop map[string]string
}{
	{main: ""},
	{main: "PermitRootLogin yes\nPermitRootLogin no\n"},
	{main: "PasswordAuthentication no # comment\nKbdInteractiveAuthentication no\nUsePAM yes\n"},
	{main: "passwordauthentication=no\nMaxAuthTries = 3\n"},
	{main: "  \tPasswordAuthentication \t no\t\n\n# x\nX11Forwarding \"yes\"\n"},
	{main: "ChallengeResponseAuthentication no\n"},
	{main: "ChallengeResponseAuthentication no\nKbdInteractiveAuthentication yes\n"},
	{main: "KbdInteractiveAuthentication yes\nChallengeResponseAuthentication no\n"},
	{main: "Include @/drop/*.conf\nPasswordAuthentication yes\n", drop: map[string]string{"50-a.conf": "PasswordAuthentication no\n", "10-b.conf": "MaxAuthTries 2\n", "60-c.conf": "MaxAuthTries 4\n", "x.txt": "PubkeyAuthentication no\n"}},
	{main: "PasswordAuthentication yes\nInclude @/drop/*.conf\n", drop: map[string]string{"50-a.conf": "PasswordAuthentication no\nMaxAuthTries 5\n"}},
	{main: "Include @/drop/none*.conf @/drop/missing.conf\nPermitRootLogin no\n"},
	{main: "Include @/drop/b.conf @/drop/a.conf\n", drop: map[string]string{"a.conf": "MaxAuthTries 1\n", "b.conf": "MaxAuthTries 2\n"}},
	{main: "Include @/drop/[ab].conf\n", drop: map[string]string{"a.conf": "MaxAuthTries 1\n", "b.conf": "MaxAuthTries 2\n", "c.conf": "PubkeyAuthentication no\n"}},
	{main: "Include @/drop/a.conf\nX11Forwarding yes\n", drop: map[string]string{"a.conf": "Match User daemon\nMaxAuthTries 1\n"}},
	{main: "Include @/drop/a.conf\n", drop: map[string]string{"a.conf": "Include @/drop/b.conf\nMaxAuthTries 3\n", "b.conf": "MaxAuthTries 1\nMatch all\nPubkeyAuthentication no\n"}},
	{main: "MaxAuthTries 2\nMatch User root\nMaxAuthTries 3\nMatch User root,daemon\nMaxAuthTries 4\nPubkeyAuthentication no\n"},
	{main: "Match User !root,*\nPasswordAuthentication no\n"},
	{main: "Match User d*\nPasswordAuthentication no\nMatch User n?body\nPasswordAuthentication no\nX11Forwarding yes\n"},
	{main: "Match Group root\nPermitRootLogin yes\nMatch Group daemon,nogroup\nForceCommand /bin/false x\n"},
	{main: "Match Group !daemon,*\nPasswordAuthentication no\n"},
	{main: "PasswordAuthentication no\nMatch Address 10.0.0.0/8\nPasswordAuthentication yes\n"},
	{main: "PasswordAuthentication no\nMatch Address 10.0.0.0/8 User root\nPasswordAuthentication yes\nMaxAuthTries 1\n"},
	{main: "Match Host 192.0.2.*\nPubkeyAuthentication no\n"},
	{main: "Match LocalPort 22\nPubkeyAuthentication no\n"},
	{main: "Match LocalAddress 10.9.9.9 User daemon\nPubkeyAuthentication no\n"},
	{main: "Match all\nMaxAuthTries 4\nMatch User root\nMaxAuthTries 5\n"},
	{main: "Match User daemon\nInclude @/drop/a.conf\nMatch all\nX11Forwarding yes\n", drop: map[string]string{"a.conf": "MaxAuthTries 3\nMatch User *\nPubkeyAuthentication no\n"}},
	{main: "Match User root\nInclude @/drop/*.conf\n", drop: map[string]string{"a.conf": "PasswordAuthentication no\n"}},
	{main: "AuthenticationMethods publickey,password publickey,keyboard-interactive\nUsePAM yes\n"},
	{main: "AuthorizedKeysFile /etc/ssh/keys/%u .ssh/authorized_keys\n"},
	{main: "AuthorizedKeysFile none\nStrictModes no\nMatch User root\nAuthorizedKeysFile \"/a b/c\"\n"},
	{main: "ForceCommand echo a b\n"},
	{main: "PermitRootLogin prohibit-password\nMatch Address 192.0.2.0/24\nPermitRootLogin no\nMatch User root Address 10.*\nPermitRootLogin yes\n"},
	{main: "PermitRootLogin maybe\n"},
	{main: "PasswordAuthentication\n"},
	{main: "UsePAM on\n"},
	{main: "Match User\nX11Forwarding no\n"},
	{main: "Match all\nUsePAM no\n"},
	{main: "Banner \"x\n"},
	{main: "Match User daemon\nPort 23\n"},
	{main: "PermitRootLogin YES\n"},
}

//go:build integration

package sudoers

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"migimg/internal/need"
	"migimg/preflight/facts/answer"
)

// What sudo -l says of each user, with the file in the place of /etc/sudoers in a
// mount namespace: the last command ALL as root is the answer.
func TestAgainstSudo(t *testing.T) {
	need.Root(t)
	need.Tool(t, "sudo")
	alone, err := filepath.Abs("../../../testdata/disks/alone.sh")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for i, text := range oracleFiles {
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), []byte(text), 0o440); err != nil {
			t.Fatal(err)
		}
	}
	users := []User{{Name: "daemon", UID: 1, Groups: []string{"daemon"}, GIDs: []uint32{1}}, {Name: "nobody", UID: 65534, Groups: []string{"nogroup"}, GIDs: []uint32{65534}}}
	const script = `for i in $(seq 0 $(($1-1))); do
  mount --bind "$i" /etc/sudoers
  for u in daemon nobody; do LC_ALL=C sudo -l -U "$u" >"$i-$u" 2>&1; done
  umount /etc/sudoers
done`
	cmd := exec.CommandContext(t.Context(), alone, "sh", "-c", script, "sh", strconv.Itoa(len(oracleFiles)))
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	n := 0
	for i, text := range oracleFiles {
		p := policy(t, map[string]string{"sudoers": text})
		for _, u := range users {
			said, err := os.ReadFile(filepath.Join(dir, strconv.Itoa(i)+"-"+u.Name))
			if err != nil {
				t.Fatal(err)
			}
			want, nopasswd := listed(string(said))
			g := p.Admin(u)
			n++
			if g.Admin != want || g.Admin == answer.Yes && g.NoPassword != nopasswd {
				t.Errorf("%d %q: %s: %v %v, sudo says\n%s", i, text, u.Name, g.Admin, g.NoPassword, said)
			}
		}
	}
	t.Logf("%d files, %d answers compared", len(oracleFiles), n)
}

// listed reads lines like "    (ALL : ALL) NOPASSWD: ALL, !/bin/su".
func listed(s string) (a answer.Answer, nopasswd bool) {
	a = answer.No
	for line := range strings.Lines(s) {
		as, commands, ok := strings.Cut(strings.TrimSpace(line), ") ")
		if !ok || !strings.HasPrefix(as, "(") || !strings.HasPrefix(line, "    ") {
			continue
		}
		users, _, _ := strings.Cut(as[1:], " :")
		root := slices.ContainsFunc(strings.Split(users, ", "), func(u string) bool { return u == "ALL" || u == "root" || u == "#0" })
		if rest, ok := strings.CutPrefix(commands, "TIMEOUT="); ok {
			_, commands, _ = strings.Cut(rest, " ")
		}
		no := false
		for c := range strings.SplitSeq(commands, ", ") {
			for {
				tag, rest, ok := strings.Cut(c, ": ")
				if !ok {
					break
				}
				no, c = no && tag != "PASSWD" || tag == "NOPASSWD", rest
			}
			if root && strings.TrimPrefix(c, "!") == "ALL" {
				a, nopasswd = answer.Of(c == "ALL"), no
			}
		}
	}
	return a, nopasswd
}

var oracleFiles = []string{
	debian,
	"daemon ALL=(ALL) ALL\n",
	"daemon ALL=(ALL) NOPASSWD: ALL\nnobody ALL = (root) NOPASSWD: /bin/ls, /bin/cat\n",
	"%daemon ALL=(ALL:ALL) ALL\n%nogroup ALL=(ALL) NOPASSWD:ALL\n",
	"#1 ALL=ALL\n",
	"daemon , nobody ALL = NOPASSWD : /bin/ls , PASSWD : ALL\n",
	"User_Alias A = daemon : B = nobody\nCmnd_Alias E = ALL\nA ALL = (ALL) E\nB ALL = (daemon) E\n",
	"User_Alias A = ALL, !nobody\nA ALL = (ALL) ALL\n",
	"Runas_Alias R = root, daemon\ndaemon ALL = (R) ALL\nnobody ALL = (#0) NOPASSWD: ALL\n",
	"daemon ALL=(ALL) ALL\ndaemon ALL=(ALL) !ALL\n",
	"daemon ALL=(ALL) !ALL\ndaemon ALL=(ALL) ALL\n",
	"daemon ALL=(ALL) ALL, !/bin/su\n",
	"daemon ALL=(ALL) \\\n  NOPASSWD: \\\n  ALL # comment\n",
	"Defaults:daemon !authenticate\nDefaults env_keep += \"A B\"\ndaemon ALL=(ALL) SETENV: NOEXEC: ALL\n",
	"\"daemon\" ALL=(ALL) ALL\n",
	"daemon ALL=(nobody) ALL, (root) /bin/ls\n",
	"daemon ALL=(nobody) NOPASSWD: /bin/ls, (root) ALL\n",
	"ALL ALL=(ALL) NOPASSWD: ALL\n",
	"ALL, !daemon ALL=(ALL) ALL\n",
	"daemon ALL = (root) TIMEOUT=1m NOPASSWD: ALL\n",
	"Host_Alias H = ALL\ndaemon H = ALL\n",
	"daemon\tALL\t=\t(ALL\t:\tALL)\tALL\n",
}

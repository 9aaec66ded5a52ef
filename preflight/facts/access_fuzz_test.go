package facts

import (
	"testing"
	"testing/fstest"

	"migimg/preflight/guestfs"
)

// memory is a gatherer over files in memory.
func memory(m fstest.MapFS) *gatherer {
	return &gatherer{f: &Facts{}, src: &Source{}, fs: guestfs.Compose(guestfs.FromFS(m, "test"))}
}

func FuzzAuthorizedKeys(f *testing.F) {
	f.Add("ssh-ed25519 AAAA x\nfrom=\"a,b\",command=\"x \\\" y\" ssh-rsa AAAA\n# c\n")
	f.Add("\"\\")
	f.Fuzz(func(t *testing.T, s string) {
		var k KeyFile
		k.count(s)
		if k.Keys < 0 || len(k.Options) > len(limiting) {
			t.Errorf("%+v", k)
		}
		k.Open()
	})
}

func FuzzPAM(f *testing.F) {
	f.Add("auth [success=1 default=ignore] pam_duo.so nullok\n@include sshd\nauth include x\n", "- : ALL EXCEPT root EXCEPT a : ALL\n+:(g) @n:LOCAL\n")
	f.Add("auth [ x", ":::")
	f.Fuzz(func(t *testing.T, pam, conf string) {
		g := memory(fstest.MapFS{"etc/pam.d/sshd": {Data: []byte(pam)}, "etc/pam.d/x": {Data: []byte(pam)}, "etc/security/access.conf": {Data: []byte(conf)}})
		g.pam()
		g.f.PAM.Allows("u", []string{"g"})
	})
}

func FuzzCloudMerge(f *testing.F) {
	f.Add([]byte("users: [default, {name: x}]\nsystem_info: {default_user: {name: y}}\ncloud_init_modules: [[ssh, always], users-groups]\n"))
	f.Add([]byte("users: {default: true}\ncloud_init_modules: ssh\nsystem_info: []\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 16<<10 {
			return
		}
		var c CloudInit
		memory(fstest.MapFS{"etc/cloud/cloud.cfg": {Data: b}, "etc/cloud/cloud.cfg.d/a.cfg": {Data: b}}).cloudConfig(&c)
	})
}

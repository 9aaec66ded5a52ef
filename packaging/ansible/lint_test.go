//go:build integration && fleet

package ansible

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"migimg/internal/child"
	"migimg/internal/need"
)

// TestCollection: ansible-lint has nothing to say of the collection, and it can be
// built, installed and read.
func TestCollection(t *testing.T) {
	need.Tool(t, "ansible-lint", "ansible-galaxy", "ansible-playbook", "ansible-doc")
	dir := tempDir(t)
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C.UTF-8", "NO_COLOR=1", "ANSIBLE_COLLECTIONS_PATH=" + filepath.Join(dir, "c"), "PYTHONDONTWRITEBYTECODE=1"}
	in := func(where string, name string, args ...string) {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir, cmd.Env = where, env
		if _, err := child.Output(t, cmd); err != nil {
			t.Fatal(err)
		}
	}
	in(".", "ansible-galaxy", "collection", "build", "--output-path", dir, ".")
	built, err := filepath.Glob(filepath.Join(dir, "migimg-migimg-*.tar.gz"))
	if err != nil || len(built) != 1 {
		t.Fatal(built, err)
	}
	in(dir, "ansible-galaxy", "collection", "install", "--offline", "-p", filepath.Join(dir, "c"), built[0])
	installed := filepath.Join(dir, "c", "ansible_collections", "migimg", "migimg")
	in(installed, "ansible-lint", "--strict")
	in(installed, "ansible-playbook", "--syntax-check", "-i", "example/inventory.yml", "example/site.yml")
	in(installed, "ansible-doc", "migimg.migimg.export", "migimg.migimg.clean")
	in(installed, "ansible-doc", "-t", "role", "migimg.migimg.install", "migimg.migimg.preflight", "migimg.migimg.export", "migimg.migimg.clean")
}

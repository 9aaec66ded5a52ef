//go:build integration

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"migimg/internal/need"
)

// The completions, each asked by its own shell.
func TestCompletions(t *testing.T) {
	need.Tool(t, "bash", "zsh", "fish")
	dir := tempDir(t)
	script := func(shell string) string {
		path := filepath.Join(dir, "migimg."+shell)
		if err := os.WriteFile(path, []byte(run(t, program, "generate", shell)), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("PATH", filepath.Dir(program)+":"+os.Getenv("PATH"))
	// What zsh's own function for files would be asked, and what it is given.
	const zsh = `_files() { print FILES }; compadd() { print -l -- ${(P)2} }
words=(%s); CURRENT=$#words; source %s`
	const bash = `complete() { :; }; source %s; COMP_WORDS=(%s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _migimg; printf '%%s\n' "${COMPREPLY[@]}"`
	ask := map[string]func(line string) string{
		"bash": func(line string) string {
			return run(t, "bash", "-c", fmt.Sprintf(bash, script("bash"), line))
		},
		"zsh": func(line string) string { return run(t, "zsh", "-fc", fmt.Sprintf(zsh, line, script("zsh"))) },
		"fish": func(line string) string {
			return run(t, "fish", "--no-config", "-c", fmt.Sprintf("source %s; complete -C \"%s\"", script("fish"), strings.Trim(line, "'")))
		},
	}
	for shell, complete := range ask {
		if got := complete("migimg mo"); !strings.Contains(got, "mount") {
			t.Errorf("%s: migimg mo: %q, want mount", shell, got)
		}
		if got := complete("migimg mount --on-read"); !strings.Contains(got, "on-read-error") {
			t.Errorf("%s: migimg mount --on-read: %q, want --on-read-error", shell, got)
		}
		if got := complete("migimg mount " + dir + "/migimg"); shell == "fish" && !strings.Contains(got, "migimg.fish") || shell == "zsh" && strings.TrimSpace(got) != "FILES" || shell == "bash" && strings.TrimSpace(got) != "" {
			t.Errorf("%s: migimg mount FILE: %q, want files", shell, got)
		}
	}
}

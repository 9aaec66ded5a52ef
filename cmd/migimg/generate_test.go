package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// What is generated knows every command and option that there is.
func TestGenerate(t *testing.T) {
	for _, c := range []struct{ kind, option string }{{"man", "--%s"}, {"fish", "-l %s"}} {
		var out bytes.Buffer
		app := newApp()
		app.Writer = &out
		if err := app.RunContext(context.Background(), []string{"migimg", "generate", c.kind}); err != nil {
			t.Fatal(err)
		}
		for _, cmd := range app.VisibleCommands() {
			if !strings.Contains(out.String(), cmd.Name) {
				t.Errorf("%s: no command %s", c.kind, cmd.Name)
			}
			for _, f := range cmd.VisibleFlags() {
				if name := f.Names()[0]; len(name) > 1 && !strings.Contains(out.String(), strings.Replace(c.option, "%s", name, 1)) {
					t.Errorf("%s: %s has no --%s", c.kind, cmd.Name, name)
				}
			}
		}
	}
}

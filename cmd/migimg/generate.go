package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

// bashCompletion asks the program itself what may come next.
const bashCompletion = `_migimg() {
    local next
    next=$("${COMP_WORDS[@]:0:COMP_CWORD}" --generate-bash-completion 2>/dev/null)
    COMPREPLY=($(compgen -W "$next" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -o bashdefault -F _migimg migimg
`

// generateCommand prints what a package installs beside the program. It is
// hidden: `make man` and packagers call it.
func generateCommand() *cli.Command {
	return &cli.Command{
		Name:      "generate",
		Usage:     "print the man page (man), the completion for a shell (bash, fish), the table of the targets (targets) or the page of one (its name)",
		ArgsUsage: "man|bash|fish|targets|TARGET",
		Hidden:    true,
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "man|bash|fish|targets|TARGET")
			if err != nil {
				return err
			}
			var text string
			switch args[0] {
			case "man":
				text, err = c.App.ToManWithSection(8)
			case "bash":
				text = bashCompletion
			case "fish":
				text, err = c.App.ToFishCompletion()
			case "targets":
				text, err = targetsText("")
			default:
				text, err = targetsText(args[0])
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(c.App.Writer, text)
			return err
		},
	}
}

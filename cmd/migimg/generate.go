package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

// The completions ask the program itself for commands and options; everything else is
// a file.
const bashCompletion = `_migimg() {
    local cur=${COMP_WORDS[COMP_CWORD]} next=
    if [ "$COMP_CWORD" = 1 ]; then
        next=$("${COMP_WORDS[0]}" --generate-bash-completion 2>/dev/null)
    elif [[ $cur == -* ]]; then
        next=$("${COMP_WORDS[0]}" "${COMP_WORDS[1]}" "$cur" --generate-bash-completion 2>/dev/null)
    fi
    COMPREPLY=($(compgen -W "$next" -- "$cur"))
}
complete -o default -o bashdefault -F _migimg migimg
`

const zshCompletion = `#compdef migimg
_migimg() {
    local -a next
    if (( CURRENT == 2 )); then
        next=("${(@f)$(${words[1]} --generate-bash-completion 2>/dev/null)}")
    elif [[ ${words[CURRENT]} == -* ]]; then
        next=("${(@f)$(${words[1]} ${words[2]} ${words[CURRENT]} --generate-bash-completion 2>/dev/null)}")
    else
        _files
        return
    fi
    compadd -a next
}
_migimg "$@"
`

// generateCommand prints what a package installs beside the program. It is
// hidden: `make man` and packagers call it.
func generateCommand() *cli.Command {
	return &cli.Command{
		Name:      "generate",
		Usage:     "print the man page (man), the completion for a shell (bash, zsh, fish), the table of the targets (targets) or the page of one (its name)",
		ArgsUsage: "man|bash|zsh|fish|targets|TARGET",
		Hidden:    true,
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "man|bash|zsh|fish|targets|TARGET")
			if err != nil {
				return err
			}
			var text string
			switch args[0] {
			case "man":
				text, err = c.App.ToManWithSection(8)
			case "bash":
				text = bashCompletion
			case "zsh":
				text = zshCompletion
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

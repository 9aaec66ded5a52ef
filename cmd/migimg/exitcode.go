package main

import (
	"errors"
	"fmt"
)

// Exit codes are part of the command line's contract: a number keeps its
// meaning and is never reused. docs/operations.md lists them for users.
const (
	exitOK        = 0
	exitFailed    = 1 // could not do it, or was asked wrongly
	exitFindings  = 2 // preflight blockers, verify differences
	exitWarnings  = 3 // warnings, with --fail-on warn
	exitUndecided = 4 // not enough could be found out for an answer
)

// exitError ends the program with a code. A nil err says nothing more: what
// there was to say has been printed as the command's output.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// exitWith is the error that ends the program with code, or nil for exitOK.
func exitWith(code int) error {
	if code == exitOK {
		return nil
	}
	return &exitError{code: code}
}

// exitCode is the code for an error that a command returned, and whether its
// message is still to be printed.
func exitCode(err error) (code int, message bool) {
	if err == nil {
		return exitOK, false
	}
	var e *exitError
	if errors.As(err, &e) {
		return e.code, e.err != nil
	}
	return exitFailed, true
}

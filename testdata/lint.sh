#!/bin/bash
# The checks of `make lint`. Stops at the end, not at the first: all that is wrong
# is shown. staticcheck and golangci-lint are taken from the PATH, or installed
# into build/bin in the versions below.
# shellcheck disable=SC2317,SC2329 # check calls the functions by their names
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/local/go/bin:$PWD/build/bin"

staticcheck_version=v0.8.2
golangci_version=v2.15.0

rc=0
check() { # check NAME COMMAND...: the command's output, under a heading, if it fails
    local name=$1 out
    shift
    if out=$("$@" 2>&1); then
        echo "ok    $name"
    else
        rc=1
        printf 'FAIL  %s\n%s\n' "$name" "$out"
    fi
}
installed() { # installed PROGRAM MODULE@VERSION
    command -v "$1" >/dev/null && return
    echo "installing $2 into build/bin" >&2
    GOBIN=$PWD/build/bin GOFLAGS='' CGO_ENABLED=0 go install "$2"
}
go_files() { find . -name '*.go' -not -path './build/*' -not -path './.git/*'; }

formatted() {
    local bad
    bad=$(go_files | xargs gofmt -l)
    [ -z "$bad" ] || { echo "$bad"; echo "run: gofmt -w FILE"; return 1; }
}

small() { # a file is one thing: at most 400 lines outside tests
    local bad
    bad=$(go_files | grep -v '_test\.go$' | xargs wc -l | awk '$2 != "total" && $1 > 400 {print $2 ": " $1 " lines, at most 400: split it by what it describes"}')
    [ -z "$bad" ] || { echo "$bad"; return 1; }
}

scripts() { git -c safe.directory="$PWD" ls-files -co --exclude-standard '*.sh' .ci/run | sort -u; }
shell() { scripts | xargs shellcheck; }
# The checkout of a clone must be able to run them.
executable() {
    local bad
    bad=$(scripts | while read -r f; do [ -x "$f" ] || echo "$f is not executable"; done)
    [ -z "$bad" ] || { echo "$bad"; return 1; }
}

mkdir -p build/bin
installed staticcheck "honnef.co/go/tools/cmd/staticcheck@$staticcheck_version"
installed golangci-lint "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$golangci_version"

check gofmt formatted
check "go vet" go vet ./...
check "go vet -tags integration,torture,boots,fleet,dist" go vet -tags integration,torture,boots,fleet,dist ./...
check staticcheck staticcheck ./...
check "staticcheck -tags integration,torture,boots,fleet,dist" staticcheck -tags integration,torture,boots,fleet,dist ./...
check golangci-lint golangci-lint run --timeout 10m ./...
check "file sizes" small
check shellcheck shell
check "scripts executable" executable
exit "$rc"

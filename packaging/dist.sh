#!/bin/bash
# Everything of a release, for amd64 and arm64: packages, tarballs, a CycloneDX bill of
# materials, and their sums (`make dist`).
#
#   packaging/dist.sh [OUT]      (default build/dist, which is emptied)
#
# Needs Go and what `testdata/install.sh dist` installs. The same commit gives the same
# bytes; so does the Go release, which go.mod's toolchain line or GOTOOLCHAIN names.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/local/go/bin:$PWD/build/bin" LC_ALL=C
out=${1:-build/dist}
rm -rf "$out"
mkdir -p "$out"
for arch in amd64 arm64; do
    packaging/build.sh "$arch" "$out"
    tarball=$(cd "$out" && echo migimg-*-linux-"$arch".tar.gz)
    bom=$out/${tarball%.tar.gz}.cdx.json
    # The hashes are of the program that wrote it, and those of its build.
    GOOS=linux GOARCH=$arch CGO_ENABLED=0 cyclonedx-gomod app -json -licenses -std -noserial -notimestamp -main cmd/migimg . 2>"$out/stage/bom.log" |
        jq 'del(.metadata.tools[].hashes)' >"$bom" || { cat "$out/stage/bom.log" >&2; exit 1; }
    # It names what the program says that it was built from, and nothing else.
    diff <(go version -m "$out/stage/$arch/usr/bin/migimg" | awk '$1 == "dep" {print $2 "@" $3}' | sort) \
        <(jq -r '.components[] | select(.name != "std") | .name + "@" + .version' "$bom" | sort)
done
rm -rf "$out/stage"
(cd "$out" && sha256sum -- * >SHA256SUMS)
ls -l "$out"

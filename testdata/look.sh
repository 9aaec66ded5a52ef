#!/bin/bash
# Pictures of report.html in a real browser, to be looked at: light and dark, a
# desk's and a phone's width, all languages. They go to build/look.
#
#   testdata/look.sh [PAGE.html]...      (default: the samples of the tests)
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/local/go/bin"
testdata/install.sh look

out=$PWD/build/look
mkdir -p "$out"
if [ $# -eq 0 ]; then
    MIGIMG_LOOK=$out go test -count=1 -run '^Test(HTML|ManyTargets|Images|FleetHTML)$' ./preflight/render
    set -- "$out"/*.html
fi
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT

# picture PAGE NAME WIDTH HEIGHT DARK: Blink's preferredColorScheme is 0 for dark.
# A headless window is at least 500 wide, so a phone is a frame of its width.
picture() {
    local page=$1 name=$2 width=$3 height=$4 dark=$5
    local flags=(--headless --no-sandbox --disable-gpu --hide-scrollbars --no-first-run "--user-data-dir=$profile" "--window-size=$((width < 500 ? 500 : width)),$height")
    [ "$dark" = no ] || flags+=(--blink-settings=preferredColorScheme=0)
    if [ "$width" -lt 500 ]; then
        printf '<!DOCTYPE html><style>body{margin:0;background:#888}iframe{border:0;width:%dpx;height:%dpx}</style><iframe src="%s"></iframe>' "$width" "$height" "file://$page" >"$profile/phone.html"
        page=$profile/phone.html
    fi
    timeout 90 chromium "${flags[@]}" "--screenshot=$out/$name.png" "file://$page" 2>/dev/null
    echo "$out/$name.png"
}

for page in "$@"; do
    page=$(realpath "$page")
    name=$(basename "$page" .html)
    picture "$page" "$name-light" 1100 3000 no
    picture "$page" "$name-dark" 1100 3000 yes
    picture "$page" "$name-phone" 390 5000 no
    picture "$page" "$name-phone-dark" 390 5000 yes
done

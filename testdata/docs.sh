#!/bin/bash
# Makes a site of the pages in build/docs, by Sphinx. A page that no menu leads to, or
# a link that leads nowhere, is an error. What `make docs` runs.
set -euo pipefail
cd "$(dirname "$0")/.."

pages=build/docs-pages
rm -rf build/docs "$pages"
mkdir -p "$pages"
cp -r CONTRIBUTING.md CHANGELOG.md SECURITY.md LICENSE docs "$pages"
mv "$pages/docs/conf.py" "$pages/conf.py"
cp README.md "$pages/index.md"
# Debian's Python has Debian's Sphinx, another one that is found first need not.
/usr/bin/python3 -m sphinx -q -W --keep-going -b html "$pages" build/docs
rm -rf build/docs/.doctrees build/docs/.buildinfo "$pages"
echo "docs.sh: $(find build/docs -name '*.html' | wc -l) pages: build/docs/index.html"

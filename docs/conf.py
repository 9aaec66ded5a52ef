"""How make docs makes a site of these pages: Sphinx, with MyST to read Markdown.

testdata/docs.sh puts the pages into one folder, in which this file is, too; the
README is index.md there.
"""

import os
import re

project = "migimg"
copyright = "the migimg authors, Apache-2.0"
version = release = os.environ.get("MIGIMG_VERSION", "")

extensions = ["myst_parser"]
myst_heading_anchors = 4  # the names that forges give to headings
root_doc = "index"
exclude_patterns = ["build"]

html_theme = "furo"
html_title = "migimg"
html_show_sphinx = False
html_copy_source = False


def navigation(app, name, source):
    """Gives the first page the contents of docs/README.md, for the menu, and the page of
    the targets theirs. On a forge, the links themselves are the menu."""
    if name == root_doc:
        with open(os.path.join(app.srcdir, "docs", "README.md"), encoding="utf-8") as f:
            parts = re.split(r"^## (.*)$", f.read(), flags=re.MULTILINE)
        for title, text in zip(parts[1::2], parts[2::2]):
            source[0] += tree(title, ["docs/" + page for page in re.findall(r"\]\((\S+?)\.md\)", text)])
        source[0] += tree("The project", ["docs/README", "CONTRIBUTING", "CHANGELOG", "SECURITY"])
    elif name == "docs/targets":
        folder = os.path.join(app.srcdir, "docs", "targets")
        source[0] += tree("", sorted("targets/" + page[:-3] for page in os.listdir(folder)))


def tree(title, pages):
    caption = f":caption: {title}\n" if title else ""
    return "\n```{toctree}\n:hidden:\n" + caption + "\n" + "\n".join(pages) + "\n```\n"


def setup(app):
    app.connect("source-read", navigation)

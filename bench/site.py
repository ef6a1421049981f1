"""The last steps of `make docs`, on the built pages: formulas are typeset, and every link and picture has to exist.

    python -m bench.site FOLDER

Formulas, which `pymdownx.arithmatex` has marked, become MathML, which browsers show without a script or a request.
A formula that cannot be read and a link that leads nowhere are errors, which name the page.
"""

import html
import re
import sys
from pathlib import Path
from urllib.parse import unquote

from latex2mathml.converter import convert  # pyright: ignore[reportMissingImports]: of the extra `docs`

MARKED = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)
"""What arithmatex writes: TeX in a span, or in a div where it is displayed."""
UNREAD = re.compile(r"<m[iot]>(\\\w+|&amp;|&)</m[iot]>")
"""latex2mathml leaves commands that it does not know as they are."""
TARGET = re.compile(r'<(?:a|img|script|link)\b[^>]*?\b(?:href|src)="([^"]+)"')


def mathml(tex: str, display: bool) -> str:
    """MathML of a formula; ValueError where it has a command that is not understood."""
    done = convert(tex.strip(), display="block" if display else "inline")
    if unread := UNREAD.search(done):
        raise ValueError(f"{unread[1]} is not understood")
    return f'<div class="math">{done}</div>' if display else done


def typeset(page: str) -> tuple[str, int]:
    """A page with its formulas as MathML, and their number."""
    return MARKED.subn(lambda found: mathml(html.unescape(found[2]), found[1] == "div"), page)


def missing(folder: Path, path: Path, page: str) -> list[str]:
    """Relative links and pictures of a page that do not exist in the folder."""
    targets = {unquote(html.unescape(t).partition("#")[0].partition("?")[0]) for t in TARGET.findall(page)}
    local = sorted(t for t in targets if t and not re.match(r"[a-z]+:|//", t))
    return [t for t in local if not (folder / t[1:] if t.startswith("/") else path.parent / t).exists()]


def main(folder: Path) -> None:
    """Finish every page of a folder."""
    total, problems = 0, []
    for path in sorted(folder.rglob("*.html")):
        page = path.read_text()
        problems += [f"{path}: {target} does not exist" for target in missing(folder, path, page)]
        try:
            page, count = typeset(page)
        except Exception as error:
            problems.append(f"{path}: a formula cannot be typeset: {error}")
            continue
        path.write_text(page)
        total += count
    if not total:
        problems.append(f"{folder}: no formula was found, so arithmatex does not write what is expected here")
    if problems:
        sys.exit("\n".join(problems))
    print(f"{total} formulas typeset, all links exist")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

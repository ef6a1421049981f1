"""The documentation as a site: the navigation has every page once. `make docs` checks the rest."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
SITE = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]


def listed(entries):
    """The pages of a navigation, in its order."""
    for entry in entries:
        for target in entry.values():
            yield from [target] if isinstance(target, str) else listed(target)


def test_the_navigation_has_every_page_once():
    pages = {page.relative_to(ROOT).as_posix() for page in (ROOT / "docs").rglob("*.md")}
    found = list(listed(SITE["nav"]))
    assert len(pages) > 40
    assert sorted(found) == sorted(pages | {"README.md", "CONTRIBUTING.md", "CHANGELOG.md"})


def test_the_site_asks_nothing_of_other_machines():
    assert SITE["theme"]["font"] is False
    assert "extra_javascript" not in SITE
